"""A poll brings several partitions: one transaction for all of them, and what ails one holds up no other."""

from __future__ import annotations

from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition

from shared.contracts.enrolment import BusinessDayOpened, InstitutionRegistered
from shared.contracts.fact import Circumstances, encode, type_of
from shared.eventstore.execute import Executor
from shared.eventstore.memory import MemoryStore
from shared.eventstore.store import PositionMoved
from shared.messaging.consumer import Stopped
from shared.messaging.foreign import ForeignFacts
from shared.messaging.topics import FactHeaders

TOPIC = "zeren.enrolment.facts.v1"
FIRST, SECOND = TopicPartition(TOPIC, 0), TopicPartition(TOPIC, 1)
STREAM = "00000000-0000-4000-8000-000000000001"
NOW = datetime(2026, 11, 24, 1, tzinfo=UTC)
DAY = BusinessDayOpened(date=date(2024, 5, 14), working=True)
NEEDED, UNNEEDED = (
    type_of("enrolment", BusinessDayOpened).name,
    type_of("enrolment", InstitutionRegistered).name,
)


def _record(partition: TopicPartition, position: int, previous: int, kind: str = NEEDED) -> Any:
    given = Circumstances(
        occurredat=NOW, businessdate=DAY.date, actor="handler:h", duty="D15", region="350000",
        correlationid=STREAM, causationid=STREAM, traceparent="",
    )  # fmt: skip
    state = encode("enrolment", DAY, stream=STREAM, version=position, given=given, now=NOW).state
    headers = FactHeaders(kind, "enrolment@1", position, previous).encode()
    return SimpleNamespace(
        topic=TOPIC, partition=partition.partition, offset=position, key=b"k", value=state, headers=headers
    )


class Counting(MemoryStore):
    """A store that counts its transactions."""

    def __init__(self) -> None:
        super().__init__()
        self.commits = 0

    def commit(self, changes: Any) -> Any:
        self.commits += 1
        return super().commit(changes)


def _following(store: MemoryStore) -> ForeignFacts:
    executor = Executor("payment", store, lambda _fact: [], clock=lambda: NOW)
    return ForeignFacts("payment.policies", executor, {"enrolment": {BusinessDayOpened: lambda _fact: []}})


def _positions(store: MemoryStore) -> dict[int, int]:
    return {key.partition: at.position for key, at in store.positions("payment.policies").items()}


def test_all_partitions_of_a_poll_are_one_transaction() -> None:
    """Their facts and their positions."""
    store = Counting()
    after = _following(store).decide(
        {FIRST: [_record(FIRST, 1, 0), _record(FIRST, 3, 1)], SECOND: [_record(SECOND, 2, 0)]}
    )
    assert after == {FIRST: 4, SECOND: 3}
    assert store.commits == 1
    assert _positions(store) == {0: 3, 1: 2}
    assert len(store.tables.foreign) == 1


def test_a_partition_that_breaks_stops_alone() -> None:
    """The other's facts are taken in, and the broken one's up to the break."""
    store = Counting()
    worker = _following(store)
    broken = _record(FIRST, 3, 1)
    broken.value = None
    after = worker.decide({FIRST: [_record(FIRST, 1, 0), broken], SECOND: [_record(SECOND, 2, 0)]})
    assert isinstance(after[FIRST], Stopped)
    assert (after[FIRST].offset, after[SECOND]) == (3, 3)
    assert _positions(store) == {0: 1, 1: 2}
    assert worker.decide({FIRST: [_record(FIRST, 3, 1)]}) == {FIRST: 4}


def test_what_a_broken_partition_held_is_dropped_and_what_another_holds_is_kept() -> None:
    """The other's missing link still comes ahead."""
    store = Counting()
    worker = _following(store)
    broken = _record(FIRST, 9, 0)
    broken.value = None
    after = worker.decide({FIRST: [_record(FIRST, 7, 6), broken], SECOND: [_record(SECOND, 5, 2)]})
    assert isinstance(after[FIRST], Stopped)
    assert after[SECOND] == 5
    assert worker.decide({SECOND: [_record(SECOND, 2, 0)]}) == {SECOND: 3}
    assert _positions(store) == {1: 5}


def test_what_is_not_needed_is_passed_over_undecoded_and_its_position_moves() -> None:
    """Before, between and behind what is needed; where nothing is, the event table is not locked for it."""
    store = Counting()
    worker = _following(store)
    unreadable = _record(FIRST, 1, 0, UNNEEDED)
    unreadable.value = b"no JSON"
    rest = [_record(FIRST, 2, 1), _record(FIRST, 3, 2, UNNEEDED)]
    assert worker.decide({FIRST: [unreadable, *rest]}) == {FIRST: 4}
    assert _positions(store) == {0: 3}
    assert len(store.tables.foreign) == 1
    assert worker.decide({SECOND: [_record(SECOND, 4, 0, UNNEEDED)]}) == {SECOND: 5}
    assert _positions(store) == {0: 3, 1: 4}
    assert store.commits == 1


def test_a_position_that_another_moved_is_noticed_where_nothing_is_needed() -> None:
    """A worker that was thought dead: what it passes over, the other one has passed."""
    store = Counting()
    zombie, worker = _following(store), _following(store)
    assert zombie.decide({FIRST: [_record(FIRST, 1, 0, UNNEEDED)]}) == {FIRST: 2}
    worker.decide({FIRST: [_record(FIRST, 2, 1, UNNEEDED), _record(FIRST, 3, 2, UNNEEDED)]})
    with pytest.raises(PositionMoved):
        zombie.decide({FIRST: [_record(FIRST, 2, 1, UNNEEDED)]})
    assert _positions(store) == {0: 3}
    assert zombie.decide({FIRST: [_record(FIRST, 4, 3, UNNEEDED)]}) == {FIRST: 5}
