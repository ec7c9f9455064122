"""Where the full check spends its time: every entry against its level-0 tile, every tile against the one above.

It goes in runs of bundles that depend on each other by nothing but the proven hashes given, so that whoever has
several processors may check several at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from shared.tlog.errors import EntryDiffers, MalformedBundle, TileDiffers
from shared.tlog.hashing import HASH_SIZE, leaf_hash, subtree_root
from shared.tlog.tiles import TILE_WIDTH, BundleRef, LogReader, TileReader, TileRef, bundle_leaf_hashes
from shared.tlog.tree import read_whole

BUNDLES_A_RUN = 64
"""16,384 entries: some fifty milliseconds of work."""

Told = Callable[[int], None]
"""Told how many full bundles are checked, all before them too."""

BundleCheck = Callable[[LogReader, bytes, Told], None]
"""A check of all full bundles of a log: `check_in_order`, or what does the same and raises the same."""


def check_in_order(reader: LogReader, parents: bytes, told: Told) -> None:
    """Return only if all full bundles, and the level-0 tiles over them, fit the hashes of these tiles.

    Args:
        reader: not trusted.
        parents: the proven hash of each full level-0 tile, joined, 32 bytes each.
        told: called after each run.

    Raises:
        EntryDiffers, TileDiffers, ResourceMissing: the first place that is wrong.
    """
    for first, hashes in runs_of(parents):
        check_run(reader, first, hashes)
        told(first + len(hashes) // HASH_SIZE)


def runs_of(parents: bytes) -> Iterator[tuple[int, bytes]]:
    """The runs of a log: each its first bundle, and the proven hash of each of its tiles."""
    size = BUNDLES_A_RUN * HASH_SIZE
    for at in range(0, len(parents), size):
        yield at // HASH_SIZE, parents[at : at + size]


def check_run(reader: LogReader, first: int, hashes: bytes) -> None:
    """One run, see `runs_of`; raises as `check_in_order` does. Memory: one tile and one bundle."""
    for at in range(0, len(hashes), HASH_SIZE):
        index = first + at // HASH_SIZE
        tile = proven_tile(reader, TileRef(0, index), hashes[at : at + HASH_SIZE])
        check_bundle(reader, BundleRef(index), tile)


def proven_tile(reader: TileReader, ref: TileRef, parent: bytes) -> bytes:
    """A full tile's joined hashes, whose root is `parent`; raises ResourceMissing, TileDiffers."""
    hashes = read_whole(reader, ref)
    if subtree_root(hashes) != parent:
        above = TileRef(ref.level + 1, ref.index // TILE_WIDTH).path
        raise TileDiffers(
            ref.path, (f"其散列不是上层 {above} 所记", f"its hash is not the one in {above} above it")
        )
    return hashes


def check_bundle(reader: LogReader, ref: BundleRef, tile: bytes) -> None:
    """Return only if the bundle's entries hash to this tile; raises EntryDiffers, ResourceMissing."""
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
