"""The rules of claiming and handling, one function a clause. Figures come from the policy book as arguments."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import cast

from shared.contracts.certification import CertificateIssued
from shared.contracts.enrolment import TraineeEnrolled, TrainingCompleted
from shared.policy.book import PolicyBook
from shared.policy.package import CertificateKind, Level, PayeeKind, SubsidyKind
from shared.policy.refusals import NoStandard
from shared.policy.rules import NoRepeatRule, Procedure
from shared.policy.standards import ClaimFacts, Standard
from shared.refusal import Refusal

KIND: SubsidyKind = "TRAINING"
"""The subsidy kind of the first release's claims (职业培训补贴)."""


class NotYourTrainee(Refusal):
    """An institution claims for somebody it did not train."""

    code = "claim.not_your_trainee"


class NotYourCertificate(Refusal):
    """A person claims on somebody else's certificate."""

    code = "claim.not_your_certificate"


class NoPayeeAccount(Refusal):
    """There is no account to which the claim could be paid."""

    code = "claim.no_payee_account"


class TooLate(Refusal):
    """The time to claim is over."""

    code = "claim.too_late"


class NoStandardApplies(Refusal):
    """No package in force states an amount for this claim."""

    code = "claim.no_standard"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The facts of other services on which a claim rests."""

    certificate: CertificateIssued
    enrolled: TraineeEnrolled
    completed: TrainingCompleted


def must_be_own(evidence: Evidence, payee: PayeeKind, claimant: str) -> None:
    """A person claims on their own certificate, an institution for those it trained itself.

    The claimant is the person's id, or the institution's USCC.

    Raises: NotYourCertificate, NotYourTrainee.

    Source: 人社厅发〔2023〕55号 二(十三): who uses public money answers for it.
    """
    if payee == "PERSON" and evidence.certificate.person_id != claimant:
        raise NotYourCertificate("certificate_id")
    if payee == "INSTITUTION" and evidence.enrolled.institution != claimant:
        raise NotYourTrainee("certificate_id")


def must_be_in_time(procedure: Procedure, certificate_on: date, claimed_on: date) -> None:
    """A claim is made within so many months of the certificate's date, the last day included.

    Raises: TooLate.

    Source: package demo-procedure, claim_within_months.
    """
    if claimed_on > procedure.claim_closes_on(certificate_on):
        raise TooLate("certificate_id")


def subsidy_standard(book: PolicyBook, evidence: Evidence, payee: PayeeKind, claimed_on: date) -> Standard:
    """The subsidy standard (补贴标准) in force for a claim, with its trace.

    The region is the class's managing authority; occupation and level are the certificate's.

    Raises: NoStandardApplies.

    Source: 人社厅发〔2023〕55号 二(十); the amounts are of the subsidy_standard packages.
    """
    certificate = evidence.certificate
    facts = ClaimFacts(
        kind=KIND,
        payee=payee,
        region=evidence.enrolled.region,
        occupation_id=certificate.occupation_id,
        level=cast("Level", certificate.level),
        certificate_kind=cast("CertificateKind", certificate.certificate_kind),
        claimed_on=claimed_on,
        certificate_on=certificate.issued_on,
    )
    try:
        return book.subsidy_standard(facts)
    except NoStandard:
        raise NoStandardApplies("certificate_id") from None


def shares_entitlement(rule: NoRepeatRule, kind: SubsidyKind) -> bool:
    """Whether claims of this kind use up the person's entitlement to (occupation, level).

    Source: 人社厅发〔2023〕55号 二(十): 同一职业(工种)的同一等级不可重复申领培训补贴(含参保职工技能提升补贴).
    """
    return kind in rule.scope


def notice_closes_on(book: PolicyBook, procedure: Procedure, opens_on: date) -> date:
    """The last day of a public notice (公示): so many working days, the opening day counted.

    Raises: shared.policy.refusals.NoCalendar.

    Source: package demo-procedure, public_notice_working_days; the calendar package of the year.
    """
    days = procedure.public_notice_working_days
    return book.add_working_days(opens_on, days, opening_day_counted=True)


def next_step(stage: str, reviews: tuple[str, ...]) -> str:
    """What a claim waits for: ACCEPT, a review stage, NOTICE, APPROVE, PAY, or "" where nobody must act.

    Args:
        stage: the claim's, see `claim.Stage`.
        reviews: the procedure's review stages, in order.

    Source: package demo-procedure, review_stages; 人社厅发〔2023〕55号 二(十三).
    """
    match stage:
        case "CLAIMED":
            return "ACCEPT"
        case "ACCEPTED":
            return (*reviews, "NOTICE")[0]
        case "FIRST_REVIEWED" | "RE_REVIEWED":
            done = stage.removesuffix("ED")
            left = reviews[reviews.index(done) + 1 :] if done in reviews else ()
            return (*left, "NOTICE")[0]
        case "PUBLICISED":
            return "APPROVE"
        case "APPROVED" | "PAYMENT_FAILED":
            return "PAY"
        case _:
            return ""


def refusing_step(stage: str, reviews: tuple[str, ...]) -> str:
    """The step at which a handler may refuse the claim as it stands, or "" where none may.

    Before and under public notice it is the approver who refuses; an approved claim is no longer refused.

    Source: 人社厅发〔2023〕55号 二(十三).
    """
    step = next_step(stage, reviews)
    return "" if step == "PAY" else "APPROVE" if step == "NOTICE" else step


DUTY = {
    "ACCEPT": "D8",
    "FIRST_REVIEW": "D9",
    "RE_REVIEW": "D10",
    "NOTICE": "D11",
    "APPROVE": "D12",
    "PAY": "D14",
}
"""The duty of each step. Source: the duty matrix, 人社厅发〔2023〕55号 二(十三)."""

SEPARATED = frozenset({"ACCEPT", "FIRST_REVIEW", "RE_REVIEW", "APPROVE", "PAY"})
"""Steps of one claim that are done by different persons; public notice is not one of them."""
