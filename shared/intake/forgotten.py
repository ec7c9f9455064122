"""A parked submission whose body was erased with its person: it is answered, for it can never be decided."""

from __future__ import annotations

from dataclasses import dataclass

from shared.contracts.fact import PROVINCE, Circumstances
from shared.contracts.intake import Origin, Reason
from shared.eventstore.businessdate import business_date, business_day_reads, business_time
from shared.eventstore.changes import Reads
from shared.eventstore.desk import Draft
from shared.intake.receipt import Give, receipts, rejected

PERSON_ERASED = "person.erased"


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Rejects it; the receipt ends its wait. Left alone, it would be woken for ever.

    Attributes:
        stream: its receipt's.
    """

    stream: str
    institution: str
    submission_id: str
    submission_type: str
    origin: Origin
    traceparent: str

    def reads(self, _draft: Draft) -> Reads:
        """The business date, its receipt and its wait."""
        own = frozenset((self.stream,))
        return business_day_reads() | Reads(streams=own, parked=own)

    def perform(self, draft: Draft) -> str:
        """Stages the rejection."""
        reason = Reason(code=PERSON_ERASED, field="data.trainee")
        receipt = rejected(self.submission_id, self.submission_type, self.institution, self.origin, reason)
        day = business_date(draft)
        given = Circumstances(
            occurredat=business_time(day, self.origin.logged_at),
            businessdate=day,
            actor=f"system:{draft.service}",
            duty="SYSTEM",
            region=PROVINCE,
            correlationid=self.stream,
            causationid=self.stream,
            traceparent=self.traceparent,
        )
        draft.execute(receipts, self.stream, Give(receipt), given)
        return "rejected"
