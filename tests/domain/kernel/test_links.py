"""A missing link: looked for ahead, then once behind, then the partition stops. Nothing is skipped."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition

from shared.eventstore.changes import Position, PositionKey
from shared.messaging import links as links_module
from shared.messaging.consumer import ReadAgain, Stopped
from shared.messaging.links import Links
from shared.messaging.topics import FactHeaders

PARTITION = TopicPartition("zeren.enrolment.facts.v1", 2)
KEY = PositionKey("payment.policies", "enrolment@1", PARTITION.topic, 2)


def record(position: int, previous: int, offset: int) -> SimpleNamespace:
    headers = tuple(FactHeaders("t", KEY.source, position, previous).encode())
    return SimpleNamespace(
        topic=PARTITION.topic, partition=2, offset=offset, value=b"fact %d" % position, headers=headers
    )


def positions(taken) -> list[int]:
    return [link.headers.position for _, link in taken.links]


@pytest.fixture
def chains(monkeypatch) -> Links:
    """Links whose store stands at position 3, read from offset 10; nothing is waited for."""
    monkeypatch.setattr(links_module, "HELD_SECONDS", 0.0)
    return Links("payment.policies", lambda _consumer: {KEY: Position(3, b"", 10)})


def test_a_link_that_comes_late_fills_the_gap_and_nothing_is_read_again(chains):
    """Two relays at once heal by reading ahead."""
    assert positions(chains.take(PARTITION, [record(9, 4, 12)])) == []
    assert positions(chains.take(PARTITION, [record(4, 3, 13)])) == [4, 9]
    assert chains.overdue() == []


def test_a_gap_is_looked_for_once_from_the_stored_offset_and_then_stops_the_partition(chains):
    """First the partition is read again from where the database stands; the same gap again is an alarm."""
    chains.take(PARTITION, [record(9, 4, 12)])
    (first,) = chains.overdue()
    assert isinstance(first, ReadAgain)
    assert (first.partition, first.offset) == (PARTITION, 11)
    assert chains.overdue() == []
    chains.take(PARTITION, [record(9, 4, 12)])
    (second,) = chains.overdue()
    assert isinstance(second, Stopped)
    assert (second.partition, second.offset) == (PARTITION, 12)
    assert "after position 3" in second.why


def test_a_link_that_stood_behind_heals_the_gap_when_it_is_read_again(chains):
    """A held record that was forgotten is found again: its chain goes on."""
    chains.take(PARTITION, [record(9, 4, 12)])
    chains.forget()
    chains.take(PARTITION, [record(12, 9, 14)])
    (order,) = chains.overdue()
    assert isinstance(order, ReadAgain)
    again = [record(4, 3, 11), record(9, 4, 12), record(12, 9, 14)]
    assert positions(chains.take(PARTITION, again)) == [4, 9, 12]
    assert chains.overdue() == []


def test_without_a_position_row_the_partition_is_read_from_its_beginning(chains):
    """A source that was never seen starts at its first fact, nowhere else."""
    fresh = Links("payment.policies", lambda _consumer: {})
    fresh.take(PARTITION, [record(9, 4, 12)])
    (order,) = fresh.overdue()
    assert isinstance(order, ReadAgain)
    assert order.offset == 0


def test_too_many_held_records_are_a_gap_at_once(chains, monkeypatch):
    """Reading ahead has a bound."""
    monkeypatch.setattr("shared.messaging.chain.MAX_HELD", 3)
    taken = chains.take(PARTITION, [record(n, n - 1, n) for n in range(20, 30)])
    assert isinstance(taken.broken, ReadAgain)
