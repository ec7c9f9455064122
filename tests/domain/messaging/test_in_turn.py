"""Two workers of one reading: each takes every record once, the second nothing before the first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition

from shared.eventstore.store import PositionMoved, Unavailable
from shared.messaging.consumer import Batches, Next, ReadAgain, Stopped
from shared.messaging.in_turn import InTurn

SHARED, OTHER = "zeren.enrolment.facts.v1", "zeren.payment.facts.v1"
PLACE, NEXT_PLACE, APART = TopicPartition(SHARED, 0), TopicPartition(SHARED, 1), TopicPartition(OTHER, 0)


def records(place: TopicPartition, *offsets: int) -> list[Any]:
    return [SimpleNamespace(topic=place.topic, partition=place.partition, offset=each) for each in offsets]


class Worker:
    """Takes what is at its offset or beyond, as a worker with positions in a database does."""

    def __init__(self, taken: list[tuple[str, int]], name: str) -> None:
        self.name, self.taken = name, taken
        self.at: dict[TopicPartition, int] = {}
        self.then: dict[TopicPartition, Next] = {}
        self.fails: list[Exception] = []
        self.orders: list[ReadAgain | Stopped] = []
        self.forgot = 0

    def decide(self, batches: Batches) -> Mapping[TopicPartition, Next]:
        if self.fails:
            raise self.fails.pop()
        following: dict[TopicPartition, Next] = {}
        for place, given in batches.items():
            then = self.then.get(place, given[-1].offset + 1)
            until = then if isinstance(then, int) else then.offset
            for record in given:
                if self.at.get(place, 0) <= record.offset < until:
                    self.taken.append((self.name, record.offset))
                    self.at[place] = record.offset + 1
            following[place] = then
        return following

    def forget(self) -> None:
        self.forgot += 1

    def resume(self, partition: TopicPartition) -> int:
        return self.at.get(partition, 0)

    def overdue(self) -> Sequence[ReadAgain | Stopped]:
        return self.orders

    def other_logs(self, _ends: Mapping[TopicPartition, int]) -> Sequence[ReadAgain]:
        return [one for one in self.orders if isinstance(one, ReadAgain)]


@pytest.fixture
def taken() -> list[tuple[str, int]]:
    return []


@pytest.fixture
def first(taken: list[tuple[str, int]]) -> Worker:
    return Worker(taken, "first")


@pytest.fixture
def second(taken: list[tuple[str, int]]) -> Worker:
    return Worker(taken, "second")


@pytest.fixture
def both(first: Worker, second: Worker) -> InTurn:
    return InTurn(first, second, [SHARED])


def test_the_second_takes_what_the_first_has_dealt_with(both: InTurn, taken: list[tuple[str, int]]) -> None:
    assert both.decide({PLACE: records(PLACE, 0, 1)}) == {PLACE: 2}
    assert taken == [("first", 0), ("first", 1), ("second", 0), ("second", 1)]


def test_the_second_sees_its_topics_alone(both: InTurn, second: Worker) -> None:
    assert both.decide({APART: records(APART, 0, 1)}) == {APART: 2}
    assert second.at == {}
    assert both.resume(APART) == 2


def test_where_the_first_stops_the_second_goes_no_further(
    both: InTurn, first: Worker, second: Worker
) -> None:
    stop = Stopped(PLACE, 1, "other bytes")
    first.then[PLACE] = stop
    given = {PLACE: records(PLACE, 0, 1, 2), NEXT_PLACE: records(NEXT_PLACE, 0)}
    assert both.decide(given) == {PLACE: stop, NEXT_PLACE: 1}
    assert second.at == {PLACE: 1, NEXT_PLACE: 1}


def test_where_the_first_stops_at_once_the_second_is_not_asked(
    both: InTurn, first: Worker, second: Worker
) -> None:
    stop = Stopped(PLACE, 4, "no value")
    first.then[PLACE] = stop
    second.fails = [AssertionError("nothing was dealt with")]
    assert both.decide({PLACE: records(PLACE, 4, 5)}) == {PLACE: stop}


def test_where_the_second_stops_the_partition_stops(both: InTurn, second: Worker) -> None:
    stop = Stopped(PLACE, 1, "gap")
    second.then[PLACE] = stop
    assert both.decide({PLACE: records(PLACE, 0, 1, 2)}) == {PLACE: stop}


def test_a_record_that_one_of_them_holds_is_not_passed(both: InTurn, first: Worker, second: Worker) -> None:
    """The lower offset is told to Kafka; the other worker has seen the rest all the same."""
    first.then[PLACE] = 1
    assert both.decide({PLACE: records(PLACE, 0, 1, 2)}) == {PLACE: 1}
    assert second.at == {PLACE: 3}


def test_a_crash_between_them_is_made_up_for(
    both: InTurn, second: Worker, taken: list[tuple[str, int]]
) -> None:
    """The records come again from where the one behind stands; the other has them already."""
    both.decide({PLACE: records(PLACE, 0)})
    second.fails = [Unavailable("gone")]
    with pytest.raises(Unavailable):
        both.decide({PLACE: records(PLACE, 1, 2)})
    both.forget()
    assert both.resume(PLACE) == 1
    assert both.decide({PLACE: records(PLACE, 1, 2)}) == {PLACE: 3}
    assert taken == [("first", 0), ("second", 0), ("first", 1), ("first", 2), ("second", 1), ("second", 2)]


def test_what_the_first_could_not_write_the_second_does_not_see(
    both: InTurn, first: Worker, taken: list[tuple[str, int]]
) -> None:
    first.fails = [PositionMoved("first")]
    with pytest.raises(PositionMoved):
        both.decide({PLACE: records(PLACE, 0)})
    assert taken == []


def test_both_forget_and_both_are_heard(both: InTurn, first: Worker, second: Worker) -> None:
    first.orders, second.orders = [Stopped(PLACE, 1, "gap")], [ReadAgain(NEXT_PLACE, 0, "gap")]
    both.forget()
    assert (first.forgot, second.forgot) == (1, 1)
    assert both.overdue() == [*first.orders, *second.orders]
    assert both.other_logs({}) == second.orders
