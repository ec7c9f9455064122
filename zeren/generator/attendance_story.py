"""Attendance sheets as the schools send them, with what goes wrong on the way."""

from __future__ import annotations

import hashlib
from datetime import date
from random import Random
from typing import Any

from zeren.generator import timetable
from zeren.generator.cast import (
    FALLEN,
    FUTURE,
    MINUTES,
    OUTSIDE,
    TWICE,
    UNKNOWN,
    Cast,
    Role,
    Seat,
    TrainingClass,
)
from zeren.generator.documents import Outbox, Record
from zeren.generator.timetable import SESSION_MINUTES, PlannedSession

_METHODS = ("FACE", "QR", "SIGN")


class AttendanceStory:
    """Who comes to which session, and the sheets about it."""

    def __init__(self, rng: Random, outbox: Outbox, cast: Cast) -> None:
        self._rng = rng
        self._outbox = outbox
        self._cast = cast

    def attend(self) -> None:
        """考勤表: one a session, and what goes wrong with them."""
        for training in self._cast.all:
            attendance = self._attendance(training)
            for session in training.sessions:
                self._sheet(training, session, attendance[session.ref])
        for training in self._cast.hosts(FUTURE):
            self._send_sheet(
                training,
                training.sessions[-1],
                [],
                day=timetable.SHEET_DAYS[0],
                case="sheet_for_future_session",
            )
        for training in self._cast.hosts(OUTSIDE):
            stray = PlannedSession(f"{training.ref}-S99", timetable.SESSION_DAYS[0], True)
            lines = [_line(seat.ref, SESSION_MINUTES) for seat in training.seats[:2]]
            self._send_sheet(training, stray, lines, day=timetable.SHEET_DAYS[2], case="sheet_outside_plan")

    def _attendance(self, training: TrainingClass) -> dict[str, list[dict[str, Any]]]:
        """Lines by session. But for two roles everyone misses one session at most, and someone none."""
        lines: dict[str, list[dict[str, Any]]] = {session.ref: [] for session in training.sessions}
        steady = _steady(training)
        for seat in training.seats:
            match seat.role:
                case Role.ABSENT:
                    missed = {session.ref for session in training.sessions[-3:]}
                case Role.JUST_ENOUGH:
                    missed = {session.ref for session in training.sessions[3:5]}
                case _ if seat.role is Role.LATE or seat is steady or training in self._cast.hosts(MINUTES):
                    missed = set()
                case _ if self._rng.random() < 0.7:
                    missed = set()
                case _:
                    missed = {self._rng.choice(training.sessions).ref}
            least = SESSION_MINUTES if seat.role is Role.JUST_ENOUGH else SESSION_MINUTES - 10
            for session in training.sessions:
                minutes = self._rng.randint(least, SESSION_MINUTES)
                if session.ref not in missed:
                    lines[session.ref].append(_line(seat.ref, minutes, self._rng.choice(_METHODS)))
        return lines

    def _sheet(self, training: TrainingClass, session: PlannedSession, lines: list[dict[str, Any]]) -> None:
        """The sheet of a session, or what comes in its place."""
        place = training.sessions.index(session)
        first, last = place == 0, place == len(training.sessions) - 1
        if training is self._cast.unfinished and last:
            return
        if first and training in self._cast.hosts(UNKNOWN):
            self._sheet_with_unknown(training, session, lines)
        elif last and training in self._cast.hosts(FALLEN):
            self._send_sheet(training, session, [], case="empty_sheet")
        elif place == 2 and training in self._cast.hosts(MINUTES):
            ref = _steady(training).ref
            over = [{**row, "minutes": 240} if row["enrolment_ref"] == ref else row for row in lines]
            self._send_sheet(training, session, over, case="minutes_over_session")
        else:
            record = self._send_sheet(training, session, lines)
            if place == 1 and training in self._cast.hosts(TWICE):
                self._send_sheet(training, session, lines[:1], case="second_sheet_of_session")
                self._outbox.again(record, day=timetable.SHEET_DAYS[-1], case="resent_days_later")

    def _sheet_with_unknown(
        self, training: TrainingClass, session: PlannedSession, lines: list[dict[str, Any]]
    ) -> None:
        """Waits in vain, is resent while it waits, and is replaced once its rejection has come."""
        stray = _line(f"{training.ref}-E999", SESSION_MINUTES)
        record = self._send_sheet(training, session, [*lines, stray], case="sheet_names_unknown_enrolment")
        self._outbox.again(record, day=timetable.SHEET_DAYS[1], case="resent_while_waiting")
        self._send_sheet(training, session, lines, day=timetable.SHEET_DAYS[-1])

    def _send_sheet(
        self,
        training: TrainingClass,
        session: PlannedSession,
        lines: list[dict[str, Any]],
        *,
        day: date | None = None,
        case: str = "",
    ) -> Record:
        data = {
            "class_ref": training.ref,
            "session_ref": session.ref,
            "evidence": hashlib.sha256(f"{training.ref}/{session.ref}/{len(lines)}".encode()).hexdigest(),
            "lines": lines,
        }
        day = day or timetable.sheet_day(session)
        return self._outbox.send(training.school, "RecordAttendanceSheet", data, day=day, case=case)


def _steady(training: TrainingClass) -> Seat:
    """Someone who comes to every session."""
    return next(seat for seat in training.seats if seat.role not in (Role.ABSENT, Role.JUST_ENOUGH))


def _line(ref: str, minutes: int, method: str = "SIGN") -> dict[str, Any]:
    return {"enrolment_ref": ref, "minutes": minutes, "method": method}
