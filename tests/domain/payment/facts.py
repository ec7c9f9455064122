"""One trainee's history up to the certificate, and the claim that follows: Li Na, elder carer, level 5, Xiamen."""

from __future__ import annotations

from datetime import date

import msgspec

from shared.contracts.certification import CertificateIssued
from shared.contracts.enrolment import (
    InstitutionRegistered,
    PayeeAccountRegistered,
    TraineeEnrolled,
    TrainingCompleted,
)
from shared.contracts.fact import Fact
from shared.contracts.intake import Reason
from shared.contracts.payment import (
    ClaimAccepted,
    ClaimApproved,
    ClaimPublicised,
    ClaimRefused,
    ClaimReviewed,
    PaymentFailed,
    PaymentOrdered,
    SubsidyClaimed,
    SubsidyPaid,
)
from shared.contracts.trace import decided
from shared.identity import (
    application_id,
    candidate_id,
    certificate_id,
    claim_id,
    derive_id,
    enrolment_id,
    institution_id,
)

SCHOOL = "52350200MJB0000001"
OTHER_SCHOOL = "52350100MJB0000002"
BODY = "91350200MA2YBODY01"
BANK = "91350100MA2YBANK07"
OTHER_BANK = "91350100MA2YBANK08"
LI_NA = "d6a4ae33-7a0d-4cf6-9e0e-0e5d8c8a0a51"
WANG_FANG = "1b7c2f90-6d0e-4a5e-8c53-2d3f8f5ad902"
XIAMEN, FUZHOU = "350200", "350100"
CLAIM_DAY = date(2024, 6, 4)
ACCEPTOR, REVIEWER, SECOND, PUBLISHER, APPROVER, PAYER = "h-1", "h-2", "h-3", "h-4", "h-5", "h-6"
BOTH = ("FIRST_REVIEW", "RE_REVIEW")
ONE = ("FIRST_REVIEW",)


def trained(
    who: str,
    *,
    ref: str,
    school: str = SCHOOL,
    region: str = XIAMEN,
    level: str = "5",
    occupation: str = "elder-carer",
    issued_on: date = date(2024, 5, 31),
) -> tuple[TraineeEnrolled, TrainingCompleted, CertificateIssued]:
    """Enrolled, completed and certified; `ref` names the enrolment and the candidate."""
    enrolment, candidate = enrolment_id(school, ref), candidate_id(BODY, ref)
    trace = decided("OK")
    return (
        TraineeEnrolled(
            enrolment_id=enrolment,
            enrolment_ref=ref,
            class_id=derive_id("class", ref),
            person_id=who,
            institution=school,
            region=region,
            occupation_id=occupation,
            level=level,
            age=35,
            groups=[],
            trace=trace,
        ),
        TrainingCompleted(
            enrolment_id=enrolment,
            class_id=derive_id("class", ref),
            person_id=who,
            institution=school,
            region=region,
            attended_minutes=450,
            planned_minutes=450,
            completed_on=date(2024, 5, 27),
            trace=trace,
        ),
        CertificateIssued(
            certificate_id=certificate_id(candidate),
            certificate_no=f"S-{ref}",
            certificate_kind="SKILL_LEVEL",
            candidate_id=candidate,
            person_id=who,
            enrolment_id=enrolment,
            assessment_body=BODY,
            institution=school,
            occupation_id=occupation,
            level=level,
            region=region,
            issued_on=issued_on,
            norm="GZB-4-10-01-05",
        ),
    )


def certificate_of(ref: str) -> str:
    """The certificate's id."""
    return certificate_id(candidate_id(BODY, ref))


def account_of(school: str = SCHOOL) -> PayeeAccountRegistered:
    """The institution's account, as enrolment registered it."""
    return PayeeAccountRegistered(uscc=school, account_id=derive_id("account", school), commitment="00")


def registered(uscc: str = BANK, kind: str = "BANK") -> InstitutionRegistered:
    """An organisation on the books."""
    return InstitutionRegistered(uscc=uscc, name="某某银行", kind=kind, region=FUZHOU)


