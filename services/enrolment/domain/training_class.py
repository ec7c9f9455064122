"""A training class (培训班): its plan, its approval, the one sheet of each session, its end.

The stream is `identity.class_id` of the institution's USCC and reference, so no one can name another's class.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Literal, assert_never

import msgspec
from msgspec.structs import replace

from services.enrolment.domain import rules
from shared.contracts.enrolment import (
    AttendanceSheetRecorded,
    ClassApplied,
    ClassApproved,
    ClassCompleted,
    PlannedSession,
)
from shared.decider import Decider
from shared.policy.rules import Procedure
from shared.refusal import Refusal


class AlreadyApplied(Refusal):
    """The institution applied for a class of this reference before."""

    code = "class.already_applied"


class RegionUnknown(Refusal):
    """No authority of the ten answers for exactly this region."""

    code = "class.unknown_region"


class OccupationUnknown(Refusal):
    """The occupation is not in the catalogue."""

    code = "class.unknown_occupation"


class TrainingKindUnknown(Refusal):
    """The policy has no such kind of training."""

    code = "class.unknown_training_kind"


class TooManyTrainees(Refusal):
    """More trainees than a class may have."""

    code = "class.too_many_trainees"


class StartsInPast(Refusal):
    """The first session lies before the business date."""

    code = "class.starts_in_past"


class SessionReferenceUsed(Refusal):
    """A session of another class of the institution has this reference."""

    code = "class.session_reference_used"


class ClassUnknown(Refusal):
    """Nobody applied for that class."""

    code = "class.unknown"


class ClassNotApproved(Refusal):
    """The class waits for its approval. Submissions wait with it; only a command out of turn meets this."""

    code = "class.not_approved"


class ClassAlreadyCompleted(Refusal):
    """The class has ended: nothing of it changes any more."""

    code = "class.already_completed"


class SheetMissing(Refusal):
    """A planned session has no sheet yet. `CompleteClass` waits for it."""

    code = "class.sheet_missing"


class SessionOutsidePlan(Refusal):
    """The session is not of this class's plan."""

    code = "sheet.session_outside_plan"


class SessionInFuture(Refusal):
    """A sheet can't speak of a session that has not been."""

    code = "sheet.session_in_future"


class SheetAlreadyRecorded(Refusal):
    """The session has its one sheet; a correction is a decision of its own, not a second sheet."""

    code = "sheet.already_recorded"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyClass:
    """An institution asks to open a class.

    Attributes:
        sessions: at least one.
        region_known, occupation_known, kind_known: what the policy book says of them.
        procedure: the figures in force in that region on the business date; None where the region is unknown.
        sessions_taken: ids of these sessions that another class holds.
    """

    class_id: str
    class_ref: str
    institution: str
    region: str
    occupation_id: str
    level: str
    training_kind: str
    programme_tags: list[str]
    max_trainees: int
    sessions: list[PlannedSession]
    region_known: bool
    occupation_known: bool
    kind_known: bool
    procedure: Procedure | None
    sessions_taken: frozenset[str]
    business_date: date


@dataclass(frozen=True, slots=True, kw_only=True)
class ApproveClass:
    """A handler fixes the plan (D3)."""

    class_id: str
    decision_jws: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSheet:
    """Records that a session's sheet has come.

    Attributes:
        lines: lines on the signed sheet, refused ones included; 0 says that the session fell out.
    """

    class_id: str
    session_id: str
    lines: int
    evidence: str
    business_date: date


@dataclass(frozen=True, slots=True, kw_only=True)
class CompleteClass:
    """Ends the class, with how many verdicts there are of each kind."""

    class_id: str
    completed: int
    not_completed: int


Command = ApplyClass | ApproveClass | RecordSheet | CompleteClass
Event = ClassApplied | ClassApproved | AttendanceSheetRecorded | ClassCompleted


class TrainingClass(msgspec.Struct, frozen=True, gc=False):
    """A class as its decisions need it.

    Attributes:
        sessions: the plan by session id, in its own order.
        recorded: sessions that have their sheet; `fallen_out` those of them whose sheet was empty.
    """

    status: Literal["unknown", "applied", "approved", "completed"] = "unknown"
    class_id: str = ""
    institution: str = ""
    region: str = ""
    occupation_id: str = ""
    level: str = ""
    max_trainees: int = 0
    first_day: date = date.min
    last_day: date = date.min
    sessions: Mapping[str, PlannedSession] = msgspec.field(default_factory=lambda: MappingProxyType({}))
    recorded: frozenset[str] = frozenset()
    fallen_out: frozenset[str] = frozenset()

    @property
    def approved(self) -> bool:
        """A handler approved it, whether or not it has ended since."""
        return self.status in ("approved", "completed")

    @property
    def missing_session(self) -> str | None:
        """The first session of the plan without a sheet."""
        return next((name for name in self.sessions if name not in self.recorded), None)

    @property
    def counted_minutes(self) -> int:
        """See `rules.counted_minutes`."""
        return rules.counted_minutes(self.sessions, self.fallen_out)

    @property
    def ended_on(self) -> date:
        """See `rules.training_ended_on`; the planned last day where no session took place."""
        return rules.training_ended_on(self.sessions, self.fallen_out) or self.last_day


