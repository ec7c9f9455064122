"""The units of work of the intake: a quarantine, a submission, a woken or overdue one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime

import msgspec

from shared.contracts.checking import Checked
from shared.contracts.fact import PROVINCE, Circumstances
from shared.contracts.intake import Reason, SubmissionAccepted, SubmissionIdReused, SubmissionQuarantined
from shared.contracts.submission import SUBMISSIONS
from shared.eventstore.businessdate import STREAM as BUSINESS_DAY
from shared.eventstore.businessdate import business_date, business_day_reads, business_time
from shared.eventstore.changes import ClearDeadline, Park, Reads, Release, SendReceipt, SetDeadline, Unpark
from shared.eventstore.desk import Draft, NotRead
from shared.eventstore.recovered import HALF_DECIDED
from shared.intake.handling import (
    Accepted,
    Handler,
    Handlers,
    Outcome,
    Parked,
    Rejected,
    ResolvedPerson,
    Submitted,
)
from shared.intake.incoming import Attributed, Unattributable
from shared.intake.receipt import PARKING, Give, Note, notes, quarantine_id, receipts, rejected, risk_id
from shared.refusal import Refusal

MAX_FACTS_NAMED = 200
_HALF_DECIDED = frozenset((HALF_DECIDED,))

ParkingDue = Callable[[date], date]
"""The last business date on which a submission parked on a date may still wait; from the policy."""


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Records what can't be attributed, once."""

    record: Unattributable

    def reads(self, draft: Draft) -> Reads:
        """Its own stream."""
        return business_day_reads() | Reads(streams=frozenset((self._stream(draft),)))

    def _stream(self, draft: Draft) -> str:
        return quarantine_id(draft.service, self.record.incoming.digest)

    def perform(self, draft: Draft) -> str:
        """Stages the fact; the same record again changes nothing."""
        incoming, stream = self.record.incoming, self._stream(draft)
        fact = SubmissionQuarantined(
            origin=incoming.origin,
            reasons=[Reason(code=self.record.code)],
            claimed_key=self.record.claimed_key,
            size=len(incoming.value),
        )
        given = _circumstances(
            draft,
            f"system:{draft.service}",
            PROVINCE,
            stream,
            incoming.traceparent,
            incoming.origin.logged_at,
        )
        draft.execute(notes, stream, Note(fact), given)
        return "quarantined"


