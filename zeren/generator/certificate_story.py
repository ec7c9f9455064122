"""Candidates, results and certificates as the assessment bodies send them, with what goes wrong on the way."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from random import Random
from typing import Any

from zeren.generator import ids, timetable
from zeren.generator.cast import Cast, Role, Seat
from zeren.generator.documents import Outbox, Record
from zeren.generator.names import People, Person
from zeren.generator.organisations import Organisation
from zeren.generator.training_story import trainee

LINES = 100
"""Lines of a list at most: well within what one receipt can answer."""
_KINDS = {"X": "SPECIAL_ABILITY"}


class CertificateStory:
    """What the assessment bodies send.

    Attributes:
        candidates: the registrations that should stand, in order.
    """

    def __init__(self, rng: Random, outbox: Outbox, people: People, cast: Cast) -> None:
        self._rng = rng
        self._outbox = outbox
        self._people = people
        self._cast = cast
        self._numbers: dict[Seat, str] = {}
        self.candidates: list[tuple[Seat, Record]] = []

    def register(self) -> None:
        """考核报名."""
        for training in self._cast.classes:
            for seat in training.seats:
                absent = seat.role is Role.ABSENT
                record = self._register(seat, case="candidate_without_training" if absent else "")
                if not absent:
                    self.candidates.append((seat, record))
        for number in range(self._cast.several):
            self._refused(number)

    def _register(self, seat: Seat, *, case: str = "", **changes: Any) -> Record:
        data = {**registration(seat), **changes}
        return self._outbox.send(
            seat.training.body, "RegisterCandidate", data, day=timetable.CANDIDATES, case=case
        )

    def _refused(self, number: int) -> None:
        seats = [seat for seat, _ in self.candidates]
        for place, seat in enumerate(self._rng.sample(seats, 4)):
            ref = f"X-{number}-{place}"
            body = seat.training.body
            match place:
                case 0:
                    self._register(seat, candidate_ref=ref, institution=body.uscc, case="assessor_is_trainer")
                case 1:
                    other = next(one.person for one in seats if one.person is not seat.person)
                    self._register(
                        seat, candidate_ref=ref, trainee=trainee(other), case="candidate_is_someone_else"
                    )
                case 2:
                    self._register(seat, candidate_ref=ref, level="1", case="out_of_scope")
                case _:
                    occupation, level = min(body.scope - {(seat.training.occupation, seat.training.level)})
                    self._register(
                        seat,
                        candidate_ref=ref,
                        occupation_id=occupation,
                        level=level,
                        case="candidate_for_other_occupation",
                    )
        waiting = self._cast.unfinished.seats[number]
        self._register(waiting, case="candidate_of_unfinished_class")
        seat, record = self.candidates[number]
        changed: Person = replace(seat.person, phone=self._people.other_phone())
        self._outbox.other_bytes(
            seat.training.body,
            "RegisterCandidate",
            {**registration(seat), "trainee": trainee(changed)},
            first=record,
            case="same_id_other_bytes",
        )

    def assess(self) -> None:
        """考核成绩."""
        lists: dict[Organisation, list[dict[str, Any]]] = defaultdict(list)
        for seat, _ in self.candidates:
            low = seat.role is Role.FAILING
            theory, practice = self._rng.randint(60, 100), self._rng.randint(60, 100)
            if low and self._rng.random() < 0.5:
                theory = self._rng.randint(20, 59)
            elif low:
                practice = self._rng.randint(20, 59)
            line = {"candidate_ref": candidate_ref(seat), "theory": theory, "practice": practice}
            lists[seat.training.body].append(line)
        for body, lines in lists.items():
            for start in range(0, len(lines), LINES):
                data = {"assessed_on": timetable.ASSESSED.isoformat(), "lines": lines[start : start + LINES]}
                self._outbox.send(body, "RecordResults", data, day=timetable.ASSESSED)
        self._outbox.cases[Role.FAILING] += len(self._cast.with_role(Role.FAILING))

    def certify(self) -> None:
        """成绩确认与发证, in two waves; a number used twice in the first is corrected in the second."""
        self._number()
        lists: dict[tuple[Organisation, str, str], list[Seat]] = defaultdict(list)
        for seat, _ in self.candidates:
            lists[seat.training.body, seat.training.occupation, seat.training.level].append(seat)
        for (body, occupation, level), seats in lists.items():
            first = [seat for seat in seats if seat.wave == 1]
            second = [seat for seat in seats if seat.wave == 2 or seat.role is Role.RENUMBERED]
            for wave, chosen in ((1, first), (2, second)):
                for start in range(0, len(chosen), LINES):
                    self._approve(body, f"{occupation}-{level}", chosen[start : start + LINES], wave)

    def _number(self) -> None:
        for number, (seat, _) in enumerate(self.candidates, 1):
            if seat.role is not Role.FAILING:
                self._numbers[seat] = f"FJ24-{seat.training.level}-{number:06d}"

    def _approve(self, body: Organisation, subject: str, seats: list[Seat], wave: int) -> None:
        taken = [self._numbers[s] for s in seats if s in self._numbers and s.role is not Role.RENUMBERED]
        lines = []
        for seat in sorted(seats, key=lambda seat: seat.role is Role.RENUMBERED):
            number = self._numbers.get(seat, "")
            if wave == 1 and seat.role is Role.RENUMBERED:
                number = taken[0]
                self._outbox.cases[Role.RENUMBERED] += 1
            lines.append({"candidate_ref": candidate_ref(seat), "certificate_no": number})
        day = timetable.CERTIFIED_FIRST if wave == 1 else timetable.CERTIFIED_SECOND
        issued = day if wave == 1 else self._rng.choice((timetable.UPLIFT_FROM, timetable.CERTIFIED_SECOND))
        if wave == 2 and any(seat.role is Role.URGENT_AFTER for seat in seats):
            issued = timetable.UPLIFT_FROM
        level = subject[-1]
        data = {
            "issued_on": issued.isoformat(),
            "certificate_kind": _KINDS.get(level, "SKILL_LEVEL"),
            "norm": f"NOS-{subject}",
            "lines": lines,
        }
        self._outbox.send(body, "ApproveResults", data, day=day)

    @property
    def certified(self) -> list[Seat]:
        """Seats for which a certificate is meant to be issued."""
        return [seat for seat, _ in self.candidates if seat.role is not Role.FAILING]


def candidate_ref(seat: Seat) -> str:
    """The body's name for a candidate; it tells schools with the same references apart."""
    return f"{seat.training.school.uscc[-5:]}.{seat.ref}"


def certificate_of(seat: Seat) -> str:
    """The id of the certificate that the seat may earn."""
    return ids.certificate_id(seat.training.body.uscc, candidate_ref(seat))


def registration(seat: Seat) -> dict[str, Any]:
    """The data of a registration for assessment."""
    return {
        "candidate_ref": candidate_ref(seat),
        "institution": seat.training.school.uscc,
        "enrolment_ref": seat.ref,
        "occupation_id": seat.training.occupation,
        "level": seat.training.level,
        "trainee": trainee(seat.person),
    }
