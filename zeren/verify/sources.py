"""Where a ledger is read from: its URL prefix, or a folder with the same files. Neither is trusted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

import httpx

from zeren.verify.errors import AnswerTooLarge, LedgerUnreachable
from zeren.verify.files import FolderSource, Source

TIMEOUT_SECONDS = 30.0


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


@contextmanager
def open_source(where: str) -> Iterator[Source]:
    """The source of an http(s) prefix, or else of a folder."""
    if not where.startswith(("http://", "https://")):
        yield FolderSource(Path(where))
        return
    # A proxy of the environment can't reach this machine's own addresses.
    with httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=not _is_loopback(where)) as client:
        yield HttpSource(where, client)


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
