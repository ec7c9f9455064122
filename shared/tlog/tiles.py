"""Tiles and entry bundles: which a tree has, their paths, their bytes. Source: c2sp.org/tlog-tiles."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from shared.tlog.errors import MalformedBundle, MalformedPath
from shared.tlog.hashing import HASH_SIZE

TILE_WIDTH = 256
TILE_BYTES = TILE_WIDTH * HASH_SIZE
MAX_ENTRY_BYTES = 65_535
MAX_BUNDLE_BYTES = TILE_WIDTH * (2 + MAX_ENTRY_BYTES)
MAX_LEVEL = 63

_PATH = re.compile(
    r"tile/(?P<level>entries|[0-9]{1,2})/(?P<index>(?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/(?P<width>[0-9]{1,3}))?",
    re.ASCII,
)


class TileReader(Protocol):
    """Whoever holds the tiles of a log: a database, a folder, a server."""

    def read_tile(self, level: int, index: int, width: int) -> bytes:
        """The first `width` (1-256) hashes of a tile, joined; raises ResourceMissing."""


class LogReader(TileReader, Protocol):
    """Whoever also holds the entries."""

    def read_entries(self, index: int, width: int) -> bytes:
        """An entry bundle's bytes, of `width` (1-256) entries; raises ResourceMissing."""


@dataclass(frozen=True, slots=True)
class TileRef:
    """A Merkle tile: `width` hashes (256 when full) at `level`, the `index`-th tile of that level."""

    level: int
    index: int
    width: int = TILE_WIDTH

    @property
    def path(self) -> str:
        """The tile's path under the log's prefix."""
        return f"tile/{self.level}/{_numbered(self.index, self.width)}"


@dataclass(frozen=True, slots=True)
class BundleRef:
    """An entry bundle: the `width` entries (256 when full) from `index` × 256 on."""

    index: int
    width: int = TILE_WIDTH

    @property
    def path(self) -> str:
        """The bundle's path under the log's prefix."""
        return f"tile/entries/{_numbered(self.index, self.width)}"


def parse_path(path: str) -> TileRef | BundleRef:
    """The tile or bundle of a path; only the one path that names it is taken.

    Raises:
        MalformedPath: anything else: leading zeros, an empty or full width after `.p`, a level above 63.
    """
    match = _PATH.fullmatch(path)
    if match is not None:
        index = int(match["index"].replace("x", "").replace("/", ""))
        width = TILE_WIDTH if match["width"] is None else int(match["width"])
        ref = (
            BundleRef(index, width)
            if match["level"] == "entries"
            else TileRef(int(match["level"]), index, width)
        )
        known = isinstance(ref, BundleRef) or ref.level <= MAX_LEVEL
        if known and 1 <= width <= TILE_WIDTH and index < 1 << 64 and ref.path == path:
            return ref
    shown = ascii(path[:80])
    raise MalformedPath(f"不是散列块路径：{shown}", f"not the path of a tile or an entry bundle: {shown}")


def tile_width(size: int, level: int, index: int) -> int:
    """How many hashes a tile has in a tree of `size` leaves: 0 (it does not exist) to 256."""
    return min(max((size >> 8 * level) - index * TILE_WIDTH, 0), TILE_WIDTH)


def tiles_of(size: int) -> Iterator[TileRef]:
    """Every tile of a tree of `size` leaves, level by level, each level's partial tile last."""
    level = 0
    while count := size >> 8 * level:
        for index in range((count + TILE_WIDTH - 1) // TILE_WIDTH):
            yield TileRef(level, index, tile_width(size, level, index))
        level += 1


def partial_tiles(size: int) -> Iterator[TileRef]:
    """The partial tiles that a log must serve for a published size: at most one a level, none of width 0."""
    level = 0
    while count := size >> 8 * level:
        if width := count % TILE_WIDTH:
            yield TileRef(level, count // TILE_WIDTH, width)
        level += 1


def bundles_of(size: int) -> Iterator[BundleRef]:
    """Every entry bundle of a log of `size` entries, in order."""
    for index in range((size + TILE_WIDTH - 1) // TILE_WIDTH):
        yield BundleRef(index, tile_width(size, 0, index))


def encode_bundle(entries: Iterable[bytes]) -> bytes:
    """A bundle's bytes: each entry behind its length, uint16 big-endian.

    Raises:
        MalformedBundle: no entry, more than 256, or one above 65,535 bytes.
    """
    held = list(entries)
    if not 1 <= len(held) <= TILE_WIDTH:
        raise MalformedBundle(
            f"一个记录包须含 1-256 条，现为 {len(held)}", f"a bundle has 1-256 entries, not {len(held)}"
        )
    longest = max(map(len, held))
    if longest > MAX_ENTRY_BYTES:
        raise MalformedBundle(
            f"记录 {longest} 字节，上限 65535", f"an entry of {longest} bytes, the limit is 65,535"
        )
    return b"".join([len(entry).to_bytes(2, "big") + entry for entry in held])


def decode_bundle(bundle: bytes) -> list[bytes]:
    """The entries of a bundle.

    Raises:
        MalformedBundle: cut short, or more than 256 entries.
    """
    entries = []
    position, end = 0, len(bundle)
    while position + 2 <= end:
        start = position + 2
        position = start + (bundle[position] << 8 | bundle[position + 1])
        entries.append(bundle[start:position])
    if position != end or len(entries) > TILE_WIDTH:
        raise _not_a_bundle(len(entries))
    return entries


def bundle_leaf_hashes(bundle: bytes) -> bytes:
    """The leaf hashes of a bundle's entries, joined: the level-0 tile that belongs to it.

    Raises:
        MalformedBundle: cut short, or more than 256 entries.
    """
    digests = []
    position, end = 0, len(bundle)
    # One pass without a list of entries: the hot loop of a full check.
    while position + 2 <= end:
        start = position + 2
        position = start + (bundle[position] << 8 | bundle[position + 1])
        digests.append(sha256(b"\x00" + bundle[start:position]).digest())
    if position != end or len(digests) > TILE_WIDTH:
        raise _not_a_bundle(len(digests))
    return b"".join(digests)


def _not_a_bundle(entries: int) -> MalformedBundle:
    return MalformedBundle(
        f"记录包在第 {entries} 条附近被截断或超过 256 条",
        f"the bundle is cut short near its entry {entries}, or has more than 256",
    )


def _numbered(index: int, width: int) -> str:
    groups = [f"{index % 1000:03d}"]
    while index := index // 1000:
        groups.append(f"x{index % 1000:03d}")
    number = "/".join(reversed(groups))
    return number if width == TILE_WIDTH else f"{number}.p/{width}"
