"""What follows from enrolment's facts in the kernel's tables. It reads nothing foreign, so it has no policies."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from services.enrolment.domain.keys import CLASSES, KEYS, SESSIONS, class_approved, enrolled, roster, sheet
from shared.contracts.enrolment import (
    AttendanceSheetRecorded,
    BusinessDayOpened,
    ClassApplied,
    ClassApproved,
    InstitutionKeyRegistered,
    SessionAttended,
    TraineeEnrolled,
)
from shared.contracts.fact import Encoded, Envelope, Fact
from shared.eventstore.changes import Effect, MarkDeadlines, Reserve, Wake
from shared.intake.keys import known_key

POLICIES: dict[type[Fact], Callable[[Envelope[Any]], list[Effect]]] = {}
"""Enrolment decides by its own facts alone."""


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
            return Reserve(KEYS, key.key_id, key.uscc), known_key(key)
        case BusinessDayOpened(date=day):
            return (MarkDeadlines(day - timedelta(days=1)),)
        case _:
            return ()
