"""The full check: every leaf, tile and the root rederived from what a log serves.

Tiles are proven from the root downward before an entry is compared, so that the first difference
found says which resource is wrong, not only that two disagree.
"""

from __future__ import annotations

from collections.abc import Callable

from shared.tlog.checkpoint import Checkpoint
from shared.tlog.errors import EntryDiffers, MalformedBundle, RootDiffers, TileDiffers
from shared.tlog.hashing import HASH_SIZE, leaf_hash, subtree_root
from shared.tlog.tiles import TILE_WIDTH, BundleRef, LogReader, TileRef, bundle_leaf_hashes, partial_tiles
from shared.tlog.tree import Edge, read_edge, read_whole

Progress = Callable[[int, int], None]
"""Told (leaves checked, leaves in all)."""

_BUNDLES_A_REPORT = 64


def verify_log(reader: LogReader, checkpoint: Checkpoint, progress: Progress | None = None) -> None:
    """Return only if the entries and tiles that the reader serves are those that the checkpoint signed.

    Memory: one tile and one bundle, and 32 bytes for each 256 leaves.

    Args:
        reader: not trusted.
        checkpoint: from `open_checkpoint`.
        progress: called about each 16,384 leaves, and at the end.

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
    parents = b""
    for level in reversed(range(1, len(edge.levels))):
        tiles = [_proven_tile(reader, level, index, parents) for index in range(size >> 8 * (level + 1))]
        parents = b"".join(tiles) + edge.levels[level]
    _check_entries(reader, edge, parents, progress)
    if not proven:
        raise RootDiffers(size, edge.root(), checkpoint.root)


def _check_entries(reader: LogReader, edge: Edge, parents: bytes, progress: Progress | None) -> None:
    full, rest = divmod(edge.size, TILE_WIDTH)
    for index in range(full):
        _check_bundle(reader, BundleRef(index), _proven_tile(reader, 0, index, parents))
        if progress is not None and (index + 1) % _BUNDLES_A_REPORT == 0:
            progress((index + 1) * TILE_WIDTH, edge.size)
    if rest:
        _check_bundle(reader, BundleRef(full, rest), edge.levels[0])
    if progress is not None:
        progress(edge.size, edge.size)


def _proven_tile(reader: LogReader, level: int, index: int, parents: bytes) -> bytes:
    ref = TileRef(level, index)
    hashes = read_whole(reader, ref)
    if subtree_root(hashes) != parents[index * HASH_SIZE : (index + 1) * HASH_SIZE]:
        above = TileRef(level + 1, index // TILE_WIDTH).path
        raise TileDiffers(
            ref.path, (f"其散列不是上层 {above} 所记", f"its hash is not the one in {above} above it")
        )
    return hashes


def _check_bundle(reader: LogReader, ref: BundleRef, tile: bytes) -> None:
    bundle = reader.read_entries(ref.index, ref.width)
    try:
        agrees = bundle_leaf_hashes(bundle) == tile
    except MalformedBundle:
        agrees = False
    if not agrees:
        raise _first_difference(ref, bundle, tile)


def _first_difference(ref: BundleRef, bundle: bytes, tile: bytes) -> EntryDiffers:
    first = ref.index * TILE_WIDTH
    position = 0
    for at in range(ref.width):
        start = position + 2
        end = start + int.from_bytes(bundle[position:start], "big")
        if end > len(bundle) or start > len(bundle):
            reason = ("记录包在此处中断，缺少其后的记录", "the bundle ends here, entries are missing")
            return EntryDiffers(first + at, ref.path, reason)
        if leaf_hash(bundle[start:end]) != tile[at * HASH_SIZE : (at + 1) * HASH_SIZE]:
            reason = (
                "叶散列不同，记录被改动、调换、删除或插入",
                "its leaf hash differs: altered, moved, taken out or put in",
            )
            return EntryDiffers(first + at, ref.path, reason)
        position = end
    extra = ("记录包中有多出的内容", "the bundle holds more than its entries")
    return EntryDiffers(first + ref.width, ref.path, extra)


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
