"""The full check: every leaf, tile and the root rederived from what a log serves.

Tiles are proven from the root downward before an entry is compared, so that the first difference
found says which resource is wrong, not only that two disagree.
"""

from __future__ import annotations

from collections.abc import Callable

from shared.tlog.bundle_check import BundleCheck, check_bundle, check_in_order, proven_tile
from shared.tlog.checkpoint import Checkpoint
from shared.tlog.errors import MalformedBundle, RootDiffers, TileDiffers
from shared.tlog.hashing import HASH_SIZE, subtree_root
from shared.tlog.tiles import TILE_WIDTH, BundleRef, LogReader, TileRef, bundle_leaf_hashes, partial_tiles
from shared.tlog.tree import Edge, read_edge, read_whole

Progress = Callable[[int, int], None]
"""Told (leaves checked, leaves in all)."""


def verify_log(
    reader: LogReader,
    checkpoint: Checkpoint,
    progress: Progress | None = None,
    check_bundles: BundleCheck = check_in_order,
) -> None:
    """Return only if the entries and tiles that the reader serves are those that the checkpoint signed.

    Memory: one tile and one bundle, and 32 bytes for each 256 leaves.

    Args:
        reader: not trusted.
        checkpoint: from `open_checkpoint`.
        progress: called about each 16,384 leaves, and at the end.
        check_bundles: how the full bundles are checked; by default here, one after the other.

    Raises:
        EntryDiffers, TileDiffers: the first one that is wrong.
        RootDiffers: entries and tiles agree, and are not what was signed.
        ResourceMissing: the reader lacks a tile or bundle.
    """
    size = checkpoint.size
    edge = read_edge(reader, size)
    proven = edge.root() == checkpoint.root
    if not proven:
        _blame_edge(reader, edge, checkpoint.root)

    def told(leaves: int) -> None:
        if progress is not None:
            progress(leaves, size)

    check_bundles(reader, _proven_parents(reader, edge), lambda bundles: told(bundles * TILE_WIDTH))
    full, rest = divmod(size, TILE_WIDTH)
    if rest:
        check_bundle(reader, BundleRef(full, rest), edge.levels[0])
    told(size)
    if not proven:
        raise RootDiffers(size, edge.root(), checkpoint.root)


def _proven_parents(reader: LogReader, edge: Edge) -> bytes:
    parents = b""
    for level in reversed(range(1, len(edge.levels))):
        tiles = [
            proven_tile(reader, TileRef(level, index), parents[index * HASH_SIZE : (index + 1) * HASH_SIZE])
            for index in range(edge.size >> 8 * (level + 1))
        ]
        parents = b"".join(tiles) + edge.levels[level]
    return parents


def _blame_edge(reader: LogReader, edge: Edge, root: bytes) -> None:
    # The partial tiles have no hash above them. If those made anew from below give the signed root, the
    # partial tile served is what was altered; if not, the walk downward finds the place, or there is none.
    derived = _derived_levels(reader, edge)
    if derived is None or Edge(edge.size, derived).root() != root:
        return
    for ref in partial_tiles(edge.size):
        if derived[ref.level] != edge.levels[ref.level]:
            raise TileDiffers(ref.path, ("与下层重算的散列不同", "not the hashes that the level below gives"))


def _derived_levels(reader: LogReader, edge: Edge) -> tuple[bytes, ...] | None:
    levels = [b""] * len(edge.levels)
    for ref in partial_tiles(edge.size):
        first = ref.index * TILE_WIDTH
        if ref.level:
            below = [TileRef(ref.level - 1, first + at) for at in range(ref.width)]
            levels[ref.level] = b"".join([subtree_root(read_whole(reader, each)) for each in below])
            continue
        try:
            levels[0] = bundle_leaf_hashes(reader.read_entries(ref.index, ref.width))
        except MalformedBundle:
            return None
    widths = [len(hashes) for hashes in levels]
    return tuple(levels) if widths == [len(hashes) for hashes in edge.levels] else None
