"""Candidates, results, certificates: the rules of certification, on plain dictionaries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from zeren.generator import ids
from zeren.generator.policy_files import PolicyFiles
from zeren.generator.truth.training import Enrolled
from zeren.generator.truth.verdicts import Refused, RefusedLines, Waits


@dataclass(slots=True)
class Candidate:
    """A person registered for assessment. `passed` is None until the marks are recorded."""

    enrolled: Enrolled
    passed: bool | None = None
    assessed_on: date = date.max
    approved: bool = False


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate that was issued for a training."""

    enrolled: Enrolled
    kind: str
    issued_on: date


class CertificationRules:
    """The state of certification, and what it says to each submission.

    Attributes:
        certificates: by certificate id.
    """

    def __init__(
        self, policy: PolicyFiles, bodies: dict[str, list[dict[str, Any]]], enrolled: dict[str, Enrolled]
    ) -> None:
        self._pass_mark = policy.one("procedure")["pass_mark"]
        self._scopes = {
            uscc: {(row["occupation_id"], level) for row in scope for level in row["levels"]}
            for uscc, scope in bodies.items()
        }
        self._enrolled = enrolled
        self._candidates: dict[str, Candidate] = {}
        self._numbers: set[str] = set()
        self.certificates: dict[str, Certificate] = {}

    def register_candidate(self, uscc: str, data: dict[str, Any], _today: date) -> RefusedLines:
        """人社厅发〔2023〕55号 二(十), 闽人社办〔2024〕40号 二; 考培分离: the assessor did not train."""
        if uscc not in self._scopes:
            raise Refused("body.not_approved")
        subject = (data["occupation_id"], data["level"])
        if subject not in self._scopes[uscc]:
            raise Refused("body.scope_not_covered")
        if data["institution"] == uscc:
            raise Refused("body.is_training_institution")
        key = ids.candidate_id(uscc, data["candidate_ref"])
        if key in self._candidates:
            raise Refused("candidate.reference_used")
        enrolled = self._enrolled.get(ids.enrolment_id(data["institution"], data["enrolment_ref"]))
        if enrolled is None:
            raise Waits
        if enrolled.person != data["trainee"]["national_id"]:
            raise Refused("candidate.person_differs")
        if (enrolled.training.occupation, enrolled.training.level) != subject:
            raise Refused("candidate.occupation_differs")
        if enrolled.completed is None:
            raise Waits
        if not enrolled.completed:
            raise Refused("candidate.training_not_completed")
        self._candidates[key] = Candidate(enrolled)
        return []

    def record_results(self, uscc: str, data: dict[str, Any], today: date) -> RefusedLines:
        """Passed where both marks reach the pass mark of demo-procedure."""
        assessed_on = date.fromisoformat(data["assessed_on"])
        named = self._named(uscc, data)
        if assessed_on > today:
            raise Refused("result.in_future")
        refused = []
        for number, (candidate, line) in enumerate(zip(named, data["lines"], strict=True), 1):
            if candidate.passed is not None:
                refused.append((number, "result.already_recorded"))
            else:
                candidate.passed = min(line["theory"], line["practice"]) >= self._pass_mark
                candidate.assessed_on = assessed_on
        return refused

    def approve_results(self, uscc: str, data: dict[str, Any], today: date) -> RefusedLines:
        """A certificate for everyone who passed: its number is unique, its date neither early nor ahead."""
        named = self._named(uscc, data)
        if any(candidate.passed is None for candidate in named):
            raise Waits
        issued_on = date.fromisoformat(data["issued_on"])
        if issued_on > today:
            raise Refused("certificate.issued_in_future")
        refused = []
        for number, (candidate, line) in enumerate(zip(named, data["lines"], strict=True), 1):
            code = self._objection(candidate, line["certificate_no"], issued_on)
            if code:
                refused.append((number, code))
                continue
            candidate.approved = True
            if candidate.passed:
                self._numbers.add(line["certificate_no"])
                key = ids.certificate_id(uscc, line["candidate_ref"])
                self.certificates[key] = Certificate(candidate.enrolled, data["certificate_kind"], issued_on)
        return refused

    def _objection(self, candidate: Candidate, number: str, issued_on: date) -> str:
        """Why a line is refused, or ""."""
        if candidate.approved:
            return "result.already_approved"
        if candidate.passed and not number:
            return "certificate.number_missing"
        if not candidate.passed:
            return "certificate.number_for_failed" if number else ""
        if number in self._numbers:
            return "certificate.number_used"
        return "certificate.issued_before_assessment" if issued_on < candidate.assessed_on else ""

    def _named(self, uscc: str, data: dict[str, Any]) -> list[Candidate]:
        keys = [ids.candidate_id(uscc, line["candidate_ref"]) for line in data["lines"]]
        if any(key not in self._candidates for key in keys):
            raise Waits
        return [self._candidates[key] for key in keys]
