"""Enrolment on an in-memory store: submissions as the intake hands them over, already checked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import msgspec
import pytest

from services.enrolment.domain.training_class import ApproveClass, training_class
from services.enrolment.policies import effects
from services.enrolment.submissions import handlers
from shared.contracts.enrolment import BusinessDayOpened
from shared.contracts.fact import Circumstances, Envelope, decode
from shared.contracts.intake import Origin, Reason
from shared.contracts.submission import Submission
from shared.eventstore.businessdate import STREAM, MoveDay, business_date, business_day, business_day_reads
from shared.eventstore.changes import Park, Reads
from shared.eventstore.desk import Draft
from shared.eventstore.execute import Executor
from shared.eventstore.memory import MemoryStore
from shared.eventstore.store import Store
from shared.identity import receipt_id
from shared.intake.handling import Handlers, Outcome, Parked, Rejected, ResolvedPerson, Submitted
from shared.refusal import Refusal
from tests.domain.enrolment import facts

COMMITMENT = "c" * 64


@dataclass(frozen=True)
class Doing:
    """Any unit of work."""

    do: Callable[[Draft], Any]

    def reads(self, _draft: Draft) -> Reads:
        """Nothing in advance."""
        return Reads()

    def perform(self, draft: Draft) -> Any:
        """Done on the batch's draft."""
        return self.do(draft)


@dataclass(frozen=True)
class Deciding:
    """A submission as a unit of work: what the intake does around a handler, without its receipt."""

    handlers: Handlers
    institution: str
    name: str
    person_id: str
    data: Submission

    def _submitted(self, draft: Draft) -> Submitted[Any]:
        digest = hashlib.sha256(msgspec.json.encode(self.data)).hexdigest()
        return Submitted(
            institution=self.institution,
            submission_id=self.name,
            receipt_id=receipt_id("enrolment", self.institution, self.name),
            data=self.data,
            origin=Origin(digest=digest, jws="", topic="t", partition=0, offset=0, logged_at=facts.NOW),
            person=ResolvedPerson(self.person_id, {"RURAL": COMMITMENT}),
            business_date=business_date(draft),
            traceparent="",
            occurredat=facts.NOW,
        )

    def reads(self, draft: Draft) -> Reads:
        """The business date, and what the handler names."""
        return business_day_reads() | self.handlers[type(self.data)].reads(self._submitted(draft), draft)

    def perform(self, draft: Draft) -> Outcome:
        """The handler's outcome; what it parks is parked."""
        submitted = self._submitted(draft)
        try:
            outcome = self.handlers[type(self.data)].decide(submitted, draft)
        except Refusal as refusal:
            draft.abandon()
            return Rejected([Reason(code=refusal.code, field=refusal.field)])
        if isinstance(outcome, Parked):
            assert not draft.facts, "what waits has staged nothing"
            draft.stage(self._park(submitted, outcome.awaited))
        return outcome

    def _park(self, submitted: Submitted[Any], awaited: str) -> Park:
        return Park(
            receipt_id=submitted.receipt_id,
            digest=submitted.origin.digest,
            awaited=awaited,
            institution=self.institution,
            submission_id=self.name,
            submission_type=type(self.data).__name__,
            jws="",
            topic="t",
            partition=0,
            kafka_offset=0,
            logged_at=facts.NOW,
            traceparent="",
        )


class World:
    """The service on a store, in memory unless another is given."""

    def __init__(self, store: Store | None = None) -> None:
        self.store = MemoryStore()
        self.executor = Executor(
            "enrolment", store or self.store, effects, always=business_day_reads(), clock=lambda: facts.NOW
        )
        self._handlers = handlers(facts.BOOK)
        self._numbers = iter(range(1, 10_000))

    def given(self, day: date) -> Circumstances:
        """The system's own circumstances."""
        return Circumstances(
            occurredat=facts.NOW,
            businessdate=day,
            actor="system:enrolment",
            duty="SYSTEM",
            region="350000",
            correlationid=STREAM,
            causationid=STREAM,
            traceparent="",
        )

    def run(self, do: Callable[[Draft], Any]) -> Any:
        """One unit in a batch of its own."""
        return self.executor.run([Doing(do)]).results[0]

    def opens(self, last: date) -> None:
        """Business days up to and with `last`, one after the other."""
        today: date | None = self.run(lambda draft: draft.state(business_day, STREAM))
        day = last if today is None else today + timedelta(days=1)
        while day <= last:
            move = MoveDay(BusinessDayOpened(date=day, working=True))
            given = self.given(day)
            self.run(lambda draft, move=move, given=given: draft.execute(business_day, STREAM, move, given))
            day += timedelta(days=1)

    def approves(self, class_id: str = facts.CLASS_ID) -> None:
        """A handler approves a class."""
        given = self.given(facts.TODAY)
        command = ApproveClass(class_id=class_id)
        self.run(lambda draft: draft.execute(training_class, class_id, command, given))

    def sent(self, data: Submission, *, by: str = facts.SCHOOL, person: str = facts.LI_NA) -> Deciding:
        """A submission under a new id; `person` is what the vault makes of its person."""
        return Deciding(self._handlers, by, f"s-{next(self._numbers)}", person, data)

    def decides(self, *works: Deciding) -> list[Any]:
        """All of one batch."""
        return self.executor.run(list(works)).results

    def decide(self, data: Submission, *, by: str = facts.SCHOOL, person: str = facts.LI_NA) -> Any:
        """One submission in a batch of its own."""
        return self.decides(self.sent(data, by=by, person=person))[0]

    def ready(self) -> list[str]:
        """What its parked submissions awaited, of those that were woken."""
        return sorted(row.row.awaited for row in self.store.tables.parked.values() if row.ready)

    def facts(self, *streams: str) -> list[Envelope[Any]]:
        """All facts of these streams."""
        return [decode(row.state) for stream in streams for row in self.store.tables.streams.get(stream, ())]

    def named(self, ids: Iterable[str]) -> list[Any]:
        """The data of facts, by their ids, in the order of the ids."""
        by_id = {fact.id: fact.data for fact in (decode(row.state) for row in self.store.tables.log)}
        return [by_id[name] for name in ids]


@pytest.fixture
def world() -> World:
    """Monday 2024-05-13."""
    world = World()
    world.opens(facts.TODAY)
    return world


@pytest.fixture
def in_class(world: World) -> World:
    """The class is approved, Li Na (E-1) and Wang Wei (E-2) sit in it, and its three days are over."""
    world.decide(facts.application())
    world.approves()
    world.decide(facts.enrolment("E-1"), person=facts.LI_NA)
    world.decide(facts.enrolment("E-2"), person=facts.WANG_WEI)
    world.opens(facts.AFTERWARDS)
    return world
