"""Every leaf hash of a ledger, computed here from its entries, at hand by index without being held in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import IO, Self

from shared.tlog.checkpoint import Checkpoint
from shared.tlog.errors import MalformedBundle, ResourceMissing
from shared.tlog.hashing import HASH_SIZE
from shared.tlog.tiles import TILE_WIDTH, BundleRef, LogReader, bundle_leaf_hashes, bundles_of
from shared.tlog.tree import Edge

Progress = Callable[[int, int], None]
"""Told (leaves read, leaves in all)."""

UNKNOWN = bytes(HASH_SIZE)
"""Stands for a leaf whose entry is not served: no entry hashes to it."""


@dataclass(slots=True)
class LeafHashes:
    """The leaf hashes of a ledger as of a checkpoint, in a temporary file; close it, or use `with`.

    Attributes:
        size: of the checkpoint.
        root_agrees: whether the entries, hashed here, give the signed root.
        unreadable: bundles that were not served whole, by first index and width; the level-0 tile's hashes,
            which are the server's word, stand for them.
    """

    size: int
    root_agrees: bool = False
    unreadable: list[tuple[int, int]] = field(default_factory=list)
    _file: IO[bytes] = field(default_factory=tempfile.TemporaryFile)
    _claimed: bytearray = field(default_factory=bytearray)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._file.close()

    def read(self, reader: LogReader, checkpoint: Checkpoint, progress: Progress) -> None:
        """Reads every entry once and hashes it. Raises: what the reader raises, but for missing resources."""
        self._claimed = bytearray(self.size)
        edge = Edge()
        for ref in bundles_of(self.size):
            hashes = self._hashes(reader, ref)
            self._file.write(hashes)
            edge = edge.append([hashes]).edge
            progress(edge.size, self.size)
        self.root_agrees = edge.root() == checkpoint.root

    def _hashes(self, reader: LogReader, ref: BundleRef) -> bytes:
        wanted = ref.width * HASH_SIZE
        try:
            hashes = bundle_leaf_hashes(reader.read_entries(ref.index, ref.width))
            if len(hashes) == wanted:
                return hashes
        except (ResourceMissing, MalformedBundle):
            hashes = b""
        self.unreadable.append((ref.index * TILE_WIDTH, ref.width))
        try:
            hashes = reader.read_tile(0, ref.index, ref.width)
        except ResourceMissing:
            hashes = b""
        return hashes if len(hashes) == wanted else UNKNOWN * ref.width

    def claim(self, index: int) -> bytes:
        """The hash of the leaf that a fact claims as its own. Raises: ValueError: another fact has claimed it."""
        if self._claimed[index]:
            raise ValueError(index)
        self._claimed[index] = 1
        self._file.seek(index * HASH_SIZE)
        return self._file.read(HASH_SIZE)

    def unclaimed(self) -> tuple[int, int]:
        """How many leaves no fact claimed, and the first of them; -1 where there is none."""
        return self._claimed.count(0), self._claimed.find(0)
