"""What is sent: whole classes, from enrolment to the list of claims, signed ahead of the run.

Everything follows from the seed and the number of a class, so classes may be built anywhere and in any order. The
mix is the prototype's: 30 trainees, 28 sheets of 30 lines, then candidates, marks, certificates and one list.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import IntEnum
from functools import cached_property
from hashlib import sha256
from random import Random
from typing import Any, NamedTuple

from zeren.generator.cast import Seat, TrainingClass
from zeren.generator.certificate_story import candidate_ref, certificate_of, registration
from zeren.generator.documents import Outbox, Record
from zeren.generator.identifiers import id_check, phone
from zeren.generator.names import Account, People, Person
from zeren.generator.organisations import Organisation, Organisations, found
from zeren.generator.policy_files import PolicyFiles
from zeren.generator.timetable import SESSION_MINUTES, PlannedSession
from zeren.generator.training_story import application, trainee

TRAINEES, SESSIONS = 30, 28
DAYS = 14
"""Days that a class takes: a session in the morning and one in the afternoon."""
LEVELS = ("5", "4", "3")
_ORIGIN = "359901"
"""An address code that does not exist (GB/T 2260)."""
_OLDEST, _BIRTHDAYS, _SEQUENCES = date(1970, 1, 1), 12_000, 999
_STRIDE = 7_368_787
"""Shares no factor with the space: neighbours in number get unlike ID numbers, and no two the same."""
_SURNAMES, _GIVEN = "陈林黄张吴李郑王刘苏", "梓榕茉芩澜岚砚泽桐椿槿荔柚笙筠翊"


class Stage(IntEnum):
    """Steps of a class: what is sent together, once everything of the step before is answered."""

    APPLY = 0
    TRAIN = 1
    REGISTER = 2
    MARK = 3
    CERTIFY = 4
    CLAIM = 5


FACTS: Mapping[Stage, int] = {
    Stage.TRAIN: 30 * 2 + 28 * (1 + 30 + 1) + (30 + 1 + 1),
    Stage.REGISTER: 30 * 2,
    Stage.MARK: 30 + 1,
    Stage.CERTIFY: 30 * 2 + 1,
    Stage.CLAIM: 30 * 2 + 1,
}
"""Facts that follow from each step of one class, receipts included."""
FACTS_OF_A_CLASS = sum(FACTS.values())
FACTS_OF_AN_ENROLMENT, FACTS_OF_A_SHEET = 2, 1 + TRAINEES + 1
"""Of one submission, its receipt included."""


@dataclass(frozen=True, slots=True)
class Sending:
    """One submission, ready to be sent.

    Attributes:
        party: the USCC whose principal sends it.
        submission_id: by which its receipt is known.
    """

    party: str
    submission_id: str
    topic: str
    key: bytes
    value: bytes
    jws: bytes


Course = Mapping[Stage, tuple[Sending, ...]]
"""A class: its submissions by step."""


class Training(NamedTuple):
    """What is sent of a class while it is taught, in the order in which it stands in `Stage.TRAIN`."""

    enrolments: Sequence[Sending]
    sheets: Sequence[Sending]


def training_of(course: Course) -> Training:
    """The enrolments and the attendance sheets of a class, without its completion."""
    sent = course[Stage.TRAIN]
    return Training(sent[:TRAINEES], sent[TRAINEES : TRAINEES + SESSIONS])


class Curriculum:
    """Builds classes of one seed."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    @cached_property
    def organisations(self) -> Organisations:
        """17 training institutions, 7 assessment bodies that may assess everything, and a bank."""
        rng = Random(f"zeren-bench/{self._seed}")  # noqa: S311 - the same seed must give the same bytes
        made = found(rng, People(rng), seed=self._seed, trainees=1_000)
        for body in made.bodies:
            body.scope |= {(occupation, level) for occupation in self._occupations for level in LEVELS}
        return made

    @cached_property
    def _occupations(self) -> list[str]:
        return [row["id"] for row in PolicyFiles().rows("occupations")]

    def course(self, number: int, first_day: date) -> Course:
        """The class of this number, its sessions from this day on."""
        rng = Random(f"zeren-bench/{self._seed}/{number}")  # noqa: S311 - see above
        training = self._training(number, first_day, rng)
        return _Writer(training, rng, first_day + timedelta(days=DAYS - 1)).course()

    def _training(self, number: int, first_day: date, rng: Random) -> TrainingClass:
        schools, bodies = self.organisations.schools, self.organisations.bodies
        ref = f"B{number:06d}"
        training = TrainingClass(
            school=schools[number % len(schools)],
            body=bodies[number % len(bodies)],
            ref=ref,
            occupation=self._occupations[number % len(self._occupations)],
            level=LEVELS[number % len(LEVELS)],
            sessions=[
                PlannedSession(f"{ref}-S{n:02d}", first_day + timedelta(days=n // 2), afternoon=bool(n % 2))
                for n in range(SESSIONS)
            ],
        )
        for place in range(TRAINEES):
            training.seat(_person(rng, self._seed, number * TRAINEES + place))
        return training


def _person(rng: Random, seed: int, number: int) -> Person:
    """Somebody invented; the n-th of a seed has an ID number that no other of it has."""
    space = _BIRTHDAYS * _SEQUENCES
    place = (number * _STRIDE + seed) % space
    born = _OLDEST + timedelta(days=place // _SEQUENCES)
    first17 = f"{_ORIGIN}{born:%Y%m%d}{place % _SEQUENCES + 1:03d}"
    name = rng.choice(_SURNAMES) + "".join(rng.sample(_GIVEN, 2))
    return Person(name, first17 + id_check(first17), phone(rng), Account("", name, ""))


class _Writer:
    """Writes and signs what is sent of one class."""

    def __init__(self, training: TrainingClass, rng: Random, last_day: date) -> None:
        self._training = training
        self._outbox = Outbox(rng)
        self._last_day = last_day
        self._written = 0

    def course(self) -> Course:
        training, seats = self._training, self._training.seats
        school, body = training.school, training.body
        refs = [candidate_ref(seat) for seat in seats]
        marks = [{"candidate_ref": ref, "theory": 60 + n, "practice": 95 - n} for n, ref in enumerate(refs)]
        numbers = [{"candidate_ref": ref, "certificate_no": f"{ref}-Z"} for ref in refs]
        claims = [{"line": n, "certificate_id": certificate_of(seat)} for n, seat in enumerate(seats, 1)]
        day = self._last_day.isoformat()
        return {
            Stage.APPLY: (self._sent(school, "ApplyClass", application(training)),),
            Stage.TRAIN: tuple(self._training_documents()),
            Stage.REGISTER: tuple(
                self._sent(body, "RegisterCandidate", registration(seat)) for seat in seats
            ),
            Stage.MARK: (self._sent(body, "RecordResults", {"assessed_on": day, "lines": marks}),),
            Stage.CERTIFY: (
                self._sent(
                    body,
                    "ApproveResults",
                    {
                        "issued_on": day,
                        "certificate_kind": "SKILL_LEVEL",
                        "norm": f"NOS-{training.occupation}",
                        "lines": numbers,
                    },
                ),
            ),
            Stage.CLAIM: (
                self._sent(school, "ApplySubsidy", {"application_ref": training.ref, "lines": claims}),
            ),
        }

    def _training_documents(self) -> Iterable[Sending]:
        training = self._training
        for seat in training.seats:
            yield self._sent(training.school, "EnrolTrainee", _enrolment(training, seat))
        for session in training.sessions:
            yield self._sent(training.school, "RecordAttendanceSheet", _sheet(training, session))
        yield self._sent(training.school, "CompleteClass", {"class_ref": training.ref})

    def _sent(self, sender: Organisation, kind: str, content: dict[str, Any]) -> Sending:
        self._written += 1
        name = f"{self._training.ref}-{kind}-{self._written}"
        record = self._outbox.record(sender, kind, content, day=self._last_day, submission=name)
        return _sending(record, name)


def _enrolment(training: TrainingClass, seat: Seat) -> dict[str, Any]:
    return {
        "enrolment_ref": seat.ref,
        "class_ref": training.ref,
        "trainee": trainee(seat.person),
        "groups": [{"group": "MIGRANT_WORKER", "evidence": "DATA_MATCH", "as_of": "2024-05-01"}],
    }


def _sheet(training: TrainingClass, session: PlannedSession) -> dict[str, Any]:
    lines = [
        {"enrolment_ref": seat.ref, "minutes": SESSION_MINUTES - place % 4 * 5, "method": "FACE"}
        for place, seat in enumerate(training.seats)
    ]
    return {
        "class_ref": training.ref,
        "session_ref": session.ref,
        "evidence": sha256(session.ref.encode()).hexdigest(),
        "lines": lines,
    }


def _sending(record: Record, submission_id: str) -> Sending:
    assert record.key is not None
    assert record.jws is not None
    return Sending(
        party=record.party,
        submission_id=submission_id,
        topic=f"zeren.{record.service}.intake.v1",
        key=record.key.encode(),
        value=record.value,
        jws=record.jws.encode(),
    )
