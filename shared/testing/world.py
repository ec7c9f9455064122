"""A service in memory: facts, business days and submissions go in as the kernel hands them over, already checked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

import msgspec

from shared.contracts.enrolment import SERVICE as ENROLMENT
from shared.contracts.enrolment import BusinessDayOpened
from shared.contracts.fact import PROVINCE, Circumstances, Envelope, Fact, decode, encode, registered
from shared.contracts.intake import BusinessDayAdopted, Origin, Reason
from shared.contracts.submission import Submission
from shared.eventstore.businessdate import STREAM, MoveDay, business_date, business_day, business_day_reads
from shared.eventstore.changes import Park, Reads
from shared.eventstore.desk import Draft, Effects
from shared.eventstore.execute import Executor
from shared.eventstore.memory import MemoryStore
from shared.identity import receipt_id
from shared.intake.handling import Handlers, Outcome, Parked, Rejected, ResolvedPerson, Submitted
from shared.messaging.foreign import Policies, learn
from shared.refusal import Refusal

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Doing:
    """A unit of work from a function; what it looks at is found as it is needed."""

    do: Callable[[Draft], Any]

    def reads(self, _draft: Draft) -> Reads:
        """Nothing in advance."""
        return Reads()

    def perform(self, draft: Draft) -> Any:
        """Done on the batch's draft."""
        return self.do(draft)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deciding:
    """A submission as a unit of work: what the intake does around a handler, without its receipt.

    Attributes:
        person: what the vault made of its person, where it names one.
        now: the broker's time.
    """

    handlers: Handlers
    institution: str
    submission_id: str
    data: Submission
    person: ResolvedPerson | None
    now: datetime

    def _submitted(self, draft: Draft) -> Submitted[Any]:
        digest = hashlib.sha256(msgspec.json.encode((self.submission_id, self.data))).hexdigest()
        return Submitted(
            institution=self.institution,
            submission_id=self.submission_id,
            receipt_id=receipt_id(draft.service, self.institution, self.submission_id),
            data=self.data,
            origin=Origin(digest=digest, jws="", topic="t", partition=0, offset=0, logged_at=self.now),
            person=self.person,
            business_date=business_date(draft),
            traceparent="",
            occurredat=self.now,
        )

    def reads(self, draft: Draft) -> Reads:
        """The business date, and what the handler names."""
        return business_day_reads() | self.handlers[type(self.data)].reads(self._submitted(draft), draft)

    def perform(self, draft: Draft) -> Outcome:
        """The handler's outcome; what it parks is parked, having staged nothing."""
        submitted = self._submitted(draft)
        try:
            outcome = self.handlers[type(self.data)].decide(submitted, draft)
        except Refusal as refusal:
            draft.abandon()
            return Rejected([Reason(code=refusal.code, field=refusal.field)])
        if isinstance(outcome, Parked):
            draft.abandon()
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
            logged_at=self.now,
            traceparent="",
        )


def by_the_system(
    service: str, day: date, *, now: datetime, region: str = PROVINCE, about: str = STREAM
) -> Circumstances:
    """A service's own circumstances on a business date; `about` is what the fact belongs to and follows from."""
    return Circumstances(
        occurredat=now,
        businessdate=day,
        actor=f"system:{service}",
        duty="SYSTEM",
        region=region,
        correlationid=about,
        causationid=about,
        traceparent="",
    )


def _begin(move: MoveDay, given: Circumstances, draft: Draft) -> list[str]:
    return draft.execute(business_day, STREAM, move, given)


class ServiceWorld:
    """A service on a store in memory, unless another is given."""

    def __init__(
        self, service: str, effects: Effects, handlers: Handlers, *, now: datetime, store: Any = None
    ) -> None:
        """A service that nothing has happened to, before its first business day.

        Args:
            service: its name.
            effects: of its own facts.
            handlers: of its submissions.
            now: the real clock, standing still.
            store: a `Store`.
        """
        self.service = service
        self.store = store or MemoryStore()
        self.executor = Executor(service, self.store, effects, always=business_day_reads(), clock=lambda: now)
        self.handlers = handlers
        self._now = now
        self._numbers = iter(range(1, 100_000))

    def given(self, day: date) -> Circumstances:
        """The system's own circumstances."""
        return by_the_system(self.service, day, now=self._now)

    def run(self, do: Callable[[Draft], Any]) -> Any:
        """One unit in a batch of its own."""
        return self.executor.run([Doing(do)]).results[0]

    @property
    def today(self) -> date | None:
        """The business date."""
        day: date | None = self.run(lambda draft: draft.state(business_day, STREAM))
        return day

    def moves_to(self, last: date) -> None:
        """One business day after the other, up to and with `last`; the very first is `last` itself."""
        today = self.today
        day = last if today is None else today + ONE_DAY
        begun = BusinessDayOpened if self.service == ENROLMENT else BusinessDayAdopted
        while day <= last:
            move, given = MoveDay(begun(date=day, working=True)), self.given(day)
            self.run(partial(_begin, move, given))
            day += ONE_DAY

    def takes(self, policies: Policies, fact: Fact, *, stream: str) -> None:
        """A fact of another service arrives, as the kernel takes it in."""
        source = next(entry.service for entry in registered() if entry.cls is type(fact))
        given = self.given(self._now.date())
        encoded = encode(source, fact, stream=stream, version=next(self._numbers), given=given, now=self._now)

        def take(draft: Draft) -> None:
            learn(draft, decode(encoded.state), encoded.state, policies[type(fact)])

        self.run(take)

    def submission(
        self, data: Submission, *, by: str, person: ResolvedPerson | None = None, named: str = ""
    ) -> Deciding:
        """A submission, under a new id unless one is named."""
        return Deciding(
            handlers=self.handlers,
            institution=by,
            submission_id=named or f"s-{next(self._numbers)}",
            data=data,
            person=person,
            now=self._now,
        )

    def decides(self, *sent: Deciding) -> list[Any]:
        """All of one batch."""
        return self.executor.run(list(sent)).results

    def ready(self) -> list[str]:
        """What its parked submissions awaited, of those that were woken."""
        return sorted(row.row.awaited for row in self.store.tables.parked.values() if row.ready)

    def envelopes(self, *streams: str) -> list[Envelope[Any]]:
        """All facts of these streams."""
        return [decode(row.state) for stream in streams for row in self.store.tables.streams.get(stream, ())]

    def all_facts(self) -> list[Envelope[Any]]:
        """The whole event table."""
        return [decode(row.state) for row in self.store.tables.log]
