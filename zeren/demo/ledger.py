"""The ledger, downloaded and recomputed here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from shared.tlog.tiles import bundles_of, decode_bundle
from zeren.verify.files import SourceReader
from zeren.verify.ledger import verify
from zeren.verify.sources import open_source


@dataclass(frozen=True, slots=True)
class Ledger:
    """A ledger whose every entry, tile and root was recomputed and fits its signed checkpoint."""

    size: int
    root: str
    entries: list[bytes]


def verified_ledger(where: str, vkey: str) -> Ledger:
    """Raises: TlogError, the first place that is wrong."""
    found = verify(where, vkey)
    return Ledger(found.size, found.root.hex(), list(_entries(where, found.size)))


def _entries(where: str, size: int) -> Iterator[bytes]:
    with open_source(where) as source:
        reader = SourceReader(source)
        for bundle in bundles_of(size):
            yield from decode_bundle(reader.read_entries(bundle.index, bundle.width))
