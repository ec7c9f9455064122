"""A ledger's files: whoever has them, a folder of them, and the log reader over them. None of it is trusted."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

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


class FolderSource:
    """A ledger's files in a local folder: a copy, a mirror, a backup."""

    def __init__(self, folder: Path) -> None:
        self.where = str(folder)
        self._folder = folder

    def fetch(self, path: str, limit: int) -> bytes | None:
        """See `Source`."""
        try:
            with (self._folder / path).open("rb") as file:
                # Memory for what is there, not for the limit: a bundle may have 16 MB and has a quarter of one.
                size = os.fstat(file.fileno()).st_size
                content = file.read(min(size, limit) + 1)
                if len(content) > size:
                    content += file.read(limit + 1 - len(content))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise LedgerUnreachable(str(self._folder / path), error.strerror or "") from error
        if len(content) > limit:
            raise AnswerTooLarge(path, limit)
        return content


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