@dataclass(frozen=True, slots=True)
class Submit:
    """Decides one attributed submission and gives its receipt.

    Attributes:
        person: what the vault made of its person, where the type names one.
        woken: it was parked; None while it is new, "" once it is ready, else what it still awaited when its
            deadline passed: then it is rejected.
    """

    record: Attributed
    handlers: Handlers
    person: ResolvedPerson | None
    parking_due: ParkingDue
    woken: str | None = None

    def reads(self, draft: Draft) -> Reads:
        """Its receipt, whether it is parked, and what its handler looks at, all in one look if it can be."""
        receipt = self.record.receipt_id
        own = Reads(
            streams=frozenset((BUSINESS_DAY, receipt)), parked=frozenset((receipt,)), scopes=_HALF_DECIDED
        )
        checked = self._checked()
        if checked is None:
            return own
        try:
            return own | self._handler(checked).reads(self._submitted(checked, draft), draft)
        except NotRead as missing:
            return own | missing.reads

    def perform(self, draft: Draft) -> str:
        """Answers what the receipt will say, or what became of it instead."""
        receipt, origin = self.record.receipt_id, self.record.incoming.origin
        answered = draft.state(receipts, receipt)
        there = draft.holder(HALF_DECIDED, receipt)
        if there is not None and (not answered.versions or origin.digest in answered.versions):
            return self._complete(draft, [one for one in there.split(",") if one])
        if origin.digest in answered.versions:
            if self.woken is None:
                draft.stage(
                    SendReceipt(self.record.found.institution, receipt, answered.versions[origin.digest])
                )
            return "resent"
        if answered.versions:
            return self._reject_reused(draft, answered.first)
        others = draft.waiting(receipt) - {origin.digest}
        if self.woken is None and origin.digest in draft.waiting(receipt):
            return "waiting"
        if self.woken is None and others:
            return self.park(draft, f"receipt:{receipt}")
        return self._settle(draft, self._decide(draft))

    def _complete(self, draft: Draft, there: list[str]) -> str:
        """Decides to the end what reached Kafka in part before the database was lost, see `recovered`.

        The facts that are there stand, and their own streams refuse to be decided again. What was told by a
        receipt is not told again.
        """
        receipt = self.record.receipt_id
        answered = bool(draft.state(receipts, receipt).versions)
        outcome = self._decide(draft)
        if isinstance(outcome, Parked):
            draft.abandon()
            return self.park(draft, outcome.awaited)
        if isinstance(outcome, Rejected):
            draft.abandon()
            outcome = Accepted([])
        draft.stage(Release(HALF_DECIDED, receipt))
        if answered:
            return self._no_longer_waiting(draft, "completed")
        said = [Reason(code="submission.recovered"), *outcome.refused]
        self._give(draft, self._acceptance(Accepted([*there, *outcome.facts], outcome.lines, said)))
        return "accepted"

    def _decide(self, draft: Draft) -> Outcome:
        checked = self._checked()
        if self.woken:
            return Rejected([Reason(code="parking.deadline_passed")])
        if checked is None:
            assert isinstance(self.record.judged, list)
            return Rejected(self.record.judged)
        if checked.entry.sender != self.record.key.kind:
            return Rejected([Reason(code="submission.sender_not_entitled", field="type")])
        try:
            return self._handler(checked).decide(self._submitted(checked, draft), draft)
        except Refusal as refusal:
            return Rejected([Reason(code=refusal.code, field=refusal.field)])

    def _settle(self, draft: Draft, outcome: Outcome) -> str:
        match outcome:
            case Parked(awaited):
                draft.abandon()
                return self.park(draft, awaited)
            case Rejected(reasons):
                draft.abandon()
                self._give(draft, self._rejection(*reasons))
                return "rejected"
            case Accepted():
                self._give(draft, self._acceptance(outcome))
                return "accepted"

    def _give(self, draft: Draft, receipt: SubmissionAccepted | object) -> None:
        stream, incoming, key = self.record.receipt_id, self.record.incoming, self.record.key
        given = _circumstances(
            draft,
            f"system:{draft.service}",
            key.region,
            stream,
            incoming.traceparent,
            incoming.origin.logged_at,
        )
        draft.execute(receipts, stream, Give(receipt), given)  # type: ignore[arg-type]

    def _acceptance(self, outcome: Accepted) -> SubmissionAccepted:
        found = self.record.found
        return SubmissionAccepted(
            submission_id=found.id,
            submission_type=found.type,
            institution=found.institution,
            origin=self.record.incoming.origin,
            lines=outcome.lines,
            refused_lines=outcome.refused,
            fact_count=len(outcome.facts),
            facts=outcome.facts[:MAX_FACTS_NAMED],
        )

    def _rejection(self, *reasons: Reason) -> object:
        found = self.record.found
        kind = found.type if found.type in SUBMISSIONS else ""
        plain = rejected(found.id, kind, found.institution, self.record.incoming.origin, *reasons)
        return msgspec.structs.replace(plain, awaited=self.woken) if self.woken else plain

    def _reject_reused(self, draft: Draft, first: str) -> str:
        receipt, incoming = self.record.receipt_id, self.record.incoming
        before = len(draft.facts)
        self._give(draft, self._rejection(Reason(code="submission.id_reused", field="id")))
        if len(draft.facts) == before:
            return self._no_longer_waiting(draft, "ignored")
        risk = SubmissionIdReused(
            submission_id=self.record.found.id,
            institution=self.record.found.institution,
            first_digest=first,
            other_digest=incoming.origin.digest,
        )
        stream = risk_id(receipt)
        given = _circumstances(
            draft, f"system:{draft.service}", self.record.key.region, receipt, incoming.traceparent,
            incoming.origin.logged_at,
        )  # fmt: skip
        draft.execute(notes, stream, Note(risk), given)
        return "rejected"

    def _no_longer_waiting(self, draft: Draft, outcome: str) -> str:
        """Nothing more will be said of it: were it parked, it would be woken for ever."""
        if self.woken is not None:
            receipt, digest = self.record.receipt_id, self.record.incoming.origin.digest
            draft.stage(Unpark(receipt, digest))
            draft.stage(ClearDeadline(PARKING, f"{receipt}/{digest}"))
        return outcome

    def park(self, draft: Draft, awaited: str) -> str:
        """Lets it wait: for a fact, for the receipt of another body of its id, for an operator."""
        found, incoming, receipt = self.record.found, self.record.incoming, self.record.receipt_id
        origin = incoming.origin
        draft.stage(
            Park(
                receipt, origin.digest, awaited, found.institution, found.id, found.type, origin.jws, origin.topic,
                origin.partition, origin.offset, origin.logged_at, incoming.traceparent,
            )
        )  # fmt: skip
        if not awaited.startswith("receipt:"):
            due = self.parking_due(business_date(draft))
            draft.stage(SetDeadline(PARKING, f"{receipt}/{origin.digest}", due))
        return "parked"

    def _checked(self) -> Checked | None:
        return self.record.judged if isinstance(self.record.judged, Checked) else None

    def _handler(self, checked: Checked) -> Handler[msgspec.Struct]:  # type: ignore[type-var]
        return self.handlers[checked.entry.cls]

    def _submitted(self, checked: Checked, draft: Draft) -> Submitted[msgspec.Struct]:  # type: ignore[type-var]
        day = business_date(draft)
        return Submitted(
            institution=self.record.found.institution,
            submission_id=self.record.found.id,
            receipt_id=self.record.receipt_id,
            data=checked.document.data,
            origin=self.record.incoming.origin,
            person=self.person,
            business_date=day,
            traceparent=self.record.incoming.traceparent,
            occurredat=business_time(day, self.record.incoming.origin.logged_at),
        )


def woken(work: Submit, *, awaited: str, overdue: bool) -> Submit:
    """The same submission, coming back from parking."""
    return replace(work, woken=awaited if overdue else "")


def _circumstances(
    draft: Draft, actor: str, region: str, correlation: str, traceparent: str, logged_at: datetime
) -> Circumstances:
    day = business_date(draft)
    return Circumstances(
        occurredat=business_time(day, logged_at),
        businessdate=day,
        actor=actor,
        duty="SYSTEM",
        region=region,
        correlationid=correlation,
        causationid=correlation,
        traceparent=traceparent,
    )
