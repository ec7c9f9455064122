"""Inclusion and consistency proofs: verified by RFC 9162 §2.1.3.2 and §2.1.4.2, made from tiles."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

from shared.tlog.hashing import HASH_SIZE, node_hash, pair_up
from shared.tlog.tiles import TileReader, TileRef, tile_width
from shared.tlog.tree import read_whole


class SubtreeHashes(Protocol):
    """The hashes of a tree's perfect subtrees."""

    def subtree(self, height: int, index: int) -> bytes:
        """The hash over the 2^height leaves from index × 2^height on, all of them in the tree."""


class TileCache:
    """Recent tiles with their inner nodes: about 16 kB each, so 1 MB by default. Safe in threads."""

    def __init__(self, reader: TileReader, keep: int = 64) -> None:
        self._reader = reader
        self.rows = lru_cache(maxsize=keep)(self._read_rows)

    def _read_rows(self, ref: TileRef) -> tuple[bytes, ...]:
        rows = [read_whole(self._reader, ref)]
        while len(rows) < 8 and len(rows[-1]) > HASH_SIZE:
            rows.append(pair_up(rows[-1]))
        return tuple(rows)


class TileHashes:
    """The subtrees of a tree of `size` leaves, from its tiles.

    The tiles are not trusted here: a proof made of wrong ones does not verify.
    """

    def __init__(self, cache: TileCache, size: int) -> None:
        self._cache = cache
        self._size = size

    def subtree(self, height: int, index: int) -> bytes:
        """The hash over 2^height leaves; raises ResourceMissing, TileDiffers (a tile's length)."""
        level, inner = divmod(height, 8)
        position = index << inner
        tile = position >> 8
        rows = self._cache.rows(TileRef(level, tile, tile_width(self._size, level, tile)))
        at = (position & 255) >> inner
        return rows[inner][at * HASH_SIZE : (at + 1) * HASH_SIZE]


def range_hash(hashes: SubtreeHashes, start: int, end: int) -> bytes:
    """MTH(D[start:end]) of a range that occurs in the tree's recursive split. Source: RFC 6962 §2.1."""
    count = end - start
    if count & count - 1 == 0:
        height = count.bit_length() - 1
        return hashes.subtree(height, start >> height)
    split = start + _split(count)
    return node_hash(range_hash(hashes, start, split), range_hash(hashes, split, end))


def inclusion_proof(hashes: SubtreeHashes, index: int, size: int) -> list[bytes]:
    """PATH(index, D[size]), the leaf's sibling first. Source: RFC 6962 §2.1.1.

    Raises:
        ValueError: no such leaf in a tree of that size.
    """
    if not 0 <= index < size:
        raise ValueError(f"no leaf {index} in a tree of {size}")
    path = []
    start, end = 0, size
    while end - start > 1:
        split = start + _split(end - start)
        if index < split:
            path.append(range_hash(hashes, split, end))
            end = split
        else:
            path.append(range_hash(hashes, start, split))
            start = split
    return path[::-1]


def consistency_proof(hashes: SubtreeHashes, old: int, new: int) -> list[bytes]:
    """PROOF(old, D[new]). Source: RFC 6962 §2.1.2.

    Raises:
        ValueError: unless 0 < old ≤ new: nothing can be proven about an empty tree.
    """
    if not 0 < old <= new:
        raise ValueError(f"no consistency proof from size {old} to {new}")
    path = []
    start, end = 0, new
    while end != old:
        split = start + _split(end - start)
        if old <= split:
            path.append(range_hash(hashes, split, end))
            end = split
        else:
            path.append(range_hash(hashes, start, split))
            start = split
    if start:
        path.append(range_hash(hashes, start, end))
    return path[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the leaf hash stands at `index` of the tree of `size` leaves with this root.

    Source: RFC 9162 §2.1.3.2.
    """
    if not 0 <= index < size or not _all_hashes(leaf, root, *proof):
        return False
    first, last, hashed = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if first & 1 or first == last:
            hashed = node_hash(sibling, hashed)
            first, last = _skip_absent(first, last)
        else:
            hashed = node_hash(hashed, sibling)
        first, last = first >> 1, last >> 1
    return last == 0 and hashed == root


def verify_consistency(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> bool:
    """Whether the tree of `new` leaves begins with the tree of `old` leaves; never for an empty old tree.

    Source: RFC 9162 §2.1.4.2.
    """
    if not 0 < old <= new or not _all_hashes(*proof):
        return False
    if old == new or not proof:
        return old == new and not proof and old_root == new_root
    path = [old_root, *proof] if old & old - 1 == 0 else list(proof)
    first, last = old - 1, new - 1
    while first & 1:
        first, last = first >> 1, last >> 1
    older = newer = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if first & 1 or first == last:
            older, newer = node_hash(sibling, older), node_hash(sibling, newer)
            first, last = _skip_absent(first, last)
        else:
            newer = node_hash(newer, sibling)
        first, last = first >> 1, last >> 1
    return last == 0 and older == old_root and newer == new_root


def _skip_absent(first: int, last: int) -> tuple[int, int]:
    # On the right edge a node without a partner rose unchanged: those levels gave no hash to the proof.
    while first and not first & 1:
        first, last = first >> 1, last >> 1
    return first, last


def _split(count: int) -> int:
    return 1 << (count - 1).bit_length() - 1


def _all_hashes(*hashes: bytes) -> bool:
    return all(len(each) == HASH_SIZE for each in hashes)
