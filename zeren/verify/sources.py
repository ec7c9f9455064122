"""Where a ledger is read from: its URL prefix, or a folder with the same files. Neither is trusted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Protocol

import httpx

from shared.tlog.errors import Malformed, ResourceMissing
from shared.tlog.hashing import HASH_SIZE
from shared.tlog.tiles import (
    MAX_ENTRY_BYTES,
    TILE_WIDTH,
    BundleRef,
    TileRef,
    decode_bundle,
    encode_bundle,
)
from zeren.verify.errors import AnswerTooLarge, LedgerUnreachable

TIMEOUT_SECONDS = 30.0


class Source(Protocol):
    """The files of a ledger, by their paths under its prefix.

    Attributes:
        where: the prefix or folder, for messages.
    """

    @property
    def where(self) -> str:
        """See the class."""

    def fetch(self, path: str, limit: int) -> bytes | None:
        """A resource of at most `limit` bytes, None where there is none.

        Raises:
            AnswerTooLarge: it has more; at most a little more is ever held in memory.
            LedgerUnreachable: no answer.
        """


class HttpSource:
    """A ledger behind an URL prefix."""

    def __init__(self, prefix: str, client: httpx.Client) -> None:
        self.where = prefix.rstrip("/")
        self._client = client

    def fetch(self, path: str, limit: int) -> bytes | None:
        """See `Source`; 404 and 410 mean that there is none."""
        url = f"{self.where}/{path}"
        try:
            with self._client.stream("GET", url) as response:
                if response.status_code in (404, 410):
                    return None
                if response.status_code != 200:
                    raise LedgerUnreachable(url, f"HTTP {response.status_code}")
                return _at_most(response.iter_bytes(), path, limit)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise LedgerUnreachable(url, str(error) or type(error).__name__) from error


class FolderSource:
    """A ledger's files in a local folder: a copy, a mirror, a backup."""

    def __init__(self, folder: Path) -> None:
        self.where = str(folder)
        self._folder = folder

    def fetch(self, path: str, limit: int) -> bytes | None:
        """See `Source`."""
        try:
            with (self._folder / path).open("rb") as file:
                return _at_most(iter([file.read(limit + 1)]), path, limit)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise LedgerUnreachable(str(self._folder / path), error.strerror or "") from error


@contextmanager
def open_source(where: str) -> Iterator[Source]:
    """The source of an http(s) prefix, or else of a folder."""
    if not where.startswith(("http://", "https://")):
        yield FolderSource(Path(where))
        return
    # A proxy of the environment can't reach this machine's own addresses.
    with httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=not _is_loopback(where)) as client:
        yield HttpSource(where, client)


class SourceReader:
    """A log reader (shared.tlog.tiles) over a source.

    A log may delete a partial tile once the full one exists; its first hashes are then taken from that.
    """

    def __init__(self, source: Source) -> None:
        self._source = source

    def read_tile(self, level: int, index: int, width: int) -> bytes:
        """The first `width` hashes of a tile, if served; raises ResourceMissing."""
        ref = TileRef(level, index, width)
        hashes = self._source.fetch(ref.path, width * HASH_SIZE)
        if hashes is None and width < TILE_WIDTH:
            full = self._source.fetch(TileRef(level, index).path, TILE_WIDTH * HASH_SIZE)
            hashes = None if full is None else full[: width * HASH_SIZE]
        if hashes is None:
            raise ResourceMissing(ref.path)
        return hashes

    def read_entries(self, index: int, width: int) -> bytes:
        """The bundle of the first `width` entries, if served; raises ResourceMissing."""
        ref = BundleRef(index, width)
        bundle = self._source.fetch(ref.path, width * (2 + MAX_ENTRY_BYTES))
        if bundle is None and width < TILE_WIDTH:
            full = self._source.fetch(BundleRef(index).path, TILE_WIDTH * (2 + MAX_ENTRY_BYTES))
            bundle = None if full is None else _first_entries(full, width)
        if bundle is None:
            raise ResourceMissing(ref.path)
        return bundle


def _first_entries(bundle: bytes, width: int) -> bytes:
    try:
        return encode_bundle(decode_bundle(bundle)[:width])
    except Malformed:
        return bundle  # the check names the entry where it breaks


def _at_most(chunks: Iterator[bytes], path: str, limit: int) -> bytes:
    held = bytearray()
    for chunk in chunks:
        held += chunk
        if len(held) > limit:
            raise AnswerTooLarge(path, limit)
    return bytes(held)


def _is_loopback(url: str) -> bool:
    try:
        host = httpx.URL(url).host
        return host == "localhost" or ip_address(host).is_loopback
    except (httpx.InvalidURL, ValueError):
        return False
