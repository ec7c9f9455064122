"""Paths, the set of files a size has, and entry bundles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.tlog.errors import MalformedBundle, MalformedPath
from shared.tlog.hashing import leaf_hash
from shared.tlog.tiles import (
    BundleRef,
    TileRef,
    bundle_leaf_hashes,
    bundles_of,
    decode_bundle,
    encode_bundle,
    parse_path,
    partial_tiles,
    tile_width,
    tiles_of,
)

if TYPE_CHECKING:
    from tests.domain.tlog.conftest import MemoryLog


@pytest.mark.parametrize(
    ("ref", "path"),
    [
        (TileRef(0, 0), "tile/0/000"),
        (TileRef(0, 999), "tile/0/999"),
        (TileRef(0, 1000), "tile/0/x001/000"),
        (TileRef(1, 1_234_067), "tile/1/x001/x234/067"),
        (TileRef(0, 273, 112), "tile/0/273.p/112"),
        (TileRef(2, 0, 1), "tile/2/000.p/1"),
        (TileRef(63, 5, 255), "tile/63/005.p/255"),
        (BundleRef(0), "tile/entries/000"),
        (BundleRef(1_234_067), "tile/entries/x001/x234/067"),
        (BundleRef(273, 112), "tile/entries/273.p/112"),
    ],
)
def test_a_tile_has_one_path(ref: TileRef | BundleRef, path: str) -> None:
    """c2sp.org/tlog-tiles: groups of three digits, all but the last behind an x."""
    assert ref.path == path
    assert parse_path(path) == ref


@given(level=st.integers(0, 63), index=st.integers(0, 2**64 - 1), width=st.integers(1, 256))
def test_each_path_leads_back_to_its_tile(level: int, index: int, width: int) -> None:
    """Writing and reading a path are inverse, for tiles and bundles."""
    assert parse_path(TileRef(level, index, width).path) == TileRef(level, index, width)
    assert parse_path(BundleRef(index, width).path) == BundleRef(index, width)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "checkpoint",
        "tile/0",
        "tile/0/0",
        "tile/0/0000",
        "tile/0/x000/000",
        "tile/0/x000/001",
        "tile/0/001/000",
        "tile/0/x01/000",
        "tile/0/x001",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/000.p/0",
        "tile/0/000.p/00",
        "tile/0/000.p/05",
        "tile/0/000.p/256",
        "tile/0/000.p/",
        "tile/0/000.p",
        "tile/0/000/",
        "/tile/0/000",
        "tile/0/000\n",
        "tile/0/../000",
        "tile/8/0/000",
        "tile/entries/0",
        "tile/entries/000.p/256",
        "tile/entry/000",
        "tile/0/\u0660\u0660\u0660",
        "tile/0/x999/x999/x999/x999/x999/x999/999",
    ],
)
def test_any_other_path_is_refused(path: str) -> None:
    """One resource, one path: no leading zeros, empty widths, foreign digits, or climbing."""
    with pytest.raises(MalformedPath):
        parse_path(path)


def test_the_files_of_seventy_thousand_entries(
    log_of: Callable[[Sequence[bytes]], MemoryLog], payments: Callable[[int], list[bytes]]
) -> None:
    """273 full tiles and one of 112 on level 0, one full and one of 17 on level 1, one hash on level 2."""
    tiles = [ref.path for ref in tiles_of(70_000)]
    assert tiles == [
        *[f"tile/0/{n:03d}" for n in range(273)],
        "tile/0/273.p/112",
        "tile/1/000",
        "tile/1/001.p/17",
        "tile/2/000.p/1",
    ]
    bundles = [ref.path for ref in bundles_of(70_000)]
    assert bundles == [*[f"tile/entries/{n:03d}" for n in range(273)], "tile/entries/273.p/112"]
    log = log_of(payments(70_000))
    assert set(log.files) == {*tiles, *bundles}
    assert {len(log.files[f"tile/0/{n:03d}"]) for n in range(273)} == {8192}
    assert len(log.files["tile/1/001.p/17"]) == 17 * 32


def test_a_full_tile_has_one_hash_above_it() -> None:
    """256 entries: one full tile and a single hash on level 1; no tile of width 0."""
    assert [ref.path for ref in tiles_of(256)] == ["tile/0/000", "tile/1/000.p/1"]
    assert [ref.path for ref in partial_tiles(256)] == ["tile/1/000.p/1"]
    assert [*tiles_of(0), *bundles_of(0), *partial_tiles(0)] == []
    assert [tile_width(300, 0, index) for index in (0, 1, 2)] == [256, 44, 0]


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=256))
def test_a_bundle_gives_back_its_entries_and_their_hashes(entries: list[bytes]) -> None:
    """Each entry stands behind its length; an empty one counts."""
    bundle = encode_bundle(entries)
    assert decode_bundle(bundle) == entries
    assert bundle_leaf_hashes(bundle) == b"".join(map(leaf_hash, entries))
    assert bundle.startswith(len(entries[0]).to_bytes(2, "big") + entries[0])


def test_an_entry_has_at_most_65535_bytes() -> None:
    """The length has two bytes; a bundle has 1 to 256 entries."""
    assert decode_bundle(encode_bundle([bytes(65_535)])) == [bytes(65_535)]
    for entries in ([bytes(65_536)], [], [b""] * 257):
        with pytest.raises(MalformedBundle):
            encode_bundle(entries)


@pytest.mark.parametrize("bundle", [b"\x00", b"\x00\x05abcd", b"\x00\x01a\x00", b"\x00\x00" * 257])
def test_a_bundle_cut_short_is_refused(bundle: bytes) -> None:
    """Also one of more than 256 entries."""
    with pytest.raises(MalformedBundle):
        decode_bundle(bundle)
    with pytest.raises(MalformedBundle):
        bundle_leaf_hashes(bundle)