def stream_of(fact: Fact) -> str:
    """Where the owner of a foreign fact keeps it: a certificate stands in its candidate's stream."""
    match fact:
        case CertificateIssued(candidate_id=candidate):
            return candidate
        case TraineeEnrolled(enrolment_id=enrolment) | TrainingCompleted(enrolment_id=enrolment):
            return enrolment
        case PayeeAccountRegistered(uscc=uscc) | InstitutionRegistered(uscc=uscc):
            return institution_id(uscc)
        case _:
            raise TypeError(type(fact).__name__)


APPLICATION = application_id(LI_NA, "SQ-1")
CLAIM = claim_id(APPLICATION, 1)
BATCH, SECOND_BATCH = derive_id("batch", "1"), derive_id("batch", "2")
ENROLMENT = enrolment_id(SCHOOL, "li")

claimed = SubsidyClaimed(
    claim_id=CLAIM,
    application_id=APPLICATION,
    line=1,
    person_id=LI_NA,
    enrolment_id=ENROLMENT,
    certificate_id=certificate_of("li"),
    institution=SCHOOL,
    kind="TRAINING",
    occupation_id="elder-carer",
    level="5",
    region=XIAMEN,
    payee_kind="PERSON",
    claimant=LI_NA,
    account_id="a-1",
    computed_fen=70000,
    trace=decided("STANDARD", amount_fen=70000),
)
without_amount = msgspec.structs.replace(claimed, computed_fen=0)
refused_by_rule = ClaimRefused(
    claim_id=CLAIM,
    person_id=LI_NA,
    enrolment_id=ENROLMENT,
    stage="RULE",
    reasons=[Reason(code="entitlement.already_used")],
    handler_id="",
    decision_jws=None,
)
accepted = ClaimAccepted(
    claim_id=CLAIM, person_id=LI_NA, enrolment_id=ENROLMENT, handler_id=ACCEPTOR, decision_jws=None
)
reviewed = ClaimReviewed(
    claim_id=CLAIM,
    person_id=LI_NA,
    enrolment_id=ENROLMENT,
    stage="FIRST_REVIEW",
    handler_id=REVIEWER,
    decision_jws=None,
)
re_reviewed = msgspec.structs.replace(reviewed, stage="RE_REVIEW", handler_id=SECOND)
publicised = ClaimPublicised(
    claim_id=CLAIM,
    person_id=LI_NA,
    enrolment_id=ENROLMENT,
    notice_id=derive_id("notice"),
    opens_on=date(2024, 6, 6),
    closes_on=date(2024, 6, 13),
    handler_id=PUBLISHER,
    decision_jws=None,
)
approved = ClaimApproved(
    claim_id=CLAIM,
    person_id=LI_NA,
    enrolment_id=ENROLMENT,
    amount_fen=70000,
    handler_id=APPROVER,
    decision_jws=None,
)
ordered = PaymentOrdered(
    claim_id=CLAIM,
    person_id=LI_NA,
    enrolment_id=ENROLMENT,
    batch_id=BATCH,
    amount_fen=70000,
    account_id="a-1",
    handler_id=PAYER,
)
paid = SubsidyPaid(
    claim_id=CLAIM,
    person_id=LI_NA,
    enrolment_id=ENROLMENT,
    batch_id=BATCH,
    amount_fen=70000,
    paid_on=date(2024, 6, 14),
    bank_ref="B-1",
    receipt_digest="d1",
)
failed = PaymentFailed(
    claim_id=CLAIM,
    person_id=LI_NA,
    enrolment_id=ENROLMENT,
    batch_id=BATCH,
    code="ACCOUNT_CLOSED",
    receipt_digest="d1",
)
TO_APPROVED = (claimed, accepted, reviewed, publicised, approved)


def refused_by(handler: str, stage: str, code: str = "review.evidence_insufficient") -> ClaimRefused:
    """A handler's refusal."""
    return msgspec.structs.replace(
        refused_by_rule, stage=stage, handler_id=handler, reasons=[Reason(code=code)]
    )
