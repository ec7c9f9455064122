"""How a batch is prepared: as many units as a transaction is likely to hold, each asked no oftener than it must be."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from shared.contracts.enrolment import ClassApproved
from shared.contracts.fact import encode
from shared.decider import Decider
from shared.eventstore import execute
from shared.eventstore.changes import Found, KnowFact, Reads
from shared.eventstore.desk import Desk
from shared.eventstore.execute import Executor, WorkFailed
from shared.eventstore.memory import MemoryStore
from tests.domain.kernel.intake_world import CLOCK, given

counter = Decider("counter", 0, lambda _c, _n: [], lambda count, _fact: count + 1, (ClassApproved,))


def stream(number: int) -> str:
    return str(UUID(int=number))


@dataclass
class Approve:
    """Writes some facts on a stream of its own."""

    number: int
    facts: int = 1
    asked: Counter = field(default_factory=Counter)
    fails: bool = False
    looks_first: bool = False

    def reads(self, draft):
        self.asked[self.number] += 1
        if self.fails:
            raise KeyError(self.number)
        if self.looks_first:
            draft.state(counter, stream(self.number))
        return Reads(streams=frozenset((stream(self.number),)))

    def perform(self, draft):
        data = [ClassApproved(class_id=stream(self.number), decision_jws=None) for _ in range(self.facts)]
        return draft.append(counter, stream(self.number), data, given())


@pytest.fixture
def executor(monkeypatch) -> Executor:
    monkeypatch.setattr(execute, "MAX_FACTS", 10)
    return Executor("enrolment", MemoryStore(), lambda _fact: [], clock=lambda: CLOCK)


def units(count: int, **settings) -> list[Approve]:
    asked: Counter = Counter()
    return [Approve(number, asked=asked, **settings) for number in range(1, count + 1)]


def test_units_that_have_no_room_are_not_asked_again_and_again(executor):
    """Of a long batch each is asked about once, though three units fill a transaction."""
    works = rest = units(60, facts=3)
    while rest:
        rest = rest[len(executor.run(rest).results) :]
    asked = works[0].asked
    assert len(asked) == 60
    assert sum(asked.values()) <= 60 + 10
    assert executor.store.head() == 180


def test_a_unit_whose_look_found_something_unread_is_asked_again(executor):
    """Once, when that is read; one that looked at nothing is not."""
    works = units(2)
    works[1].looks_first = True
    executor.run(works)
    assert works[0].asked == {1: 1, 2: 2}


def test_a_unit_over_the_limit_goes_alone_and_the_next_after_it(executor):
    """The limit bounds batches, never what one decision leads to."""
    works = units(3, facts=12)
    assert [len(executor.run(works[at:]).results) for at in range(3)] == [1, 1, 1]
    assert executor.store.head() == 36


def test_the_failing_unit_is_named_by_its_place_in_the_whole_batch(executor):
    """Also where the units before it were prepared apart from it."""
    works = units(30)
    works[8].fails = True
    executor.run([Approve(100 + number, facts=3) for number in range(3)])
    with pytest.raises(WorkFailed) as failed:
        executor.run(works)
    assert failed.value.index == 8
    assert executor.store.head() == 9


def test_what_one_kind_of_unit_leads_to_says_nothing_about_another(executor):
    """Units without facts come between: sheets are prepared as before."""

    @dataclass
    class Passing(Approve):
        def perform(self, _draft):
            return []

    executor.run(units(5, facts=3)[:3])
    executor.run([Passing(900 + number) for number in range(20)])
    works = [Approve(200 + number, facts=3) for number in range(40)]
    asked = Counter()
    for work in works:
        work.asked = asked
    executor.run(works)
    assert sum(asked.values()) <= 4


@pytest.mark.parametrize(("most", "read_again"), [(3, {1}), (2, {1, 2})])
def test_who_was_silent_for_long_forgets_all_rather_than_read_what_was_recorded(
    executor, monkeypatch, most, read_again
):
    """Of few facts their streams are forgotten; of more all, and no id of theirs is read."""
    monkeypatch.setattr(execute, "MOST_CHANGED", most)
    first = units(2)
    executor.run(first)
    rival = Executor("enrolment", executor.store, lambda _fact: [], clock=lambda: CLOCK)
    rival.run([Approve(1, facts=3)])

    asked: set[str] = set()
    read = executor.store.read
    monkeypatch.setattr(executor.store, "read", lambda reads: asked.update(reads.streams) or read(reads))
    executor.run(first)

    assert asked == {stream(number) for number in read_again}
    versions = [row.version for row in executor.store.page(0, 100) if row.stream == stream(1)]
    assert versions == [1, 2, 3, 4, 5]


def test_what_was_staged_stands_over_what_is_read_later():
    """Reading comes in parts: a foreign fact taken in by one unit is there for the next, which has it read."""
    desk, subject = Desk("payment", lambda _fact: [], CLOCK), stream(7)
    data = ClassApproved(class_id=subject, decision_jws=None)
    told = encode("enrolment", data, stream=subject, version=1, given=given(), now=CLOCK)
    draft = desk.draft()
    draft.stage(KnowFact(told.type, subject, 1, told.state))
    draft.merge()
    desk.load(Reads(foreign=frozenset(((told.type, subject),))), Found())
    found = desk.draft().foreign("enrolment", ClassApproved, subject)
    assert found is not None
    assert found.data == data


def test_a_reservation_that_appears_between_two_readings_is_not_taken_for_read():
    """What rested on its absence is decided again: the re-check under the lock sees the difference."""
    desk, pair = Desk("payment", lambda _fact: [], CLOCK), ("scope", "key")
    desk.load(Reads(reservations=frozenset((pair,))), Found())
    desk.load(
        Reads(scopes=frozenset(("scope",))), Found(reservations={pair: "rival", ("scope", "other"): "x"})
    )
    assert desk.held == {("scope", "other"): "x"}
