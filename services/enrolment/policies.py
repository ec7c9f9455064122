"""What follows from enrolment's facts in the kernel's tables, and the one foreign fact that it rests on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from services.enrolment.domain.erasure import RecordErased, erasure
from services.enrolment.domain.keys import CLASSES, KEYS, SESSIONS, class_approved, enrolled, roster, sheet
from shared.contracts.enrolment import (
    SERVICE,
    AttendanceSheetRecorded,
    BusinessDayOpened,
    ClassApplied,
    ClassApproved,
    ErasureConfirmed,
    InstitutionKeyRegistered,
    InstitutionKeyRevoked,
    SessionAttended,
    TraineeEnrolled,
)
from shared.contracts.fact import Circumstances, Encoded, Envelope, Fact
from shared.contracts.payment import ErasureAnswered
from shared.eventstore.businessdate import business_date, business_day_reads
from shared.eventstore.changes import Effect, MarkDeadlines, Reads, Reserve, Wake
from shared.eventstore.desk import Draft
from shared.intake.keys import ended_key, key_known, known_key


def when_erasure_answered(_fact: Envelope[ErasureAnswered]) -> list[Effect]:
    """Nothing follows but that it is known: an erasure can be confirmed, or not."""
    return []


POLICIES: dict[type[Fact], Callable[[Envelope[Any]], list[Effect]]] = {ErasureAnswered: when_erasure_answered}
"""Payment's answer to an order of erasure; everything else enrolment decides by its own facts."""


def effects(encoded: Encoded) -> Iterable[Effect]:
    """See `shared.eventstore.desk.Effects`. Pure: replaying facts through it rebuilds the tables."""
    match encoded.data:
        case SessionAttended():
            return ()
        case TraineeEnrolled(enrolment_id=enrolment_id, class_id=class_id, person_id=person_id):
            return Reserve(roster(class_id), person_id, enrolment_id), Wake(enrolled(enrolment_id))
        case AttendanceSheetRecorded(session_id=session_id):
            return (Wake(sheet(session_id)),)
        case ClassApplied(class_id=class_id, institution=institution, sessions=sessions):
            taken = [Reserve(SESSIONS, session.session_id, class_id) for session in sessions]
            return Reserve(CLASSES, class_id, institution), *taken
        case ClassApproved(class_id=class_id):
            return (Wake(class_approved(class_id)),)
        case InstitutionKeyRegistered() as key:
            return Reserve(KEYS, key.key_id, key.uscc), known_key(key), Wake(key_known(key.key_id))
        case InstitutionKeyRevoked() as revoked:
            return (ended_key(revoked),)
        case BusinessDayOpened(date=day):
            return (MarkDeadlines(day - timedelta(days=1)),)
        case _:
            return ()


@dataclass(frozen=True, slots=True)
class Carried:
    """A unit of work: the vault has carried out a confirmed erasure. Recorded once, however often it is run."""

    confirmed: Envelope[ErasureConfirmed]
    command: RecordErased

    def reads(self, _draft: Draft) -> Reads:
        """The person's stream."""
        return business_day_reads() | Reads(streams=frozenset((self.confirmed.subject,)))

    def perform(self, draft: Draft) -> list[str]:
        """Stages `SubjectErased`. Returns the ids of the facts."""
        given = Circumstances(
            occurredat=self.confirmed.occurredat,
            businessdate=business_date(draft),
            actor=f"system:{SERVICE}",
            duty="SYSTEM",
            region=self.confirmed.region,
            correlationid=self.confirmed.correlationid,
            causationid=self.confirmed.id,
            traceparent=self.confirmed.traceparent,
        )
        return draft.execute(erasure, self.confirmed.subject, self.command, given)
