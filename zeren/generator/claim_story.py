"""Claims as institutions and persons make them, and the handlers' few refusals."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import asdict
from datetime import date
from typing import Any

from zeren.generator import timetable
from zeren.generator.cast import Cast, Role, Seat
from zeren.generator.certificate_story import LINES, certificate_of
from zeren.generator.documents import Outbox, Record
from zeren.generator.organisations import Organisation

_ALL, _RACES = 1, 2
"""Phases of the day of claims: rivals meet at one moment, after all others."""


class ClaimStory:
    """Who claims for which certificate, when and how.

    Attributes:
        people: persons' own claims, as in people.jsonl.
        decisions: handlers' refusals, as in decisions.jsonl.
    """

    def __init__(self, outbox: Outbox, cast: Cast, certified: list[Seat]) -> None:
        self._outbox = outbox
        self._cast = cast
        self._certified = certified
        self._lists = 0
        self.people: list[dict[str, Any]] = []
        self.decisions: list[dict[str, Any]] = []

    def claim(self) -> None:
        """补贴申领: lists of the schools and claims of persons, then the rivals."""
        first = {seat for seat in self._cast.with_role(Role.REPEAT) if seat.second}
        lists: dict[Organisation, list[Seat]] = defaultdict(list)
        ordinary = [seat for seat in self._certified if self._claims_alone(seat) or seat in first]
        for number, seat in enumerate(ordinary):
            match _claimant(seat, number):
                case "person":
                    self._by_person(seat, timetable.CLAIMED, _ALL, case="claim_by_person")
                case "school":
                    lists[seat.training.school].append(seat)
        records = self._send_lists(lists)
        self._resend(records)
        self._races()
        self._refuse()

    def repeat(self) -> None:
        """The second claim of a person for the same occupation and level: at another school, in another region."""
        repeats = [seat for seat in self._cast.with_role(Role.REPEAT) if seat.second]
        for number, seat in enumerate(repeats):
            assert seat.second is not None
            if number % 2:
                self._by_person(seat.second, timetable.REPEATED, _ALL, case=Role.REPEAT)
            else:
                self._by_school([seat.second], timetable.REPEATED, _ALL, case=Role.REPEAT)

    def _claims_alone(self, seat: Seat) -> bool:
        return seat.role not in (Role.RACE, Role.REPEAT, Role.CONTESTED)

    def _send_lists(self, lists: dict[Organisation, list[Seat]]) -> list[tuple[list[Seat], Record]]:
        """One list a school; the first ones also claim for someone whom another school trained."""
        strangers = {}
        for school in list(lists)[: self._cast.several]:
            strangers[school] = next(
                seat
                for seat in self._certified
                if seat.training.school is not school and self._claims_alone(seat)
            )
        sent = []
        for school, seats in lists.items():
            for start in range(0, len(seats), LINES):
                chosen = seats[start : start + LINES]
                stranger = strangers.pop(school, None)
                case = "list_with_other_schools_trainee" if stranger else ""
                listed = [*chosen, *([stranger] if stranger else [])]
                sent.append(
                    (listed, self._by_school(listed, timetable.CLAIMED, _ALL, school=school, case=case))
                )
        return sent

    def _resend(self, records: list[tuple[list[Seat], Record]]) -> None:
        for seats, record in records[: self._cast.several]:
            self._outbox.again(record, day=timetable.CLAIMED, case="resent_at_once")
            self._outbox.again(record, day=timetable.REPEATED, case="resent_days_later")
            data = _claims(json.loads(record.value)["data"]["application_ref"], seats[-1:])
            self._outbox.other_bytes(
                seats[0].training.school, "ApplySubsidy", data, first=record, case="same_id_other_bytes"
            )

    def _races(self) -> None:
        """Two schools for one person, and a person against their school, each at one moment."""
        for seat in self._cast.with_role(Role.RACE):
            if seat.second is not None:
                self._by_school([seat], timetable.CLAIMED, _RACES, case=Role.RACE)
                self._by_school([seat.second], timetable.CLAIMED, _RACES)
        for seat in self._cast.with_role(Role.CONTESTED):
            self._by_school([seat], timetable.CLAIMED, _RACES, case=Role.CONTESTED)
            self._by_person(seat, timetable.CLAIMED, _RACES)

    def _refuse(self) -> None:
        for role, stage in ((Role.REFUSED_ACCEPT, "ACCEPT"), (Role.REFUSED_REVIEW, "FIRST_REVIEW")):
            for seat in self._cast.with_role(role):
                self._outbox.cases[role] += 1
                self.decisions.append(
                    {
                        "certificate_id": certificate_of(seat),
                        "stage": stage,
                        "decision": "refuse",
                        "code": "review.evidence_insufficient",
                    }
                )

    def _by_school(
        self,
        seats: list[Seat],
        day: date,
        phase: int,
        *,
        school: Organisation | None = None,
        case: str = "",
    ) -> Record:
        self._lists += 1
        data = _claims(f"B{self._lists:03d}", seats)
        sender = school or seats[0].training.school
        return self._outbox.send(sender, "ApplySubsidy", data, day=day, phase=phase, case=case)

    def _by_person(self, seat: Seat, day: date, phase: int, *, case: str = "") -> None:
        person = seat.person
        if case:
            self._outbox.cases[case] += 1
        if seat.role in (Role.URGENT_BEFORE, Role.URGENT_AFTER):
            self._outbox.cases[seat.role] += 1
        self.people.append(
            {
                "day": day.isoformat(),
                "phase": phase,
                "national_id": person.national_id,
                "name": person.name,
                "application_ref": f"P{len(self.people) + 1:04d}",
                "certificate_id": certificate_of(seat),
                "account": asdict(person.account),
            }
        )


def _claimant(seat: Seat, number: int) -> str:
    """Two of five claim on their own, and a few do not claim at all."""
    if seat.role in (Role.URGENT_BEFORE, Role.URGENT_AFTER):
        return "person"
    if seat.role is Role.ORDINARY and number % 15 == 7:
        return "nobody"
    return "person" if number % 5 in (0, 2) else "school"


def _claims(application_ref: str, seats: list[Seat]) -> dict[str, Any]:
    lines = [{"line": n, "certificate_id": certificate_of(seat)} for n, seat in enumerate(seats, 1)]
    return {"application_ref": application_ref, "lines": lines}
