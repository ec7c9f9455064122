"""A claim (补贴申领): one person, one episode, one subsidy kind, at most one payment.

NEW → CLAIMED → ACCEPTED → FIRST_REVIEWED (→ RE_REVIEWED) → PUBLICISED → APPROVED → ORDERED → PAID
↑         ↓
└─ PAYMENT_FAILED
CLAIMED … PUBLICISED → REFUSED; a claim refused by a rule is REFUSED at once
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Literal, assert_never

from services.payment.domain.claim_state import Act, Claim, Event, evolve
from services.payment.domain.refusals import (
    ActedAlready,
    AlreadyAnswered,
    AlreadyFiled,
    AmountDiffers,
    ClaimNotApproved,
    CodeMalformed,
    NoticeStillOpen,
    NotOrdered,
    OtherRegion,
    PayerReviewed,
    ReasonRequired,
    UnknownClaim,
    WrongStage,
)
from services.payment.domain.rules import SEPARATED, next_step, refusing_step
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
from shared.decider import Decider
from shared.identity import looks_personal

Review = Literal["FIRST_REVIEW", "RE_REVIEW"]
ALREADY_USED = "entitlement.already_used"

_BANK_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,31}")
_MANY_DIGITS = re.compile(r"\d{8}")


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """Takes the claim in.

    Attributes:
        claimed: the fact to be, with the standard as `computed_fen`.
        taken: the entitlement is held by another claim (R50): this one is refused at once, with 0 fen.
    """

    claimed: SubsidyClaimed
    taken: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Accept:
    """受理."""

    handler_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordReview:
    """初审 or 复核. `reviews` are the procedure's review stages in order."""

    handler_id: str
    stage: Review
    reviews: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Publicise:
    """公示. The dates are worked out from the procedure and the working calendar."""

    handler_id: str
    notice_id: str
    opens_on: date
    closes_on: date
    reviews: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Approve:
    """审批."""

    handler_id: str
    business_date: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """不予通过, at the step that the claim waits for. `reasons` are codes of the catalogue."""

    handler_id: str
    reasons: tuple[str, ...]
    reviews: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """拨付: the claim becomes a line of a payment batch of `region`."""

    handler_id: str
    batch_id: str
    region: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmPayment:
    """The bank says that the money arrived."""

    batch_id: str
    amount_fen: int
    paid_on: date
    bank_ref: str
    receipt_digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFailure:
    """The bank says that it could not pay the line. `code` is the bank's."""

    batch_id: str
    amount_fen: int
    code: str
    receipt_digest: str


Command = File | Accept | RecordReview | Publicise | Approve | Refuse | Order | ConfirmPayment | RecordFailure


def decide(command: Command, state: Claim) -> list[Event]:
    """See `shared.decider`."""
    if not isinstance(command, File) and state.stage == "NEW":
        raise UnknownClaim("claim_id")
    match command:
        case File():
            return _file(command, state)
        case Accept():
            return _accept(command, state)
        case RecordReview():
            return _review(command, state)
        case Publicise():
            return _publicise(command, state)
        case Approve():
            return _approve(command, state)
        case Refuse():
            return _refuse(command, state)
        case Order():
            return _order(command, state)
        case ConfirmPayment():
            return _confirm(command, state)
        case RecordFailure():
            return _fail(command, state)
        case _:
            assert_never(command)


def _file(command: File, state: Claim) -> list[Event]:
    claimed = command.claimed
    if state.stage != "NEW":
        if (state.certificate_id, state.claimant) == (claimed.certificate_id, claimed.claimant):
            return []
        raise AlreadyFiled("line")
    if not command.taken:
        return [claimed]
    refused = ClaimRefused(
        claim_id=claimed.claim_id,
        person_id=claimed.person_id,
        enrolment_id=claimed.enrolment_id,
        stage="RULE",
        reasons=[Reason(code=ALREADY_USED)],
        handler_id="",
        decision_jws=None,
    )
    return [_without_amount(claimed), refused]


def _without_amount(claimed: SubsidyClaimed) -> SubsidyClaimed:
    fields = {name: getattr(claimed, name) for name in claimed.__struct_fields__}
    return SubsidyClaimed(**fields | {"computed_fen": 0})


def _done(step: str, handler_id: str, state: Claim, awaited: str) -> bool:
    """Whether this handler did this step already.

    Separation of duties comes before the stage: who acted is refused as such, and that is recorded.

    Raises: ActedAlready, WrongStage.
    """
    if Act(step, handler_id) in state.acts:
        return True
    if step in SEPARATED and state.acted(handler_id):
        raise ActedAlready("claim_id")
    if awaited != step:
        raise WrongStage("claim_id")
    return False


def _accept(command: Accept, state: Claim) -> list[Event]:
    if _done("ACCEPT", command.handler_id, state, next_step(state.stage, ())):
        return []
    return [
        ClaimAccepted(
            claim_id=state.claim_id,
            person_id=state.person_id,
            enrolment_id=state.enrolment_id,
            handler_id=command.handler_id,
            decision_jws=None,
        )
    ]


