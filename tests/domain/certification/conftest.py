"""Certification on an in-memory store: submissions as the intake hands them over, already checked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest

from services.certification.domain.assessment_body import ApproveBody, assessment_body
from services.certification.policies import POLICIES, effects
from services.certification.submissions import handlers
from shared.contracts.certification import Scope
from shared.contracts.fact import Circumstances, Encoded, Envelope, Fact, decode, encode
from shared.contracts.intake import BusinessDayAdopted, Origin, Reason
from shared.contracts.submission import Submission
from shared.eventstore.businessdate import (
    STREAM,
    MoveDay,
    business_date,
    business_day,
    business_day_reads,
)
from shared.eventstore.changes import KnowFact, Park, Reads
from shared.eventstore.desk import Draft
from shared.eventstore.execute import Executor
from shared.eventstore.memory import MemoryStore
from shared.identity import institution_id, receipt_id
from shared.intake.handling import Handlers, Outcome, Parked, Rejected, ResolvedPerson, Submitted
from shared.refusal import Refusal
from tests.domain.certification import facts

NOW = datetime(2024, 6, 3, 1, tzinfo=UTC)
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Doing:
    """Any unit of work."""

    needs: Reads
    do: Callable[[Draft], Any]

    def reads(self, _draft: Draft) -> Reads:
        """Named in advance."""
        return self.needs

    def perform(self, draft: Draft) -> Any:
        """Done on the batch's draft."""
        return self.do(draft)


@dataclass(frozen=True)
class Deciding:
    """A submission as a unit of work: what the intake does around a handler, without its receipt."""

    handlers: Handlers
    institution: str
    submission_id: str
    person_id: str | None
    data: Submission

    def _submitted(self, draft: Draft) -> Submitted[Any]:
        receipt = receipt_id("certification", self.institution, self.submission_id)
        digest = hashlib.sha256(msgspec.json.encode(self.data)).hexdigest()
        return Submitted(
            institution=self.institution,
            submission_id=self.submission_id,
            receipt_id=receipt,
            data=self.data,
            origin=Origin(digest=digest, jws="", topic="t", partition=0, offset=0, logged_at=NOW),
            person=ResolvedPerson(self.person_id, {}) if self.person_id else None,
            business_date=business_date(draft),
            traceparent="",
            occurredat=NOW,
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
            draft.stage(self._park(submitted, outcome.awaited))
        return outcome

    def _park(self, submitted: Submitted[Any], awaited: str) -> Park:
        return Park(
            receipt_id=submitted.receipt_id,
            digest=submitted.origin.digest,
            awaited=awaited,
            institution=self.institution,
            submission_id=self.submission_id,
            submission_type=type(self.data).__name__,
            jws="",
            topic="t",
            partition=0,
            kafka_offset=0,
            logged_at=NOW,
            traceparent="",
        )


class World:
    """The service with one approved body, on a business date."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.executor = Executor("certification", self.store, effects, always=business_day_reads())
        self._handlers = handlers(facts.BOOK)
        self._numbers = iter(range(1, 10_000))

    def given(self, day: date) -> Circumstances:
        """The system's own circumstances."""
        return Circumstances(
            occurredat=NOW,
            businessdate=day,
            actor="system:certification",
            duty="SYSTEM",
            region="350000",
            correlationid=STREAM,
            causationid=STREAM,
            traceparent="",
        )

    def adopts(self, first: date, last: date | None = None) -> None:
        """One business day after the other, both counted."""
        day = first
        while day <= (last or first):
            move = MoveDay(BusinessDayAdopted(date=day, working=True))
            given = self.given(day)
            self.run(lambda draft, move=move, given=given: draft.execute(business_day, STREAM, move, given))
            day += ONE_DAY

    def run(self, do: Callable[[Draft], Any]) -> Any:
        """One unit in a batch of its own."""
        return self.executor.run([Doing(Reads(), do)]).results[0]

    def approves(self, uscc: str = facts.BODY, *, levels: tuple[str, ...] = ("5", "4")) -> None:
        """A body may assess the occupation of the tests at these levels through 2024."""
        command = ApproveBody(
            uscc=uscc,
            scope=[Scope(occupation_id=facts.OCCUPATION, levels=list(levels))],
            valid_from=date(2024, 1, 1),
            valid_to=date(2024, 12, 31),
            catalogue=frozenset((facts.OCCUPATION,)),
        )
        given = self.given(facts.TODAY)
        self.run(lambda draft: draft.execute(assessment_body, institution_id(uscc), command, given))

    def learns(self, *foreign: Fact) -> None:
        """Enrolment's facts of trainees arrive."""
        for fact in foreign:
            encoded = encode(
                "enrolment",
                fact,
                stream=fact.enrolment_id,  # type: ignore[attr-defined]
                version=next(self._numbers),
                given=self.given(facts.TODAY),
                now=NOW,
            )

            def take(draft: Draft, encoded: Encoded = encoded) -> None:
                draft.stage(KnowFact(encoded.type, encoded.stream, encoded.version, encoded.state))
                for effect in POLICIES[type(encoded.data)](decode(encoded.state)):
                    draft.stage(effect)

            self.run(take)

    def sent(
        self, data: Submission, *, by: str = facts.BODY, person: str | None = None, named: str = ""
    ) -> Deciding:
        """A submission, under a new id unless one is named."""
        name = named or f"s-{next(self._numbers)}"
        return Deciding(self._handlers, by, name, person, data)

    def decides(self, *sent: Deciding) -> list[Any]:
        """All of one batch."""
        return self.executor.run(list(sent)).results

    def ready(self) -> list[str]:
        """What its parked submissions awaited, of those that were woken."""
        return sorted(row.row.awaited for row in self.store.tables.parked.values() if row.ready)

    def facts(self, *streams: str) -> list[Envelope[Any]]:
        """All facts of these streams."""
        return [decode(row.state) for stream in streams for row in self.store.tables.streams.get(stream, ())]


@pytest.fixture
def world() -> World:
    """Monday 2024-06-03, one approved body."""
    world = World()
    world.adopts(facts.TODAY)
    world.approves()
    return world
