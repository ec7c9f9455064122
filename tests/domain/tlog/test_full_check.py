"""The full check names the first entry or tile that is not what was signed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.tlog.errors import EntryDiffers, LogDiffers, ResourceMissing, RootDiffers, TileDiffers
from shared.tlog.log_check import verify_log
from shared.tlog.tiles import BundleRef, TileRef, decode_bundle, encode_bundle, tile_width

if TYPE_CHECKING:
    from tests.domain.tlog.conftest import MemoryLog

Logs = Callable[[Sequence[bytes]], "MemoryLog"]
Entries = Callable[[int], list[bytes]]


def _rebundled(log: MemoryLog, bundle: int, change: Callable[[list[bytes]], None]) -> MemoryLog:
    path = BundleRef(bundle, tile_width(log.edge.size, 0, bundle)).path
    entries = decode_bundle(log.files[path])
    change(entries)
    log.files[path] = encode_bundle(entries)
    return log


def _swap(entries: list[bytes]) -> None:
    entries[3], entries[9] = entries[9], entries[3]


def _flip(value: bytes, at: int) -> bytes:
    return value[:at] + bytes([value[at] ^ 0x20]) + value[at + 1 :]


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 511, 600, 65_535, 65_536, 65_537, 70_000])
def test_an_honest_log_passes(size: int, log_of: Logs, payments: Entries) -> None:
    """Progress ends at the size, and never goes back."""
    log = log_of(payments(size))
    told: list[tuple[int, int]] = []
    verify_log(log, log.checkpoint, lambda done, total: told.append((done, total)))
    assert told[-1] == (size, size)
    assert [*told] == sorted(told)


@pytest.mark.parametrize("index", [0, 7, 255, 256, 511, 512, 599])
def test_one_flipped_byte_names_its_entry(index: int, log_of: Logs, payments: Entries) -> None:
    """In a full bundle as in the last, partial one."""
    log = log_of(payments(600))

    def flip(entries: list[bytes]) -> None:
        entries[index % 256] = _flip(entries[index % 256], 5)

    with pytest.raises(EntryDiffers, match=f"entry {index} ") as caught:
        verify_log(_rebundled(log, index // 256, flip), log.checkpoint)
    assert caught.value.index == index


@pytest.mark.parametrize(
    ("change", "first"),
    [
        (_swap, 256 + 3),
        (lambda entries: entries.pop(20), 256 + 20),
        (lambda entries: entries.pop(), 256 + 255),
        (lambda entries: entries.__setitem__(slice(30, 32), [b"put in"]), 256 + 30),
        (lambda entries: entries.__setitem__(40, entries[41]), 256 + 40),
    ],
    ids=["swapped", "deleted", "last deleted", "replaced", "doubled"],
)
def test_entries_moved_or_taken_out_are_named_by_the_first(
    change: Callable[[list[bytes]], None], first: int, log_of: Logs, payments: Entries
) -> None:
    """The first index at which the log is not what was signed."""
    log = log_of(payments(600))
    with pytest.raises(EntryDiffers) as caught:
        verify_log(_rebundled(log, 1, change), log.checkpoint)
    assert caught.value.index == first


@pytest.mark.parametrize(
    ("change", "first"),
    [
        (lambda bundle: bundle + b"\x00\x01x", 600),
        (lambda bundle: bundle[:-1], 599),
        (lambda bundle: bundle[:1], 512),
        (lambda bundle: bundle[:0], 512),
        (lambda bundle: b"\xff" + bundle[1:], 512),
    ],
    ids=["one too many", "cut", "one byte", "empty", "damaged length"],
)
def test_an_entry_too_many_or_a_cut_bundle_is_named(
    change: Callable[[bytes], bytes], first: int, log_of: Logs, payments: Entries
) -> None:
    """The index after the last, or where the bytes end; a damaged length names its entry."""
    path = BundleRef(2, 88).path
    log = log_of(payments(600))
    log.files[path] = change(log.files[path])
    with pytest.raises(EntryDiffers) as caught:
        verify_log(log, log.checkpoint)
    assert caught.value.index == first


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/000",
        "tile/0/255",
        "tile/0/272",
        "tile/0/273.p/112",
        "tile/1/000",
        "tile/1/001.p/17",
        "tile/2/000.p/1",
    ],
)
@pytest.mark.parametrize("at", [0, 31, -1])
def test_an_altered_tile_is_named_and_no_entry_blamed(
    path: str, at: int, log_of: Logs, payments: Entries
) -> None:
    """On each level, full or partial: the entries are right, and the message does not say otherwise."""
    log = log_of(payments(70_000))
    log.files[path] = _flip(log.files[path], at % len(log.files[path]))
    with pytest.raises(TileDiffers) as caught:
        verify_log(log, log.checkpoint)
    assert caught.value.path == path


def test_a_tile_rewritten_to_fit_a_forged_entry_is_named(log_of: Logs, payments: Entries) -> None:
    """Entry and its tile agree with each other; the tile above shows the forgery."""
    entries = payments(600)
    log, forged = log_of(entries), log_of([*entries[:10], b"forged", *entries[11:]])
    for path in (TileRef(0, 0).path, BundleRef(0).path):
        log.files[path] = forged.files[path]
    with pytest.raises(TileDiffers) as caught:
        verify_log(log, log.checkpoint)
    assert caught.value.path == "tile/0/000"


@given(forged=st.integers(0, 599))
def test_a_log_rewritten_as_a_whole_does_not_fit_its_checkpoint(
    forged: int, log_of: Logs, payments: Entries
) -> None:
    """Whoever rewrites entries, tiles and all cannot rewrite what was signed."""
    entries = payments(600)
    log = log_of([*entries[:forged], b"forged", *entries[forged + 1 :]])
    with pytest.raises(RootDiffers) as caught:
        verify_log(log, log_of(entries).checkpoint)
    assert caught.value.computed == log.edge.root()


@given(st.data())
def test_no_changed_byte_passes(log_of: Logs, payments: Entries, data: st.DataObject) -> None:
    """Any byte of any file of the log: all of them are checked."""
    log = log_of(payments(600))
    path = data.draw(st.sampled_from(sorted(log.files)), "file")
    at = data.draw(st.integers(0, len(log.files[path]) - 1), "byte")
    log.files[path] = _flip(log.files[path], at)
    with pytest.raises(LogDiffers):
        verify_log(log, log.checkpoint)


@pytest.mark.parametrize("path", ["tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2", "tile/entries/001"])
def test_a_file_that_is_not_served_is_named(path: str, log_of: Logs, payments: Entries) -> None:
    """A signed size implies its files."""
    log = log_of(payments(600))
    del log.files[path]
    with pytest.raises(ResourceMissing) as caught:
        verify_log(log, log.checkpoint)
    assert caught.value.path == path


def test_a_shorter_or_longer_log_does_not_fit(log_of: Logs, payments: Entries) -> None:
    """Rolled back to fewer entries, the log lacks what its checkpoint implies; another root is told."""
    log = log_of(payments(600))
    with pytest.raises((ResourceMissing, LogDiffers)):
        verify_log(log_of(payments(500)), log.checkpoint)
    with pytest.raises(RootDiffers):
        verify_log(log, replace(log.checkpoint, root=bytes(32)))


def test_messages_speak_chinese_first_then_english(log_of: Logs, payments: Entries) -> None:
    """One line, with what differs and where."""
    log = log_of(payments(300))
    with pytest.raises(EntryDiffers) as caught:
        verify_log(_rebundled(log, 0, _swap), log.checkpoint)
    zh, en = str(caught.value).split(" / ")
    assert "第 3 条" in zh
    assert "entry 3 " in en
    assert "tile/entries/000" in zh
    assert "\n" not in str(caught.value)
