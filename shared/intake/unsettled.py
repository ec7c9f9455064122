"""Units of work for what can't be decided yet: an unknown key is waited for, a fault waits for an operator."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from shared.eventstore.businessdate import business_date, business_day_reads
from shared.eventstore.changes import ClearDeadline, Park, Reads, SetDeadline, Unpark, Wake
from shared.eventstore.desk import Draft
from shared.intake.incoming import Unattributable
from shared.intake.keys import key_known
from shared.intake.receipt import PARKING, notes, quarantine_id
from shared.intake.work import ParkingDue, Quarantine, Submit

KEY_UNKNOWN = "signature.key_unknown"
TOO_MANY = "signature.key_unknown_too_many"
MAX_WAITING_FOR_KEY = 100
"""Submissions that may wait for one claimed key: whoever claims it need not be its owner."""

FAULT_AWAITED = "operator:"


@dataclass(frozen=True, slots=True)
class AwaitKey:
    """Parks a submission whose key nobody has registered yet; its body lies sealed.

    Attributes:
        again: it waits already, was woken, and still can't be attributed.
    """

    record: Unattributable
    parking_due: ParkingDue
    again: bool = False

    def reads(self, draft: Draft) -> Reads:
        """Whether it was answered or waits already, the key itself, and how many wait for it."""
        stream = quarantine_id(draft.service, self.record.incoming.digest)
        return business_day_reads() | Reads(
            streams=frozenset((stream,)),
            parked=frozenset((stream,)),
            keys=frozenset((self.record.claimed_key,)),
            awaiting=frozenset((key_known(self.record.claimed_key),)),
        )

    def perform(self, draft: Draft) -> str:
        """Parks it; past the bound it is quarantined at once. The same record again changes nothing."""
        incoming, key_id = self.record.incoming, self.record.claimed_key
        stream, awaited = quarantine_id(draft.service, incoming.digest), key_known(key_id)
        if draft.state(notes, stream):
            return "quarantined"
        if not self.again and incoming.origin.digest in draft.waiting(stream):
            return "waiting"
        if not self.again and draft.awaiting(awaited) >= MAX_WAITING_FOR_KEY:
            return Quarantine(replace(self.record, code=TOO_MANY)).perform(draft)
        origin = incoming.origin
        draft.stage(
            Park(
                stream, origin.digest, awaited, "", "", "", origin.jws, origin.topic, origin.partition,
                origin.offset, origin.logged_at, incoming.traceparent, self.record.claimed,
            )
        )  # fmt: skip
        draft.stage(SetDeadline(PARKING, f"{stream}/{origin.digest}", self.parking_due(business_date(draft))))
        if draft.key(key_id) is not None:
            draft.stage(Wake(awaited))
        return "parked"


class Unit(Protocol):
    """A unit of the intake's work."""

    def reads(self, draft: Draft) -> Reads:
        """See `Work`."""

    def perform(self, draft: Draft) -> str:
        """See `Work`."""


@dataclass(frozen=True, slots=True)
class AfterWaiting:
    """Decides what waited for its key, and ends that wait."""

    unit: Unit
    stream: str
    digest: str

    def reads(self, draft: Draft) -> Reads:
        """The unit's own, and the wait."""
        return Reads(parked=frozenset((self.stream,))) | self.unit.reads(draft)

    def perform(self, draft: Draft) -> str:
        """The unit's own outcome."""
        outcome = self.unit.perform(draft)
        draft.stage(Unpark(self.stream, self.digest))
        draft.stage(ClearDeadline(PARKING, f"{self.stream}/{self.digest}"))
        return outcome


@dataclass(frozen=True, slots=True)
class AwaitOperator:
    """Parks a submission whose decision failed by a fault of ours: never lost, and it holds nobody up."""

    submit: Submit
    cause: BaseException

    def reads(self, _draft: Draft) -> Reads:
        """Its receipt's stream and whether it waits."""
        receipt = frozenset((self.submit.record.receipt_id,))
        return business_day_reads() | Reads(streams=receipt, parked=receipt)

    def perform(self, draft: Draft) -> str:
        """Parks it under the name of the error: an operator has it tried again once that is mended."""
        return self.submit.park(draft, FAULT_AWAITED + type(self.cause).__name__)
