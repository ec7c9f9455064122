"""Claims, the no-repeat rule, handlers' refusals and payment, on plain dictionaries."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from zeren.generator.policy_files import PolicyFiles
from zeren.generator.truth.certification import Certificate
from zeren.generator.truth.standards import Standards
from zeren.generator.truth.verdicts import RefusedLines, Waits

PERSON = "person"
USED = "entitlement.already_used"
Entitlement = tuple[str, str, str]
"""Person, occupation, level: the key of 人社厅发〔2023〕55号 二(十), over all regions and payees."""


@dataclass(slots=True)
class Claim:
    """A claim that came to exist.

    Attributes:
        by: the institution's USCC, or "person".
        receipt: "<USCC>/<submission id>" of the list, or "".
        outcome: "filed" until decided; then "paid", "refused" or "race".
        computed_fen: the standard in force, whatever becomes of the claim.
    """

    certificate_id: str
    by: str
    application_ref: str
    line: int
    receipt: str
    region: str
    entitlement: Entitlement
    computed_fen: int
    outcome: str = "filed"
    codes: list[str] = field(default_factory=list)


class ClaimRules:
    """The state of payment.

    Attributes:
        claims: every claim that came to exist, in the order of filing.
        races: groups of rivals for one entitlement; exactly one of each wins.
        refused_lines: by receipt, the lines that the no-repeat rule refused.
    """

    def __init__(self, policy: PolicyFiles, certificates: dict[str, Certificate]) -> None:
        self._standards = Standards(policy)
        self._certificates = certificates
        self._arrived: list[Claim] = []
        self._live: dict[Entitlement, Claim] = {}
        self._raced: set[Entitlement] = set()
        self.claims: list[Claim] = []
        self.races: list[list[Claim]] = []
        self.refused_lines: dict[str, RefusedLines] = defaultdict(list)

    def file_list(self, uscc: str, data: dict[str, Any], receipt: str) -> RefusedLines:
        """An institution's list: for its own trainees only, paid to its account."""
        if any(line["certificate_id"] not in self._certificates for line in data["lines"]):
            raise Waits
        refused = []
        for row in data["lines"]:
            certificate = self._certificates[row["certificate_id"]]
            if certificate.enrolled.training.institution != uscc:
                refused.append((row["line"], "claim.not_your_trainee"))
            else:
                self._arrive(
                    row["certificate_id"],
                    by=uscc,
                    application_ref=data["application_ref"],
                    line=row["line"],
                    receipt=receipt,
                )
        return refused

    def file_person(self, national_id: str, certificate_id: str, application_ref: str) -> str:
        """A person's own claim; the code of its refusal, or "" where the no-repeat rule is to decide."""
        certificate = self._certificates.get(certificate_id)
        if certificate is None:
            return "claim.certificate_unknown"
        if certificate.enrolled.person != national_id:
            return "claim.not_your_certificate"
        self._arrive(certificate_id, by=PERSON, application_ref=application_ref, line=1, receipt="")
        return ""

    def _arrive(self, certificate_id: str, *, by: str, application_ref: str, line: int, receipt: str) -> None:
        certificate = self._certificates[certificate_id]
        training = certificate.enrolled.training
        self._arrived.append(
            Claim(
                certificate_id=certificate_id,
                by=by,
                application_ref=application_ref,
                line=line,
                receipt=receipt,
                region=training.region,
                entitlement=(certificate.enrolled.person, training.occupation, training.level),
                computed_fen=self._standards.amount_fen(
                    region=training.region,
                    payee="PERSON" if by == PERSON else "INSTITUTION",
                    occupation=training.occupation,
                    level=training.level,
                    certificate_kind=certificate.kind,
                    issued_on=certificate.issued_on,
                ),
            )
        )

    def end_phase(self) -> None:
        """R50: claims of one phase meet at one moment; one live claim a person, occupation and level."""
        rivals: dict[Entitlement, list[Claim]] = defaultdict(list)
        for claim in self._arrived:
            rivals[claim.entitlement].append(claim)
        self.claims += self._arrived
        self._arrived = []
        for entitlement, claims in rivals.items():
            if entitlement in self._live or entitlement in self._raced:
                for claim in claims:
                    self._refuse(claim, USED)
            elif len(claims) == 1:
                self._live[entitlement] = claims[0]
            else:
                self._raced.add(entitlement)
                self.races.append(claims)
                for claim in claims:
                    claim.outcome = "race"

    def decide(self, stage: str, decisions: dict[str, tuple[str, str]]) -> None:
        """A handler's refusals at a stage; a refused claim frees the entitlement."""
        for entitlement, claim in list(self._live.items()):
            at, code = decisions.get(claim.certificate_id, ("", ""))
            if at == stage and claim.outcome == "filed":
                claim.outcome, claim.codes = "refused", [code]
                del self._live[entitlement]

    def pay(self) -> None:
        """Every live claim passed all stages and is paid what was computed. Of each race, so is the winner."""
        for claim in self._live.values():
            claim.outcome = "paid"

    def _refuse(self, claim: Claim, code: str) -> None:
        claim.outcome, claim.codes = "refused", [code]
        if claim.receipt:
            self.refused_lines[claim.receipt].append((claim.line, code))