def decide(command: Command, state: TrainingClass) -> list[Event]:
    """See `Decider.decide`."""
    match command:
        case ApplyClass():
            return _apply(command, state)
        case ApproveClass():
            return _approve(command, state)
        case RecordSheet():
            check_sheet(command, state)
            return [
                AttendanceSheetRecorded(
                    class_id=command.class_id,
                    session_id=command.session_id,
                    lines=command.lines,
                    evidence=command.evidence,
                )
            ]
        case CompleteClass():
            return _complete(command, state)
        case _:
            assert_never(command)


def evolve(state: TrainingClass, event: Event) -> TrainingClass:
    """See `Decider.evolve`."""
    match event:
        case ClassApplied():
            return TrainingClass(
                status="applied",
                class_id=event.class_id,
                institution=event.institution,
                region=event.region,
                occupation_id=event.occupation_id,
                level=event.level,
                max_trainees=event.max_trainees,
                first_day=event.first_day,
                last_day=event.last_day,
                sessions=MappingProxyType({session.session_id: session for session in event.sessions}),
            )
        case ClassApproved():
            return replace(state, status="approved")
        case AttendanceSheetRecorded(session_id=session_id, lines=lines):
            fallen_out = state.fallen_out if lines else state.fallen_out | {session_id}
            return replace(state, recorded=state.recorded | {session_id}, fallen_out=fallen_out)
        case ClassCompleted():
            return replace(state, status="completed")
        case _:
            assert_never(event)


def check_sheet(command: RecordSheet, state: TrainingClass) -> None:
    """Whether a sheet may be recorded at all: asked before its lines are looked at.

    Raises: ClassNotApproved, SessionOutsidePlan, SessionInFuture, SheetAlreadyRecorded.
    """
    if not state.approved:
        raise ClassNotApproved("data.class_ref")
    planned = state.sessions.get(command.session_id)
    if planned is None:
        raise SessionOutsidePlan("data.session_ref")
    if planned.held_on > command.business_date:
        raise SessionInFuture("data.session_ref")
    if command.session_id in state.recorded:
        raise SheetAlreadyRecorded("data.session_ref")


def _apply(command: ApplyClass, state: TrainingClass) -> list[Event]:
    if state.status != "unknown":
        raise AlreadyApplied("data.class_ref")
    if not command.region_known or command.procedure is None:
        raise RegionUnknown("data.region")
    if not command.occupation_known:
        raise OccupationUnknown("data.occupation_id")
    if not command.kind_known:
        raise TrainingKindUnknown("data.training_kind")
    if not rules.fits_a_class(command.procedure, command.max_trainees):
        raise TooManyTrainees("data.max_trainees")
    days = [session.held_on for session in command.sessions]
    if min(days) < command.business_date:
        raise StartsInPast("data.sessions.held_on")
    if command.sessions_taken:
        raise SessionReferenceUsed("data.sessions.session_ref")
    return [
        ClassApplied(
            class_id=command.class_id,
            class_ref=command.class_ref,
            institution=command.institution,
            region=command.region,
            occupation_id=command.occupation_id,
            level=command.level,
            training_kind=command.training_kind,
            programme_tags=command.programme_tags,
            max_trainees=command.max_trainees,
            first_day=min(days),
            last_day=max(days),
            planned_minutes=sum(session.minutes for session in command.sessions),
            sessions=command.sessions,
        )
    ]


def _approve(command: ApproveClass, state: TrainingClass) -> list[Event]:
    if state.status == "unknown":
        raise ClassUnknown("class_id")
    if state.approved:
        return []
    return [ClassApproved(class_id=command.class_id, decision_jws=command.decision_jws)]


def _complete(command: CompleteClass, state: TrainingClass) -> list[Event]:
    if state.status == "completed":
        raise ClassAlreadyCompleted("data.class_ref")
    if not state.approved:
        raise ClassNotApproved("data.class_ref")
    if state.missing_session is not None:
        raise SheetMissing("data.class_ref")
    return [
        ClassCompleted(
            class_id=command.class_id, completed=command.completed, not_completed=command.not_completed
        )
    ]


training_class: Decider[Command, TrainingClass, Event] = Decider(
    "training_class",
    TrainingClass(),
    decide,
    evolve,
    (ClassApplied, ClassApproved, AttendanceSheetRecorded, ClassCompleted),
)
