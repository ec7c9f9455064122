"""An enrolment (报名): one trainee in one class, what they attended, and the verdict at its end.

The stream is `identity.enrolment_id`. Who sits in a class is the reservation scope `names.roster` (person →
enrolment), written by what follows from `TraineeEnrolled`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal, assert_never

import msgspec
from msgspec.structs import replace

from services.enrolment.domain import rules
from services.enrolment.domain.training_class import ClassAlreadyCompleted, TrainingClass
from shared.contracts.enrolment import (
    GroupCommitment,
    SessionAttended,
    TraineeEnrolled,
    TrainingCompleted,
    TrainingNotCompleted,
)
from shared.decider import Decider
from shared.policy.rules import Procedure
from shared.refusal import Refusal


class AgeOutsidePolicy(Refusal):
    """Too young or too old at the class's first day."""

    code = "trainee.age_outside_policy"


class AlreadyInClass(Refusal):
    """The person has a live enrolment in this class."""

    code = "enrolment.already_in_class"


class ReferenceUsed(Refusal):
    """The institution used this enrolment reference before."""

    code = "enrolment.reference_used"


class ClassFull(Refusal):
    """Every seat is taken."""

    code = "class.full"


class EnrolmentOfOtherClass(Refusal):
    """A line names an enrolment of another class."""

    code = "sheet.enrolment_of_other_class"


class MinutesOverSession(Refusal):
    """Nobody attends longer than the session lasts."""

    code = "sheet.minutes_over_session"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolTrainee:
    """Enrols a person under their real name.

    Attributes:
        training_class: the class as it stands; approved.
        holder: the enrolment by which the person sits in this class already, or None.
        seated: how many sit in it.
        age: whole years at the class's first day.
        procedure: the figures in force in the class's region on the business date.
    """

    enrolment_id: str
    enrolment_ref: str
    training_class: TrainingClass
    person_id: str
    holder: str | None
    seated: int
    age: int
    groups: list[GroupCommitment]
    procedure: Procedure


@dataclass(frozen=True, slots=True, kw_only=True)
class AttendSession:
    """A line of a session's sheet.

    Attributes:
        minutes: as the sheet says.
        session_minutes: as the plan says.
    """

    enrolment_id: str
    class_id: str
    session_id: str
    minutes: int
    session_minutes: int
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeTraining:
    """Gives the verdict when the class ends.

    Attributes:
        planned_minutes: of the sessions that took place.
        ended_on: the day of the last of them.
    """

    enrolment_id: str
    planned_minutes: int
    ended_on: date
    procedure: Procedure


Command = EnrolTrainee | AttendSession | JudgeTraining
Event = TraineeEnrolled | SessionAttended | TrainingCompleted | TrainingNotCompleted


class Enrolment(msgspec.Struct, frozen=True, gc=False):
    """An enrolment as its decisions need it; without a class there is none yet."""

    class_id: str = ""
    person_id: str = ""
    institution: str = ""
    region: str = ""
    attended_minutes: int = 0
    sessions: frozenset[str] = frozenset()
    verdict: Literal["", "completed", "not_completed"] = ""

    @property
    def known(self) -> bool:
        """Somebody is enrolled by it."""
        return bool(self.class_id)


def decide(command: Command, state: Enrolment) -> list[Event]:
    """See `Decider.decide`."""
    match command:
        case EnrolTrainee():
            return _enrol(command, state)
        case AttendSession():
            return _attend(command, state)
        case JudgeTraining():
            return _judge(command, state)
        case _:
            assert_never(command)


def evolve(state: Enrolment, event: Event) -> Enrolment:
    """See `Decider.evolve`."""
    match event:
        case SessionAttended(session_id=session_id, minutes=minutes):
            return replace(
                state,
                attended_minutes=state.attended_minutes + minutes,
                sessions=state.sessions | {session_id},
            )
        case TraineeEnrolled():
            return Enrolment(
                class_id=event.class_id,
                person_id=event.person_id,
                institution=event.institution,
                region=event.region,
            )
        case TrainingCompleted():
            return replace(state, verdict="completed")
        case TrainingNotCompleted():
            return replace(state, verdict="not_completed")
        case _:
            assert_never(event)


def _enrol(command: EnrolTrainee, state: Enrolment) -> list[Event]:
    training = command.training_class
    if training.status == "completed":
        raise ClassAlreadyCompleted("data.class_ref")
    trace = rules.age_admitted(command.procedure, command.age)
    if trace is None:
        raise AgeOutsidePolicy("data.trainee.national_id")
    if state.known:
        raise ReferenceUsed("data.enrolment_ref")
    if command.holder is not None:
        raise AlreadyInClass("data.trainee.national_id")
    if command.seated >= training.max_trainees:
        raise ClassFull("data.class_ref")
    return [
        TraineeEnrolled(
            enrolment_id=command.enrolment_id,
            enrolment_ref=command.enrolment_ref,
            class_id=training.class_id,
            person_id=command.person_id,
            institution=training.institution,
            region=training.region,
            occupation_id=training.occupation_id,
            level=training.level,
            age=command.age,
            groups=command.groups,
            trace=trace,
        )
    ]


def _attend(command: AttendSession, state: Enrolment) -> list[Event]:
    if state.class_id != command.class_id:
        raise EnrolmentOfOtherClass("data.lines.enrolment_ref")
    if command.minutes > command.session_minutes:
        raise MinutesOverSession("data.lines.minutes")
    if command.session_id in state.sessions:
        return []
    return [
        SessionAttended(
            enrolment_id=command.enrolment_id,
            class_id=command.class_id,
            session_id=command.session_id,
            minutes=command.minutes,
            method=command.method,
        )
    ]


def _judge(command: JudgeTraining, state: Enrolment) -> list[Event]:
    if state.verdict:
        return []
    trace = rules.training_verdict(command.procedure, state.attended_minutes, command.planned_minutes)
    if trace.result == rules.COMPLETED:
        return [
            TrainingCompleted(
                enrolment_id=command.enrolment_id,
                class_id=state.class_id,
                person_id=state.person_id,
                institution=state.institution,
                region=state.region,
                attended_minutes=state.attended_minutes,
                planned_minutes=command.planned_minutes,
                completed_on=command.ended_on,
                trace=trace,
            )
        ]
    return [
        TrainingNotCompleted(
            enrolment_id=command.enrolment_id,
            class_id=state.class_id,
            person_id=state.person_id,
            institution=state.institution,
            region=state.region,
            attended_minutes=state.attended_minutes,
            planned_minutes=command.planned_minutes,
            code=trace.result,
            trace=trace,
        )
    ]


enrolment: Decider[Command, Enrolment, Event] = Decider(
    "enrolment",
    Enrolment(),
    decide,
    evolve,
    (TraineeEnrolled, SessionAttended, TrainingCompleted, TrainingNotCompleted),
)
