"""Facts of certification: assessment bodies, candidates, results, certificates."""

from __future__ import annotations

from datetime import date

from shared.contracts.fact import Fact, fact
from shared.contracts.trace import DecisionTrace

SERVICE = "certification"


class Scope(Fact, frozen=True):
    """Occupation and levels that an assessment body may assess."""

    occupation_id: str
    levels: list[str]


@fact(SERVICE)
class AssessmentBodyApproved(Fact, frozen=True):
    """An assessment body (评价机构) may assess within a scope, on dates in [valid_from, valid_to]."""

    uscc: str
    scope: list[Scope]
    valid_from: date
    valid_to: date
    decision_jws: str | None


@fact(SERVICE, key="candidate_id", correlation="enrolment_id")
class CandidateRegistered(Fact, frozen=True):
    """A trainee who completed the training is registered for assessment (考核评价)."""

    candidate_id: str
    candidate_ref: str
    assessment_body: str
    person_id: str
    enrolment_id: str
    institution: str
    occupation_id: str
    level: str
    region: str


@fact(SERVICE, key="candidate_id", correlation="enrolment_id")
class AssessmentResultRecorded(Fact, frozen=True):
    """The marks of a candidate, in points of 100.

    Attributes:
        passed: both marks reach the policy's pass mark.
    """

    candidate_id: str
    enrolment_id: str
    assessed_on: date
    theory: int
    practice: int
    passed: bool
    trace: DecisionTrace


@fact(SERVICE, key="candidate_id", correlation="enrolment_id")
class AssessmentResultApproved(Fact, frozen=True):
    """The assessment body's approver stands behind the result; on a pass the certificate follows."""

    candidate_id: str
    enrolment_id: str
    passed: bool


@fact(SERVICE, key="candidate_id", correlation="enrolment_id")
class CertificateIssued(Fact, frozen=True):
    """A certificate (职业技能等级证书) was issued.

    Attributes:
        certificate_kind: QUALIFICATION, SKILL_LEVEL, SPECIAL_ABILITY or COMPLETION.
        level: "5" to "1", or "X" where the kind has no level.
        norm: the standard it was assessed against (R44).
    """

    certificate_id: str
    certificate_no: str
    certificate_kind: str
    candidate_id: str
    person_id: str
    enrolment_id: str
    assessment_body: str
    institution: str
    occupation_id: str
    level: str
    region: str
    issued_on: date
    norm: str
