"""Who and what the tests of enrolment speak of: one class of three sessions in Fuzhou, taught in May 2024."""

from __future__ import annotations

from datetime import UTC, date, datetime

from services.enrolment.domain import enrolment as enrolments
from services.enrolment.domain import training_class as classes
from services.enrolment.domain.enrolment import Enrolment
from services.enrolment.domain.training_class import TrainingClass
from shared import identity
from shared.contracts import submission as sent
from shared.contracts.enrolment import (
    AttendanceSheetRecorded,
    ClassApplied,
    ClassApproved,
    PlannedSession,
    SessionAttended,
    TraineeEnrolled,
)
from tests.book import BOOK

SCHOOL, OTHER_SCHOOL, BODY = "52350100MJA0000017", "52350200MJA000002F", "91350100MA0000003X"
REGION = "350100"
TODAY = date(2024, 5, 13)
DAYS = (date(2024, 5, 15), date(2024, 5, 16), date(2024, 5, 17))
AFTERWARDS = date(2024, 5, 20)
NOW = datetime(2024, 5, 13, 1, tzinfo=UTC)
PROCEDURE = BOOK.procedure(REGION, TODAY)
EVIDENCE = "e" * 64
LI_NA, WANG_WEI = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff", "0e37df36-f698-11e6-8dd4-cb9ced3df976"
ADULT = "350100199001010013"
SIXTEEN_ON_FIRST_DAY, FIFTEEN_ON_FIRST_DAY = "350100200805150025", "350100200805160020"
SIXTY_ON_FIRST_DAY, FIFTY_NINE_ON_FIRST_DAY = "350100196405150035", "350100196405160030"

CLASS_ID = identity.class_id(SCHOOL, "K-1")
SESSION_IDS = tuple(identity.session_id(SCHOOL, f"K-1-S{number}") for number in (1, 2, 3))
E1, E2 = (identity.enrolment_id(SCHOOL, ref) for ref in ("E-1", "E-2"))
SESSION_MINUTES = 180

SESSIONS = [
    PlannedSession(
        session_id=SESSION_IDS[number],
        session_ref=f"K-1-S{number + 1}",
        held_on=day,
        starts_at="08:30",
        ends_at="11:30",
        minutes=SESSION_MINUTES,
        teacher_ref="T-1",
    )
    for number, day in enumerate(DAYS)
]

applied = ClassApplied(
    class_id=CLASS_ID,
    class_ref="K-1",
    institution=SCHOOL,
    region=REGION,
    occupation_id="elder-carer",
    level="5",
    training_kind="EMPLOYMENT_SKILL",
    programme_tags=["SKILLS_PROJECT_2024"],
    max_trainees=2,
    first_day=DAYS[0],
    last_day=DAYS[2],
    planned_minutes=3 * SESSION_MINUTES,
    sessions=SESSIONS,
)
approved = ClassApproved(class_id=CLASS_ID, decision_jws=None)


def recorded(number: int, lines: int = 1) -> AttendanceSheetRecorded:
    """The sheet of the session at this place, counted from 0."""
    return AttendanceSheetRecorded(
        class_id=CLASS_ID, session_id=SESSION_IDS[number], lines=lines, evidence=EVIDENCE
    )


def class_of(*history: classes.Event) -> TrainingClass:
    """The class after these facts."""
    return classes.training_class.fold(history)


enrolled = TraineeEnrolled(
    enrolment_id=E1,
    enrolment_ref="E-1",
    class_id=CLASS_ID,
    person_id=LI_NA,
    institution=SCHOOL,
    region=REGION,
    occupation_id="elder-carer",
    level="5",
    age=34,
    groups=[],
    trace=PROCEDURE.judged("age", {"age": 34}, "ADMITTED"),
)


def attended(number: int, minutes: int = SESSION_MINUTES, enrolment_id: str = E1) -> SessionAttended:
    """A trainee was at the session at this place, counted from 0."""
    return SessionAttended(
        enrolment_id=enrolment_id,
        class_id=CLASS_ID,
        session_id=SESSION_IDS[number],
        minutes=minutes,
        method="SIGN",
    )


def enrolment_of(*history: enrolments.Event) -> Enrolment:
    """The enrolment after these facts."""
    return enrolments.enrolment.fold(history)


def application(**changes: object) -> sent.ApplyClass:
    """The class as its institution applies for it."""
    plain: dict[str, object] = {
        "class_ref": "K-1",
        "region": REGION,
        "occupation_id": "elder-carer",
        "level": "5",
        "training_kind": "EMPLOYMENT_SKILL",
        "programme_tags": ["SKILLS_PROJECT_2024"],
        "max_trainees": 2,
        "sessions": [
            sent.SessionPlan(
                session_ref=session.session_ref,
                held_on=session.held_on,
                starts_at=session.starts_at,
                ends_at=session.ends_at,
                teacher_ref=session.teacher_ref,
            )
            for session in SESSIONS
        ],
    }
    return sent.ApplyClass(**(plain | changes))  # type: ignore[arg-type]


def enrolment(ref: str = "E-1", national_id: str = ADULT, class_ref: str = "K-1") -> sent.EnrolTrainee:
    """One trainee, of one group."""
    return sent.EnrolTrainee(
        enrolment_ref=ref,
        class_ref=class_ref,
        trainee=sent.Trainee(name="李娜", national_id=national_id, phone=""),
        groups=[sent.Group(group="RURAL", evidence="DATA_MATCH", as_of=date(2024, 5, 1))],
    )


def sheet(number: int, *lines: tuple[str, int], class_ref: str = "K-1") -> sent.RecordAttendanceSheet:
    """A sheet of (enrolment reference, minutes); `number` counts sessions from 1."""
    return sent.RecordAttendanceSheet(
        class_ref=class_ref,
        session_ref=f"K-1-S{number}",
        evidence=EVIDENCE,
        lines=[
            sent.AttendanceLine(enrolment_ref=ref, minutes=minutes, method="SIGN") for ref, minutes in lines
        ],
    )


def completion() -> sent.CompleteClass:
    """结业."""
    return sent.CompleteClass(class_ref="K-1")