def _review(command: RecordReview, state: Claim) -> list[Event]:
    if _done(command.stage, command.handler_id, state, next_step(state.stage, command.reviews)):
        return []
    return [
        ClaimReviewed(
            claim_id=state.claim_id,
            person_id=state.person_id,
            enrolment_id=state.enrolment_id,
            stage=command.stage,
            handler_id=command.handler_id,
            decision_jws=None,
        )
    ]


def _publicise(command: Publicise, state: Claim) -> list[Event]:
    if _done("NOTICE", command.handler_id, state, next_step(state.stage, command.reviews)):
        return []
    return [
        ClaimPublicised(
            claim_id=state.claim_id,
            person_id=state.person_id,
            enrolment_id=state.enrolment_id,
            notice_id=command.notice_id,
            opens_on=command.opens_on,
            closes_on=command.closes_on,
            handler_id=command.handler_id,
            decision_jws=None,
        )
    ]


def _approve(command: Approve, state: Claim) -> list[Event]:
    if _done("APPROVE", command.handler_id, state, next_step(state.stage, ())):
        return []
    if command.business_date <= state.closes_on:
        raise NoticeStillOpen("claim_id")
    return [
        ClaimApproved(
            claim_id=state.claim_id,
            person_id=state.person_id,
            enrolment_id=state.enrolment_id,
            amount_fen=state.computed_fen,
            handler_id=command.handler_id,
            decision_jws=None,
        )
    ]


def _refuse(command: Refuse, state: Claim) -> list[Event]:
    if state.stage == "REFUSED" and state.refused_by == command.handler_id:
        return []
    if state.acted(command.handler_id):
        raise ActedAlready("claim_id")
    step = refusing_step(state.stage, command.reviews)
    if not step:
        raise WrongStage("claim_id")
    if not command.reasons:
        raise ReasonRequired("reasons")
    return [
        ClaimRefused(
            claim_id=state.claim_id,
            person_id=state.person_id,
            enrolment_id=state.enrolment_id,
            stage=step,
            reasons=[Reason(code=code) for code in command.reasons],
            handler_id=command.handler_id,
            decision_jws=None,
        )
    ]


def _order(command: Order, state: Claim) -> list[Event]:
    if state.batch_id == command.batch_id:
        return []
    # The payer of a batch that failed may pay again: paying twice separates nobody.
    if any(a.handler_id == command.handler_id and a.step in SEPARATED - {"PAY"} for a in state.acts):
        raise PayerReviewed("claims")
    if next_step(state.stage, ()) != "PAY":
        raise ClaimNotApproved("claims")
    if state.region != command.region:
        raise OtherRegion("claims")
    return [
        PaymentOrdered(
            claim_id=state.claim_id,
            person_id=state.person_id,
            enrolment_id=state.enrolment_id,
            batch_id=command.batch_id,
            amount_fen=state.approved_fen,
            account_id=state.account_id,
            handler_id=command.handler_id,
        )
    ]


def _must_be_due(batch_id: str, amount_fen: int, state: Claim) -> None:
    """Raises: AlreadyAnswered, NotOrdered, AmountDiffers."""
    if state.answered(batch_id):
        raise AlreadyAnswered("claim_id")
    if state.stage != "ORDERED" or state.batch_id != batch_id:
        raise NotOrdered("claim_id")
    if amount_fen != state.approved_fen:
        raise AmountDiffers("amount_fen")


def _confirm(command: ConfirmPayment, state: Claim) -> list[Event]:
    # The bank may say it again, in as many receipts as it likes: the first answer stands.
    same = state.stage == "PAID" and state.batch_id == command.batch_id
    if same and command.amount_fen == state.approved_fen:
        return []
    _must_be_due(command.batch_id, command.amount_fen, state)
    return [
        SubsidyPaid(
            claim_id=state.claim_id,
            person_id=state.person_id,
            enrolment_id=state.enrolment_id,
            batch_id=command.batch_id,
            amount_fen=command.amount_fen,
            paid_on=command.paid_on,
            bank_ref=command.bank_ref,
            receipt_digest=command.receipt_digest,
        )
    ]


def _fail(command: RecordFailure, state: Claim) -> list[Event]:
    if command.batch_id in state.failed:
        return []
    _must_be_due(command.batch_id, command.amount_fen, state)
    code = command.code
    if not _BANK_CODE.fullmatch(code) or _MANY_DIGITS.search(code) or looks_personal(code):
        raise CodeMalformed("code")
    return [
        PaymentFailed(
            claim_id=state.claim_id,
            person_id=state.person_id,
            enrolment_id=state.enrolment_id,
            batch_id=command.batch_id,
            code=code,
            receipt_digest=command.receipt_digest,
        )
    ]


claim: Decider[Command, Claim, Event] = Decider(
    "claim",
    Claim(),
    decide,
    evolve,
    (
        SubsidyClaimed,
        ClaimRefused,
        ClaimAccepted,
        ClaimReviewed,
        ClaimPublicised,
        ClaimApproved,
        PaymentOrdered,
        SubsidyPaid,
        PaymentFailed,
    ),
)
