"""Classes, enrolments, attendance, completion: the rules of enrolment, on plain dictionaries."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any

from zeren.generator import ids
from zeren.generator.policy_files import PolicyFiles
from zeren.generator.truth.identifiers import age_on
from zeren.generator.truth.verdicts import Refused, RefusedLines, Waits


@dataclass(slots=True)
class Enrolled:
    """A person in a class. `completed` is None until the class has closed."""

    person: str
    training: Training
    minutes: int = 0
    completed: bool | None = None


@dataclass(slots=True)
class Training:
    """A class. `sessions` holds day and minutes by reference; `sheets` the number of lines by session."""

    institution: str
    region: str
    occupation: str
    level: str
    max_trainees: int
    sessions: dict[str, tuple[date, int]]
    approved: bool = False
    closed: bool = False
    enrolled: dict[str, Enrolled] = field(default_factory=dict)
    sheets: dict[str, int] = field(default_factory=dict)


class TrainingRules:
    """The state of enrolment, and what it says to each submission.

    Attributes:
        enrolled: by enrolment id.
    """

    def __init__(self, policy: PolicyFiles) -> None:
        self._procedure = policy.one("procedure")
        self._occupations = {row["id"] for row in policy.rows("occupations")}
        self._regions = {row["code"] for row in policy.rows("regions")}
        self._classes: dict[str, Training] = {}
        self.enrolled: dict[str, Enrolled] = {}

    def apply_class(self, uscc: str, data: dict[str, Any], today: date) -> RefusedLines:
        """闽人社办〔2024〕40号 附件 (regions), 人社厅发〔2023〕55号 二(十) (occupations), demo-procedure."""
        key = ids.class_id(uscc, data["class_ref"])
        sessions = {
            row["session_ref"]: (date.fromisoformat(row["held_on"]), _minutes(row))
            for row in data["sessions"]
        }
        if key in self._classes:
            raise Refused("class.already_applied")
        if data["region"] not in self._regions:
            raise Refused("class.unknown_region")
        if data["occupation_id"] not in self._occupations:
            raise Refused("class.unknown_occupation")
        if data["max_trainees"] > self._procedure["max_trainees"]:
            raise Refused("class.too_many_trainees")
        if min(day for day, _ in sessions.values()) < today:
            raise Refused("class.starts_in_past")
        self._classes[key] = Training(
            institution=uscc,
            region=data["region"],
            occupation=data["occupation_id"],
            level=data["level"],
            max_trainees=data["max_trainees"],
            sessions=sessions,
        )
        return []

    def approve_classes(self) -> None:
        """A handler approves every class that was applied for."""
        for training in self._classes.values():
            training.approved = True

    def enrol(self, uscc: str, data: dict[str, Any], _today: date) -> RefusedLines:
        """实名制; age at the class's first day by demo-procedure; one place a person and class."""
        training = self._class(uscc, data)
        person = data["trainee"]["national_id"]
        age = age_on(person, min(day for day, _ in training.sessions.values()))
        if not self._procedure["age_from"] <= age < self._procedure["age_below"]:
            raise Refused("trainee.age_outside_policy")
        key = ids.enrolment_id(uscc, data["enrolment_ref"])
        if key in self.enrolled:
            raise Refused("enrolment.reference_used")
        if any(one.person == person for one in training.enrolled.values()):
            raise Refused("enrolment.already_in_class")
        if len(training.enrolled) >= training.max_trainees:
            raise Refused("class.full")
        training.enrolled[key] = self.enrolled[key] = Enrolled(person, training)
        return []

    def record_sheet(self, uscc: str, data: dict[str, Any], today: date) -> RefusedLines:
        """人社厅发〔2023〕55号 一 (严格过程监管): one sheet a session of the plan, once it was held."""
        training = self._class(uscc, data)
        session = data["session_ref"]
        if session not in training.sessions:
            raise Refused("sheet.session_outside_plan")
        held_on, length = training.sessions[session]
        if held_on > today:
            raise Refused("sheet.session_in_future")
        if session in training.sheets:
            raise Refused("sheet.already_recorded")
        named = [ids.enrolment_id(uscc, line["enrolment_ref"]) for line in data["lines"]]
        if any(key not in training.enrolled for key in named):
            raise Waits
        training.sheets[session] = len(named)
        refused = []
        for number, (key, line) in enumerate(zip(named, data["lines"], strict=True), 1):
            if line["minutes"] > length:
                refused.append((number, "sheet.minutes_over_session"))
            else:
                training.enrolled[key].minutes += line["minutes"]
        return refused

    def complete_class(self, uscc: str, data: dict[str, Any], _today: date) -> RefusedLines:
        """demo-procedure attendance_permille, of the sessions that were held."""
        training = self._class(uscc, data)
        if training.closed:
            raise Refused("class.already_completed")
        if set(training.sheets) != set(training.sessions):
            raise Waits
        held = sum(minutes for ref, (_, minutes) in training.sessions.items() if training.sheets[ref] > 0)
        for one in training.enrolled.values():
            one.completed = one.minutes * 1000 >= self._procedure["attendance_permille"] * held
        training.closed = True
        return []

    def _class(self, uscc: str, data: dict[str, Any]) -> Training:
        training = self._classes.get(ids.class_id(uscc, data["class_ref"]))
        if training is None or not training.approved:
            raise Waits
        return training


def _minutes(session: dict[str, Any]) -> int:
    """The length of a session."""
    begin, end = (int(text[:2]) * 60 + int(text[3:]) for text in (session["starts_at"], session["ends_at"]))
    return end - begin
