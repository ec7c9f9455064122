"""The right edge alone gives the tree: roots, tiles, growth in any batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.tlog.errors import ResourceMissing, TileDiffers
from shared.tlog.hashing import EMPTY_ROOT, leaf_hash, subtree_root
from shared.tlog.tiles import TileRef, partial_tiles, tiles_of
from shared.tlog.tree import Edge, read_edge

if TYPE_CHECKING:
    from tests.domain.tlog.conftest import MemoryLog

KNOWN_ROOTS = {
    1: "34acde0f08b4607255d5faf2cd1d08b2815dac570552078a97de68f1aad1078e",
    2: "e20198feafde458fdd7c472b7bf528b565340320843aa9c802d9f024c7c510d2",
    3: "a1dbf70a833cd4f07eeb2d4cbb356d7790f7b1f8c6905f09d64df98104ec7c63",
    255: "875120c426efc6bb8a2d432fa7d629c86706445dacbf016fd7e0487b4431fe41",
    256: "9e5376d1732458c490e13c6ea1eadcf3366548e7a47490a3bc75223e3c32e5a5",
    257: "65fd0598a4a5187c04e5dbb3aa7b0b3ff918604611d7ac67c1525be2e7a00bb2",
    70_000: "4ae71c211fb0a5830ca01a0eeb5c60ec6fa5d8c4ca9d6afa2881565c0a005015",
}


def _leaves(count: int) -> list[bytes]:
    return [sha256(b"leaf%d" % n).digest() for n in range(count)]


def _reference_root(leaves: Sequence[bytes]) -> bytes:
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01" + _reference_root(leaves[:split]) + _reference_root(leaves[split:])).digest()


@pytest.mark.parametrize("size", KNOWN_ROOTS)
def test_a_tree_of_known_entries_has_the_known_root(
    size: int, payments: Callable[[int], list[bytes]]
) -> None:
    """Roots that four independent implementations agreed on."""
    grown = Edge().append([leaf_hash(entry) for entry in payments(size)]).edge
    assert grown.size == size
    assert grown.root().hex() == KNOWN_ROOTS[size]


@given(batches=st.lists(st.integers(0, 700), max_size=6))
def test_batches_of_any_size_give_the_recursive_root(batches: list[int]) -> None:
    """However the leaves arrive, root and tiles are those of the definition in RFC 6962."""
    leaves = _leaves(sum(batches))
    edge, given_so_far = Edge(), 0
    tiles: dict[tuple[int, int], bytes] = {}
    for batch in batches:
        growth = edge.append(leaves[given_so_far : given_so_far + batch])
        edge, given_so_far = growth.edge, given_so_far + batch
        tiles |= {(tile.level, tile.index): tile.hashes for tile in growth.tiles}
        assert edge.root() == _reference_root(leaves[:given_so_far])
    assert tiles == {(tile.level, tile.index): tile.hashes for tile in Edge().append(leaves).tiles}, (
        "the split must not show in the tiles"
    )
    for (level, index), hashes in tiles.items():
        below = leaves if level == 0 else [subtree_root(tiles[0, n]) for n in range(len(leaves) // 256)]
        assert hashes == b"".join(below[index * 256 : (index + 1) * 256])


@given(size=st.integers(0, 70_000))
def test_an_edge_restored_from_its_partial_tiles_is_the_same(size: int) -> None:
    """A sequencer that starts again needs at most 255 hashes a level."""
    grown = Edge().append([b"\x07" * 32] * size).edge
    restored = Edge(size, grown.levels)
    assert restored == grown
    assert all(len(hashes) <= 255 * 32 for hashes in grown.levels)
    more = _leaves(3)
    assert restored.append(more) == grown.append(more)


def test_a_failed_batch_leaves_the_edge_as_it_was() -> None:
    """Growing gives a new edge: a transaction that is rolled back keeps the old one."""
    before = Edge().append(_leaves(300)).edge
    root = before.root()
    before.append(_leaves(1000))
    assert (before.size, before.root()) == (300, root)


def test_an_edge_that_does_not_fit_its_size_is_refused() -> None:
    """A wrong restore must not sign a wrong root."""
    edge = Edge().append(_leaves(300)).edge
    for size, levels in ((301, edge.levels), (300, edge.levels[:1]), (300, (*edge.levels, b"")), (0, (b"",))):
        with pytest.raises(ValueError, match="right edge"):
            Edge(size, levels)
    with pytest.raises(ValueError, match="32 bytes"):
        edge.append([b"short"])


def test_an_empty_tree_has_the_empty_root() -> None:
    """SHA-256 of nothing, also after a batch without leaves."""
    assert Edge().root() == EMPTY_ROOT
    assert Edge().append([]).edge == Edge()


@given(older=st.integers(1, 1500), more=st.integers(0, 1500))
def test_an_older_partial_tile_is_the_beginning_of_what_it_became(older: int, more: int) -> None:
    """Partial tiles of each published size can be served from the full tiles and the newest edge."""
    leaves = _leaves(older + more)
    growth = Edge().append(leaves)
    full = {(tile.level, tile.index): tile.hashes for tile in growth.tiles}
    then = Edge().append(leaves[:older]).edge
    for ref in partial_tiles(older):
        now = full.get((ref.level, ref.index)) or growth.edge.partial_tile(ref.level)
        assert now[: ref.width * 32] == then.partial_tile(ref.level)


@pytest.mark.parametrize("size", [1, 255, 256, 257, 1000, 65_536, 70_000])
def test_the_edge_is_read_back_from_a_log(
    size: int, log_of: Callable[[Sequence[bytes]], MemoryLog], payments: Callable[[int], list[bytes]]
) -> None:
    """An outsider reads the right edge from the tiles that the log serves, and finds its root."""
    log = log_of(payments(size))
    assert read_edge(log, size) == log.edge
    assert {ref.path for ref in tiles_of(size)} == {path for path in log.files if "entries" not in path}


def test_a_log_that_lacks_or_cuts_an_edge_tile_is_named(
    log_of: Callable[[Sequence[bytes]], MemoryLog], payments: Callable[[int], list[bytes]]
) -> None:
    """The missing, or the shortened, tile is the one in the message."""
    log = log_of(payments(300))
    path = TileRef(0, 1, 44).path
    log.files[path] = log.files[path][:-32]
    with pytest.raises(TileDiffers, match=path):
        read_edge(log, 300)
    del log.files[path]
    with pytest.raises(ResourceMissing, match=path):
        read_edge(log, 300)
