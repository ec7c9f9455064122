"""Three streams of marks side by side: what is missing, altered, repeated or out of its chain is named."""

from __future__ import annotations

import heapq
import tracemalloc
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from shared.tlog.hashing import leaf_hash
from zeren.verify.reconcile import (
    EVENTS,
    KAFKA,
    LEDGER,
    MAX_HELD,
    NEWEST,
    Mark,
    Record,
    Report,
    Reports,
    Topic,
    compare,
    read_headers,
)

SOURCE = "payment@0b6c7e5a-54f4-4a25-8f21-6f1a5be0a0aa"
PARTITIONS = 6
LONG = (NEWEST + 200) * PARTITIONS
"""Positions after which the digests of the first are no longer kept."""


def value(position: int) -> bytes:
    return b"fact %d" % position


def partition_of(position: int) -> int:
    """A mixture in which runs of one partition occur."""
    return (position * 7 // 3) % PARTITIONS


@dataclass
class World:
    """What three places hold; a test damages one of them."""

    head: int
    events: dict[int, bytes] = field(default_factory=dict)
    sent: dict[int, list[Record]] = field(default_factory=dict)
    leaves: dict[int, bytes] = field(default_factory=dict)
    asked: list[Sequence[int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        tails = dict.fromkeys(range(PARTITIONS), 0)
        for position in range(1, self.head + 1):
            partition = partition_of(position)
            rows = self.sent.setdefault(partition, [])
            rows.append(record(len(rows), position, tails[partition]))
            tails[partition] = position
            self.events[position] = self.leaves[position] = value(position)

    def send(self, partition: int, position: int, previous: int, content: bytes) -> int:
        """One more record at a partition's end. Returns its offset."""
        rows = self.sent[partition]
        rows.append(record(len(rows), position, previous, content))
        return len(rows) - 1

    def reports(self, upto: int | None = None) -> list[Report]:
        """The comparison's answer."""
        reports = Reports("payment", PARTITIONS)
        sent = [Topic(one, SOURCE, reports[one], self._known).marks(rows) for one, rows in self.sent.items()]
        places = {
            EVENTS: _marks(self.events),
            KAFKA: heapq.merge(*sent),
            LEDGER: _marks(self.leaves),
        }
        for _ in compare(places, upto=self.head if upto is None else upto, reports=reports):
            pass
        return reports.all()

    def _known(self, positions: Sequence[int]) -> dict[int, bytes]:
        self.asked.append(positions)
        return {one: leaf_hash(self.events[one]) for one in positions if one in self.events}

    def differences(self) -> list[str]:
        """The line of every first difference."""
        return [str(one) for report in self.reports() for one in report.differences]


def record(offset: int, position: int, previous: int, content: bytes | None = None) -> Record:
    headers = [
        ("type", b"x"), ("source", SOURCE.encode()), ("position", b"%d" % position), ("prev", b"%d" % previous)
    ]  # fmt: skip
    return Record(offset, headers, value(position) if content is None else content)


def _marks(held: dict[int, bytes]) -> Iterator[Mark]:
    for position in sorted(held):
        yield Mark(position, partition_of(position), leaf_hash(held[position]))


def test_three_equal_places_have_no_difference() -> None:
    """Every fact is counted once in each place, partition by partition."""
    reports = World(600).reports()
    assert [one.partition for one in reports] == list(range(PARTITIONS))
    assert not any(one.kinds or one.repeats for one in reports)
    for place in (EVENTS, KAFKA, LEDGER):
        assert sum(one.counts[place] for one in reports) == 600


def test_what_kafka_lost_is_named_by_partition_and_position() -> None:
    """The line names the place; the chain tells on which link it broke."""
    world = World(600)
    partition = partition_of(301)
    rows = world.sent[partition]
    at = next(n for n, row in enumerate(rows) if row.value == value(301))
    del rows[at]
    missing, broken = world.differences()
    assert missing == f"payment 分区 {partition} 位置 301: Kafka 缺失 / missing in Kafka"
    assert "链断开" in broken
    report = world.reports()[partition]
    assert report.kinds == {"missing_in_kafka": 1, "chain_broken": 1}


@pytest.mark.parametrize(
    ("place", "kind", "told"),
    [
        ("events", "events_differs", "事件表"),
        ("sent", "kafka_differs", "Kafka"),
        ("leaves", "ledger_differs", "账本"),
    ],
)
def test_other_bytes_are_laid_at_the_place_that_stands_alone(place: str, kind: str, told: str) -> None:
    """Two that agree against one that doesn't: the one is named."""
    world = World(90)
    partition = partition_of(40)
    if place == "sent":
        rows = world.sent[partition]
        at = next(n for n, row in enumerate(rows) if row.value == value(40))
        rows[at] = rows[at]._replace(value=b"forged")
    else:
        getattr(world, place)[40] = b"forged"
    (difference,) = world.reports()[partition].differences
    assert (difference.kind, difference.position) == (kind, 40)
    assert told in difference.zh


def test_two_places_that_differ_while_the_third_lacks_it_are_both_named() -> None:
    """Nobody stands alone then: the line blames none, and names what is missing too."""
    world = World(30)
    world.events[12] = b"forged"
    del world.leaves[12]
    kinds = world.reports()[partition_of(12)].kinds
    assert kinds == {"events_and_kafka_differ": 1, "missing_in_ledger": 1}


def test_a_leaf_that_is_missing_is_named() -> None:
    """Also the last of all, which nothing follows."""
    world = World(60)
    del world.leaves[60]
    assert world.differences() == [
        f"payment 分区 {partition_of(60)} 位置 60: 账本缺失 / missing in the ledger"
    ]


def test_what_only_kafka_has_is_named() -> None:
    """A record of this source at a position that the event table never wrote."""
    world = World(60)
    del world.events[31]
    (line,) = world.differences()
    assert line == f"payment 分区 {partition_of(31)} 位置 31: 事件表缺失 / missing in the event table"


def test_a_row_whose_bytes_are_no_fact_is_a_difference() -> None:
    """Its partition is unknown: it is missing on the right one, and named on none."""
    world = World(10)
    reports = Reports("payment", PARTITIONS)
    damaged = [Mark(5, -1, leaf_hash(b"?")) if mark[0] == 5 else mark for mark in _marks(world.events)]
    places: dict[str, Iterable[Mark]] = {EVENTS: damaged, KAFKA: _marks(world.events)}
    assert list(compare(places, upto=10, reports=reports)) == [1, 2, 3, 4, 5, 5, 6, 7, 8, 9, 10]
    assert reports[-1].kinds == {"missing_in_kafka": 1}
    assert reports[partition_of(5)].kinds == {"missing_in_events": 1}


def test_facts_newer_than_the_look_may_be_under_way() -> None:
    """Kafka and the ledger may lack them yet; they are not counted."""
    world = World(200)
    for partition, rows in world.sent.items():
        world.sent[partition] = [row for row in rows if (read_headers(row) or (0, 0))[1] <= 180]
    for position in range(161, 201):
        del world.leaves[position]
    reports = world.reports(upto=150)
    assert not any(one.kinds for one in reports)
    assert sum(one.counts[KAFKA] for one in reports) == 150


def test_what_the_event_table_never_had_is_named_also_beyond_its_head() -> None:
    """A database that was put back to an earlier point: Kafka and the ledger hold more than it."""
    world = World(200)
    for position in range(191, 201):
        del world.events[position]
    reports = world.reports(upto=190)
    assert sum(one.kinds["missing_in_events"] for one in reports) == 10
    assert min(one.differences[0].position or 0 for one in reports if one.kinds) == 191


def test_equal_repeats_are_counted_and_are_no_difference() -> None:
    """At-least-once: shortly after the first, and a whole topic sent again."""
    world = World(NEWEST * 2)
    partition = partition_of(1)
    rows = list(world.sent[partition])
    for _ in range(4):  # more than the digests that are kept
        for row in rows:
            headers = read_headers(row)
            assert headers is not None
            world.send(partition, headers.position, headers.previous, row.value or b"")
    report = world.reports()[partition]
    assert not report.kinds
    assert report.repeats == 4 * len(rows)


@pytest.mark.parametrize("position", [3, LONG - 5])
def test_a_repeat_with_other_bytes_is_a_difference_however_old(position: int) -> None:
    """An old one is held against the event table, a new one against the digests kept."""
    world = World(LONG)
    partition = partition_of(position)
    assert len(world.sent[partition]) > NEWEST
    offset = world.send(partition, position, 0, b"forged")
    (difference,) = world.reports()[partition].differences
    assert (difference.kind, difference.position) == ("repeat_differs", position)
    assert f"offset {offset} " in difference.en
    assert bool(world.asked) == (position == 3)


def test_two_relays_at_once_are_no_difference() -> None:
    """Their records come interleaved: links that come early are held until their turn."""
    world = World(1_200)
    rows = world.sent[2]
    ahead = rows[50:90]
    world.sent[2] = [*rows[:50], *ahead[20:], *ahead[:20], *ahead, *rows[90:]]
    report = world.reports()[2]
    assert not report.kinds
    assert report.repeats == 40


def test_a_topic_whose_start_is_gone_is_read_on_behind_the_gap() -> None:
    """The gap is one break of the chain, and what is missing is missing: nothing else is blamed."""
    world = World(MAX_HELD * 2 * PARTITIONS)
    world.sent[4] = world.sent[4][100:]
    report = world.reports()[4]
    assert report.kinds == {"missing_in_kafka": 100, "chain_broken": 1}
    assert report.differences[0].position == min(n for n in world.events if partition_of(n) == 4)


def test_records_that_name_no_place_are_differences() -> None:
    """Unreadable headers, no value, and a stranger's record on the topic."""
    world = World(30)
    rows = world.sent[0]
    rows.append(Record(len(rows), [("type", b"x"), ("source", b"\xff")], b"junk"))
    rows.append(Record(len(rows), record(0, 99, 0).headers, None))
    stranger = [(name, b"payment@another" if name == "source" else given) for name, given in rows[0].headers]
    rows.append(Record(len(rows), stranger, b"x"))
    assert world.reports()[0].kinds == {"unreadable_record": 2, "other_source": 1}


def test_the_first_difference_of_each_kind_is_kept_by_position() -> None:
    """However many there are; the lowest position comes first in the report."""
    world = World(120)
    for position in (100, 40, 70):
        world.leaves.pop(position)
    world.events[22] = b"forged"
    firsts = [one for report in world.reports() for one in report.differences]
    lowest: dict[int, int] = {}
    for position in (40, 70, 100):
        lowest.setdefault(partition_of(position), position)
    assert {one.partition: one.position for one in firsts if one.kind == "missing_in_ledger"} == lowest
    assert [one.position for one in firsts if one.kind == "events_differs"] == [22]


def test_memory_is_bounded_over_tens_of_thousands_of_facts() -> None:
    """The streams are never held: a fifth of what the marks of 62,400 facts in three places would take."""
    head = 2 * LONG
    reports = Reports("payment", PARTITIONS)
    sent = [Topic(one, SOURCE, reports[one], lambda _: {}).marks(_records(one, head)) for one in range(6)]
    places: dict[str, Iterable[Mark]] = {
        EVENTS: _long(head),
        KAFKA: heapq.merge(*sent),
        LEDGER: _long(head),
    }
    tracemalloc.start()
    assert sum(1 for _ in compare(places, upto=head, reports=reports)) == head
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert not any(one.kinds for one in reports.all())
    assert most < 8_000_000


def _long(head: int) -> Iterator[Mark]:
    return (Mark(n, n % 6, leaf_hash(b"%d" % n)) for n in range(1, head + 1))


def _records(partition: int, head: int) -> Iterator[Record]:
    first = partition or 6
    for offset, position in enumerate(range(first, head + 1, 6)):
        yield record(offset, position, position - 6 if offset else 0, b"%d" % position)
