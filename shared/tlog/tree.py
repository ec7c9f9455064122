"""A growing tree, known by its right edge alone: what a sequencer keeps between batches."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from shared.tlog.errors import TileDiffers
from shared.tlog.hashing import EMPTY_ROOT, HASH_SIZE, subtree_root
from shared.tlog.tiles import TILE_BYTES, TILE_WIDTH, TileReader, TileRef, partial_tiles


@dataclass(frozen=True, slots=True)
class FullTile:
    """A tile that has its 256 hashes and will never change.

    Attributes:
        hashes: 8,192 bytes.
    """

    level: int
    index: int
    hashes: bytes


@dataclass(frozen=True, slots=True)
class Edge:
    """The partial tiles of a tree of `size` leaves: all that its root and its growth depend on.

    Immutable, so that a batch whose transaction fails is forgotten by keeping the old edge.

    Attributes:
        levels: from level 0 up, the joined hashes of the level's partial tile: (size // 256^level) mod 256
            of them, at most 255; empty where that is 0. As many levels as the tree has tiles on.
    """

    size: int = 0
    levels: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        expected = [HASH_SIZE * (self.size >> 8 * level & 255) for level in range(_depth(self.size))]
        if expected != [len(hashes) for hashes in self.levels]:
            raise ValueError(f"the hashes given are not the right edge of a tree of {self.size} leaves")

    def root(self) -> bytes:
        """The tree's Merkle tree hash, 32 bytes."""
        root = b""
        for hashes in self.levels:
            root = subtree_root(hashes + root)
        return root or EMPTY_ROOT

    def append(self, leaf_hashes: Iterable[bytes]) -> Growth:
        """The tree with these leaves (32-byte leaf hashes, in order) after its own."""
        levels = list(self.levels)
        tiles: list[FullTile] = []
        rising = b"".join(leaf_hashes)
        if len(rising) % HASH_SIZE:
            raise ValueError("leaf hashes have 32 bytes each")
        size = self.size + len(rising) // HASH_SIZE
        level = 0
        while rising:
            held = rising if level == len(levels) else levels[level] + rising
            first = self.size >> 8 * (level + 1)
            whole = len(held) // TILE_BYTES
            done = [
                FullTile(level, first + n, held[n * TILE_BYTES : (n + 1) * TILE_BYTES]) for n in range(whole)
            ]
            levels[level : level + 1] = [held[whole * TILE_BYTES :]]
            tiles += done
            rising = b"".join([subtree_root(tile.hashes) for tile in done])
            level += 1
        return Growth(Edge(size, tuple(levels)), tuple(tiles))

    def partial_tile(self, level: int) -> bytes:
        """The joined hashes of a level's partial tile, b"" where the level has none.

        An older size's partial tile is the first `width` hashes of this one, or of the full tile it became.
        """
        return self.levels[level] if level < len(self.levels) else b""


@dataclass(frozen=True, slots=True)
class Growth:
    """What a batch did to a tree.

    Attributes:
        edge: the new right edge, with the new size and root.
        tiles: the tiles that became full, by level, then index: to be stored before the edge is used.
    """

    edge: Edge
    tiles: tuple[FullTile, ...]


def read_edge(reader: TileReader, size: int) -> Edge:
    """The right edge of a tree of `size` leaves, from its partial tiles; at most 255 hashes a level.

    Raises:
        ResourceMissing: the reader lacks one.
        TileDiffers: one has another length than the size implies.
    """
    levels = [b""] * _depth(size)
    for ref in partial_tiles(size):
        levels[ref.level] = read_whole(reader, ref)
    return Edge(size, tuple(levels))


def read_whole(reader: TileReader, ref: TileRef) -> bytes:
    """A tile's joined hashes, exactly as many as it must have; raises ResourceMissing, TileDiffers."""
    hashes = reader.read_tile(ref.level, ref.index, ref.width)
    if len(hashes) != ref.width * HASH_SIZE:
        wanted = ref.width * HASH_SIZE
        raise TileDiffers(
            ref.path, (f"应有 {wanted} 字节，实有 {len(hashes)}", f"{len(hashes)} bytes, not {wanted}")
        )
    return hashes


def _depth(size: int) -> int:
    depth = 0
    while size:
        size //= TILE_WIDTH
        depth += 1
    return depth
