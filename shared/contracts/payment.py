"""Facts of payment: claims, entitlements, public notice, payment batches, published policy, erasures' answers."""

from __future__ import annotations

from datetime import date

from shared.contracts.fact import Fact, fact
from shared.contracts.intake import Reason
from shared.contracts.trace import DecisionTrace

SERVICE = "payment"


@fact(SERVICE)
class PolicyPublished(Fact, frozen=True):
    """A policy package is in use: its content is the file with this digest.

    Attributes:
        sha256: of the package file's bytes, hex.
    """

    package: str
    version: str
    sha256: str
    verified: bool
    demo: bool


@fact(SERVICE, key="person_id", correlation="enrolment_id")
class SubsidyClaimed(Fact, frozen=True):
    """A claim (补贴申领): one person, one episode, one subsidy kind.

    Attributes:
        claimant: the person's id, or the institution's USCC.
        payee_kind: PERSON or INSTITUTION; the payee is the claimant.
        account_id: the vault's id of the payee's account.
        computed_fen: the standard in force; 0 on a claim that is refused in the same transaction.
    """

    claim_id: str
    application_id: str
    line: int
    person_id: str
    enrolment_id: str
    certificate_id: str
    institution: str
    kind: str
    occupation_id: str
    level: str
    region: str
    payee_kind: str
    claimant: str
    account_id: str
    computed_fen: int
    trace: DecisionTrace


@fact(SERVICE, key="person_id", correlation="claim_id")
class EntitlementReserved(Fact, frozen=True):
    """The person's entitlement to (occupation, level) is held by a claim (R50)."""

    person_id: str
    claim_id: str
    occupation_id: str
    level: str


@fact(SERVICE, key="person_id", correlation="claim_id")
class EntitlementRefused(Fact, frozen=True):
    """The entitlement was held already (R50).

    Attributes:
        conflicts_with: the claim that holds it. For auditors; a receipt never names it.
    """

    person_id: str
    claim_id: str
    occupation_id: str
    level: str
    conflicts_with: str


@fact(SERVICE, key="person_id", correlation="claim_id")
class EntitlementReleased(Fact, frozen=True):
    """A claim that held the entitlement was refused, withdrawn or recovered: it is free again."""

    person_id: str
    claim_id: str
    occupation_id: str
    level: str


@fact(SERVICE, key="person_id", correlation="enrolment_id")
class ClaimRefused(Fact, frozen=True):
    """The claim is refused, by a rule at once or by a handler at a step.

    Attributes:
        stage: RULE, or the step at which a handler refused: ACCEPT, FIRST_REVIEW, RE_REVIEW or APPROVE.
        handler_id: who refused; "" where a rule did.
    """

    claim_id: str
    person_id: str
    enrolment_id: str
    stage: str
    reasons: list[Reason]
    handler_id: str
    decision_jws: str | None


@fact(SERVICE, key="person_id", correlation="enrolment_id")
class ClaimAccepted(Fact, frozen=True):
    """受理: a handler took the claim in.

    Attributes:
        handler_id: opaque; the claim's own history must tell who acted, so that duties stay apart.
    """

    claim_id: str
    person_id: str
    enrolment_id: str
    handler_id: str
    decision_jws: str | None


@fact(SERVICE, key="person_id", correlation="enrolment_id")
class ClaimReviewed(Fact, frozen=True):
    """初审 or 复核: a handler checked the claim.

    Attributes:
        stage: FIRST_REVIEW or RE_REVIEW.
    """

    claim_id: str
    person_id: str
    enrolment_id: str
    stage: str
    handler_id: str
    decision_jws: str | None


@fact(SERVICE, key="person_id", correlation="enrolment_id")
class ClaimPublicised(Fact, frozen=True):
    """公示: the claim is under public notice on working days from opens_on to closes_on, both counted."""

    claim_id: str
    person_id: str
    enrolment_id: str
    notice_id: str
    opens_on: date
    closes_on: date
    handler_id: str
    decision_jws: str | None


@fact(SERVICE, key="person_id", correlation="enrolment_id")
class ClaimApproved(Fact, frozen=True):
    """审批: the claim may be paid."""

    claim_id: str
    person_id: str
    enrolment_id: str
    amount_fen: int
    handler_id: str
    decision_jws: str | None


@fact(SERVICE)
class PaymentBatchCreated(Fact, frozen=True):
    """拨付批次: finance orders the bank to pay.

    Attributes:
        claims: ids, at most 300.
        bank: the USCC of the bank that is to pay.
    """

    batch_id: str
    region: str
    bank: str
    claims: list[str]
    total_fen: int
    decision_jws: str | None


@fact(SERVICE, key="person_id", correlation="enrolment_id")
class PaymentOrdered(Fact, frozen=True):
    """拨付中: the claim is a line of a payment batch.

    Attributes:
        handler_id: the payer, none of those who accepted, reviewed or approved the claim.
    """

    claim_id: str
    person_id: str
    enrolment_id: str
    batch_id: str
    amount_fen: int
    account_id: str
    handler_id: str


@fact(SERVICE, key="person_id", correlation="enrolment_id")
class SubsidyPaid(Fact, frozen=True):
    """已支付: the bank's signed receipt says that the money arrived.

    Attributes:
        amount_fen: equals the approved amount.
        paid_on: the bank's value date.
        receipt_digest: SHA-256 of the bank's submission, hex.
    """

    claim_id: str
    person_id: str
    enrolment_id: str
    batch_id: str
    amount_fen: int
    paid_on: date
    bank_ref: str
    receipt_digest: str


@fact(SERVICE, key="person_id", correlation="enrolment_id")
class PaymentFailed(Fact, frozen=True):
    """退票: the bank could not pay the line; it may be ordered again."""

    claim_id: str
    person_id: str
    enrolment_id: str
    batch_id: str
    code: str
    receipt_digest: str


@fact(SERVICE)
class PaymentBatchReconciled(Fact, frozen=True):
    """Every line of the batch has the bank's answer."""

    batch_id: str
    paid_fen: int
    failed_fen: int


@fact(SERVICE, key="person_id")
class ErasureAnswered(Fact, frozen=True):
    """Whether the person's own payee accounts are needed no more (enrolment's `ErasureOrdered` asks).

    Without open claims the person files no claim of their own until the order is carried out or withdrawn.

    Attributes:
        order_no: of the order.
        open_claims: claims to the person's own account that are neither paid nor refused, at most 20.
    """

    person_id: str
    order_no: int
    open_claims: list[str]
