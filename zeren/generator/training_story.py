"""Classes, enrolments and completion as the schools send them, with what goes wrong on the way."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from itertools import cycle
from random import Random
from typing import Any

from zeren.generator import timetable
from zeren.generator.cast import Cast, Role, Seat, TrainingClass
from zeren.generator.documents import Outbox, Record
from zeren.generator.identifiers import forged
from zeren.generator.names import People, Person

_TRAINING_KINDS = ("EMPLOYMENT_SKILL", "PRE_JOB", "TRANSFER")


class TrainingStory:
    """What the schools send from the class application to the end of the class."""

    def __init__(self, rng: Random, outbox: Outbox, people: People, cast: Cast, groups: list[str]) -> None:
        self._rng = rng
        self._outbox = outbox
        self._people = people
        self._cast = cast
        self._groups = groups
        self._hosts = cycle(training for training in cast.classes if training is not cast.full)
        self.enrolments: list[tuple[Seat, Record]] = []

    def apply(self) -> None:
        """开班申请, and the first trainees who are enrolled before the handler has approved."""
        for training in self._cast.all:
            self._outbox.send(training.school, "ApplyClass", application(training), day=timetable.APPLIED)
        for seat in self._cast.with_role(Role.EARLY):
            self._enrol(seat, timetable.APPLIED, case=Role.EARLY)
        for training in self._cast.classes[: self._cast.several]:
            wide = {**application(training), "class_ref": f"{training.ref}-W", "max_trainees": 60}
            for session in wide["sessions"]:
                session["session_ref"] += "-W"
            self._outbox.send(
                training.school, "ApplyClass", wide, day=timetable.APPLIED, case="class_too_large"
            )
            body = training.body
            self._outbox.send(
                body, "ApplyClass", application(training), day=timetable.APPLIED, case="sender_not_entitled"
            )

    def enrol(self) -> None:
        """报名: everyone but those who are early or late, and those who are refused."""
        for training in self._cast.all:
            for seat in training.seats:
                if seat.role not in (Role.EARLY, Role.LATE):
                    self._enrol(seat, timetable.ENROLLED)
        for number in range(self._cast.several):
            self._refused_people(number)
            self._refused_references(number)
            self._sent_again(number)
            full = self._cast.full
            self._send_enrolment(full, self._people.person(), f"X-full-{number}", case="class_full")

    def _refused_people(self, number: int) -> None:
        first = timetable.SESSION_DAYS[0]
        minor = first.replace(year=first.year - 16 + number, day=first.day + 1)
        old = first.replace(year=first.year - 60 - number)
        for born, case in ((minor, "minor"), (old, "over_60")):
            self._send_enrolment(
                next(self._hosts), self._people.person(born), f"X-{case}-{number}", case=case
            )
        person = self._people.person()
        number_forged = forged(person.national_id)
        self._people.remember("national_id", number_forged)
        self._send_enrolment(
            next(self._hosts),
            replace(person, national_id=number_forged),
            f"X-forged-{number}",
            case="forged_check_digit",
        )

    def _refused_references(self, number: int) -> None:
        person = self._people.person()
        personal = person.national_id if number % 2 == 0 else person.phone
        self._send_enrolment(next(self._hosts), person, personal, case="reference_looks_personal")
        training = next(self._hosts)
        there = next(seat for seat in training.seats if seat.role is not Role.LATE)
        self._send_enrolment(training, there.person, f"X-twice-{number}", case="enrolled_twice")
        self._send_enrolment(training, self._people.person(), there.ref, case="enrolment_reference_used")
        training = next(self._hosts)
        nowhere = self._enrolment(training, self._people.person(), f"X-nowhere-{number}")
        nowhere["class_ref"] = f"K-nowhere-{number}"
        self._outbox.send(
            training.school, "EnrolTrainee", nowhere, day=timetable.ENROLLED, case="class_never_applied_for"
        )

    def _sent_again(self, number: int) -> None:
        """Resends at once and days later, and another body under a used id."""
        seat, record = self.enrolments[self._rng.randrange(len(self.enrolments))]
        self._outbox.again(record, day=timetable.ENROLLED, case="resent_at_once")
        seat, record = self.enrolments[self._rng.randrange(len(self.enrolments))]
        self._outbox.again(record, day=timetable.SHEET_DAYS[1], case="resent_days_later")
        seat, record = self.enrolments[-1 - number]
        changed = replace(seat.person, phone=self._people.other_phone())
        self._outbox.other_bytes(
            seat.training.school,
            "EnrolTrainee",
            self._enrolment(seat.training, changed, seat.ref),
            first=record,
            case="same_id_other_bytes",
        )

    def enrol_late(self) -> None:
        """Trainees whose enrolment is sent behind the first sheet that names them."""
        for seat in self._cast.with_role(Role.LATE):
            self._enrol(seat, timetable.SHEET_DAYS[0], case=Role.LATE)

    def complete(self) -> None:
        """结业."""
        for training in self._cast.all:
            self._outbox.send(
                training.school,
                "CompleteClass",
                {"class_ref": training.ref},
                day=timetable.COMPLETED,
                case="class_never_completed" if training is self._cast.unfinished else "",
            )

    def _enrol(self, seat: Seat, day: date, *, case: str = "") -> None:
        record = self._send_enrolment(seat.training, seat.person, seat.ref, day=day, case=case)
        if day == timetable.ENROLLED:
            self.enrolments.append((seat, record))

    def _send_enrolment(
        self,
        training: TrainingClass,
        person: Person,
        ref: str,
        *,
        day: date = timetable.ENROLLED,
        case: str = "",
    ) -> Record:
        data = self._enrolment(training, person, ref)
        return self._outbox.send(training.school, "EnrolTrainee", data, day=day, case=case)

    def _enrolment(self, training: TrainingClass, person: Person, ref: str) -> dict[str, Any]:
        groups = self._rng.sample(self._groups, self._rng.randrange(1, 3))
        return {
            "enrolment_ref": ref,
            "class_ref": training.ref,
            "trainee": trainee(person),
            "groups": [{"group": name, "evidence": "DATA_MATCH", "as_of": "2024-05-01"} for name in groups],
        }


def application(training: TrainingClass) -> dict[str, Any]:
    """The data of a class application."""
    return {
        "class_ref": training.ref,
        "region": training.school.region,
        "occupation_id": training.occupation,
        "level": training.level,
        "training_kind": _TRAINING_KINDS[len(training.seats) % len(_TRAINING_KINDS)],
        "programme_tags": ["SKILLS_PROJECT_2024"],
        "max_trainees": training.max_trainees,
        "sessions": [
            {
                "session_ref": session.ref,
                "held_on": session.held_on.isoformat(),
                "starts_at": session.hours[0],
                "ends_at": session.hours[1],
                "teacher_ref": f"T{number % 3 + 1:02d}",
            }
            for number, session in enumerate(training.sessions)
        ],
    }


def trainee(person: Person) -> dict[str, str]:
    """The personal part of a document."""
    return {"name": person.name, "national_id": person.national_id, "phone": person.phone}
