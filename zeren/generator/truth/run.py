"""The records of a run taken in turn, day by day, by rules that share no code with the services."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from zeren.generator.policy_files import PolicyFiles
from zeren.generator.truth.attribution import Attributed, Keys, Quarantined
from zeren.generator.truth.certification import CertificationRules
from zeren.generator.truth.claims import ClaimRules
from zeren.generator.truth.form import check_form
from zeren.generator.truth.inputs import Inputs, Sent
from zeren.generator.truth.training import TrainingRules
from zeren.generator.truth.verdicts import Refused, RefusedLines, Waits
from zeren.generator.truth.working_days import WorkingDays

HANDLER_STAGES = {"accept": "ACCEPT", "review": "FIRST_REVIEW"}


@dataclass(frozen=True, slots=True)
class _Parked:
    submission: Attributed
    receipt: str
    deadline: date


class Run:
    """Everything that came of the input. Nothing is told before `play`.

    Attributes:
        receipts: outcome, codes and refused lines by "<USCC>/<submission id>".
        quarantined: code by digest.
        people_refused: codes that persons were answered with, but for the no-repeat rule.
    """

    def __init__(self, inputs: Inputs, policy: PolicyFiles) -> None:
        self._inputs = inputs
        self._working_days = WorkingDays(policy)
        self._patience = policy.one("procedure")["parking_business_days"]
        self._keys = Keys(inputs.organisations)
        self._kinds = {row["uscc"]: row["kind"] for row in inputs.organisations}
        bodies = {row["uscc"]: row["scope"] for row in inputs.organisations if row["kind"] == "ASSESSMENT"}
        self.training = TrainingRules(policy)
        self.certification = CertificationRules(policy, bodies, self.training.enrolled)
        self.claims = ClaimRules(policy, self.certification.certificates)
        self._today = min(inputs.days)
        self._digests: dict[tuple[str, str, str], list[str]] = {}
        self._parked: list[_Parked] = []
        self.receipts: dict[str, dict[str, Any]] = {}
        self.quarantined: dict[str, str] = {}
        self.people_refused: Counter[str] = Counter()

    def play(self) -> None:
        """Every day from the first to the last, active or not: deadlines pass on any day."""
        while self._today <= max(self._inputs.days):
            self._pass_deadlines()
            for step in self._inputs.days.get(self._today, []):
                match step:
                    case "send":
                        self._send()
                    case "approve_classes":
                        self.training.approve_classes()
                        self._wake()
                    case "accept" | "review":
                        self.claims.decide(HANDLER_STAGES[step], self._inputs.decisions)
                    case "pay":
                        self.claims.pay()
            self._today += timedelta(1)

    def _pass_deadlines(self) -> None:
        """Adopting the day after its deadline rejects what still waits (decisions §8)."""
        late = [parked for parked in self._parked if parked.deadline < self._today]
        self._parked = [parked for parked in self._parked if parked.deadline >= self._today]
        for parked in late:
            self.receipts[parked.receipt] = _rejected("parking.deadline_passed")

    def _send(self) -> None:
        records = [record for record in self._inputs.records if record.day == self._today]
        people = [claim for claim in self._inputs.people if claim.day == self._today]
        for phase in sorted({record.phase for record in records} | {claim.phase for claim in people}):
            for record in records:
                if record.phase == phase:
                    self._take(record)
            for claim in people:
                if claim.phase == phase:
                    code = self.claims.file_person(
                        claim.national_id, claim.certificate_id, claim.application_ref
                    )
                    self.people_refused.update([code] if code else [])
            self.claims.end_phase()

    def _take(self, record: Sent) -> None:
        """Attribution, then the id, then form, then the rules: decisions §8."""
        try:
            submission = self._keys.attribute(record)
        except Quarantined as why:
            proof = record.value + b"\0" + (record.jws or "").encode()
            self.quarantined[hashlib.sha256(proof).hexdigest()] = why.code
            return
        receipt = f"{submission.uscc}/{submission.submission}"
        digest = hashlib.sha256(record.value).hexdigest()
        known = self._digests.setdefault((record.service, submission.uscc, submission.submission), [])
        if digest in known:
            return
        known.append(digest)
        if len(known) > 1:
            self.receipts[f"{receipt}#{len(known)}"] = _rejected("submission.id_reused")
            return
        try:
            check_form(submission.kind, self._kinds[submission.uscc], submission.content)
        except Refused as why:
            self.receipts[receipt] = _rejected(*why.codes)
            return
        deadline = self._working_days.after(self._today, self._patience)
        self._parked.append(_Parked(submission, receipt, deadline))
        self._wake()

    def _wake(self) -> None:
        """Tries all that waits until nothing changes: what one brings may be what another awaits."""
        changed = True
        while changed:
            changed = False
            for parked in list(self._parked):
                if self._judge(parked):
                    self._parked.remove(parked)
                    changed = True

    def _judge(self, parked: _Parked) -> bool:
        """Whether it is decided; then its receipt stands."""
        submission = parked.submission
        uscc, data = submission.uscc, submission.content["data"]
        try:
            if submission.kind == "ApplySubsidy":
                refused = self.claims.file_list(uscc, data, parked.receipt)
            else:
                refused = self._rule(submission.kind)(uscc, data, self._today)
        except Waits:
            return False
        except Refused as why:
            self.receipts[parked.receipt] = _rejected(*why.codes)
        else:
            self.receipts[parked.receipt] = {"outcome": "accepted", "codes": [], "refused_lines": refused}
        return True

    def _rule(self, kind: str) -> Callable[[str, dict[str, Any], date], RefusedLines]:
        return {
            "ApplyClass": self.training.apply_class,
            "EnrolTrainee": self.training.enrol,
            "RecordAttendanceSheet": self.training.record_sheet,
            "CompleteClass": self.training.complete_class,
            "RegisterCandidate": self.certification.register_candidate,
            "RecordResults": self.certification.record_results,
            "ApproveResults": self.certification.approve_results,
        }[kind]


def _rejected(*codes: str) -> dict[str, Any]:
    return {"outcome": "rejected", "codes": sorted(codes), "refused_lines": []}
