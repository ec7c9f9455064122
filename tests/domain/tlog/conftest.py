"""A log built in memory, as files under the paths that a log serves; tests alter the files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

import pytest

from shared.tlog.checkpoint import Checkpoint, sign_checkpoint
from shared.tlog.errors import ResourceMissing
from shared.tlog.hashing import leaf_hash
from shared.tlog.notes import Signer
from shared.tlog.tiles import TILE_WIDTH, BundleRef, TileRef, bundles_of, encode_bundle, partial_tiles
from shared.tlog.tree import Edge

ORIGIN = "audit.fj.example/ledger"


class MemoryLog:
    """The files of a log of these entries, at its last size."""

    def __init__(self, entries: Sequence[bytes]) -> None:
        growth = Edge().append([leaf_hash(entry) for entry in entries])
        self.edge = growth.edge
        self.checkpoint = Checkpoint(ORIGIN, growth.edge.size, growth.edge.root())
        self.files = {TileRef(tile.level, tile.index).path: tile.hashes for tile in growth.tiles}
        for ref in partial_tiles(self.edge.size):
            self.files[ref.path] = self.edge.partial_tile(ref.level)
        for bundle in bundles_of(self.edge.size):
            first = bundle.index * TILE_WIDTH
            self.files[bundle.path] = encode_bundle(entries[first : first + bundle.width])

    def read_tile(self, level: int, index: int, width: int) -> bytes:
        """See TileReader."""
        return self._read(TileRef(level, index, width).path)

    def read_entries(self, index: int, width: int) -> bytes:
        """See LogReader."""
        return self._read(BundleRef(index, width).path)

    def write(self, folder: Path, signer: Signer) -> None:
        """Put the log's files, and its signed checkpoint, under a folder."""
        note = sign_checkpoint(self.checkpoint, [signer])
        for path, content in {**self.files, "checkpoint": note.encode()}.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)

    def _read(self, path: str) -> bytes:
        if path not in self.files:
            raise ResourceMissing(path)
        return self.files[path]


@pytest.fixture(scope="session")
def log_of() -> Callable[[Sequence[bytes]], MemoryLog]:
    """Builds a log of entries."""
    return MemoryLog


@pytest.fixture(scope="session")
def payments() -> Callable[[int], list[bytes]]:
    """The n entries over which the known roots were made."""
    return lambda count: [b'{"n":%d,"evt":"PaymentReleased"}' % n for n in range(count)]


@pytest.fixture(scope="session")
def signer() -> Signer:
    """The key of the known signature."""
    return Signer.from_seed(ORIGIN, sha256(b"log").digest())
