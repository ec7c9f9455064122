"""A claim's own rules: filing, the steps of different persons, payment once."""

from __future__ import annotations

from datetime import date

import msgspec
import pytest

from services.payment.domain.claim import (
    Accept,
    Approve,
    Command,
    ConfirmPayment,
    File,
    Order,
    Publicise,
    RecordFailure,
    RecordReview,
    Refuse,
    claim,
)
from services.payment.domain.claim_state import Claim, Event
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
from shared.testing.scenario import Scenario, given
from tests.domain.payment import facts as f

AFTER_NOTICE = date(2024, 6, 14)


def standing(*history: Event) -> Scenario[Command]:
    """A claim with this history."""
    return given(claim, *history)


def file(*, taken: bool = False, **other: str) -> File:
    return File(claimed=msgspec.structs.replace(f.claimed, **other), taken=taken)


def review(
    handler: str = f.REVIEWER, stage: str = "FIRST_REVIEW", reviews: tuple[str, ...] = f.ONE
) -> Command:
    return RecordReview(handler_id=handler, stage=stage, reviews=reviews)  # type: ignore[arg-type]


def publicise(handler: str = f.PUBLISHER, reviews: tuple[str, ...] = f.ONE) -> Publicise:
    p = f.publicised
    return Publicise(
        handler_id=handler,
        notice_id=p.notice_id,
        opens_on=p.opens_on,
        closes_on=p.closes_on,
        reviews=reviews,
    )


def approve(handler: str = f.APPROVER, on: date = AFTER_NOTICE) -> Approve:
    return Approve(handler_id=handler, business_date=on)


def refuse(handler: str, *reasons: str, reviews: tuple[str, ...] = f.ONE) -> Refuse:
    return Refuse(handler_id=handler, reasons=reasons, reviews=reviews)


def order(handler: str = f.PAYER, batch: str = f.BATCH, region: str = f.XIAMEN) -> Order:
    return Order(handler_id=handler, batch_id=batch, region=region)


def confirm(
    amount: int = 70000, batch: str = f.BATCH, ref: str = "B-1", digest: str = "d1"
) -> ConfirmPayment:
    return ConfirmPayment(
        batch_id=batch, amount_fen=amount, paid_on=AFTER_NOTICE, bank_ref=ref, receipt_digest=digest
    )


def fail(code: str = "ACCOUNT_CLOSED", amount: int = 70000, batch: str = f.BATCH) -> RecordFailure:
    return RecordFailure(batch_id=batch, amount_fen=amount, code=code, receipt_digest="d1")


def test_a_claim_is_filed_once() -> None:
    standing().when(file()).then(f.claimed).when(file()).then_nothing()


def test_a_taken_entitlement_files_and_refuses_the_claim_without_an_amount() -> None:
    standing().when(file(taken=True)).then(f.without_amount, f.refused_by_rule).when(
        file(taken=True)
    ).then_nothing()


def test_a_line_that_was_filed_with_another_certificate_is_refused() -> None:
    standing(f.claimed).when(file(certificate_id=f.certificate_of("wang"))).then_refused(AlreadyFiled, "line")


def test_the_steps_follow_one_another_up_to_payment() -> None:
    (
        standing(f.claimed)
        .when(Accept(handler_id=f.ACCEPTOR))
        .then(f.accepted)
        .when(review())
        .then(f.reviewed)
        .when(publicise())
        .then(f.publicised)
        .when(approve())
        .then(f.approved)
        .when(order())
        .then(f.ordered)
        .when(confirm())
        .then(f.paid)
    )


def test_with_two_review_stages_the_notice_waits_for_the_second() -> None:
    once = standing(f.claimed, f.accepted, f.reviewed)
    once.when(publicise(reviews=f.BOTH)).then_refused(WrongStage)
    twice = once.when(review(f.SECOND, "RE_REVIEW", f.BOTH)).then(f.re_reviewed)
    twice.when(publicise(reviews=f.BOTH)).then(f.publicised)


@pytest.mark.parametrize(
    ("history", "command"),
    [
        ((f.claimed, f.accepted), Accept(handler_id=f.ACCEPTOR)),
        ((f.claimed, f.accepted, f.reviewed), review()),
        ((f.claimed, f.accepted, f.reviewed, f.publicised), publicise()),
        (f.TO_APPROVED, approve()),
        ((f.claimed, f.refused_by("h-9", "ACCEPT")), refuse("h-9", "review.evidence_insufficient")),
        ((*f.TO_APPROVED, f.ordered), order()),
    ],
)
def test_the_same_handler_doing_it_again_changes_nothing(
    history: tuple[Event, ...], command: Command
) -> None:
    standing(*history).when(command).then_nothing()


@pytest.mark.parametrize(
    "command",
    [
        Accept(handler_id="h-9"),
        review(),
        publicise(),
        approve(),
        refuse("h-9", "x.y"),
        order(),
        confirm(),
        fail(),
    ],
)
def test_nothing_can_be_done_to_a_claim_that_was_never_filed(command: Command) -> None:
    standing().when(command).then_refused(UnknownClaim)


@pytest.mark.parametrize(
    ("history", "command"),
    [
        ((f.claimed, f.accepted), Accept(handler_id="h-9")),
        ((f.claimed,), review()),
        ((f.claimed,), publicise()),
        ((f.claimed, f.accepted), publicise()),
        ((f.claimed, f.accepted, f.reviewed), approve()),
        (f.TO_APPROVED, refuse("h-9", "review.evidence_insufficient")),
        ((f.without_amount, f.refused_by_rule), Accept(handler_id="h-9")),
        ((f.without_amount, f.refused_by_rule), refuse("h-9", "review.evidence_insufficient")),
    ],
)
def test_a_step_that_the_claim_does_not_wait_for_is_refused(
    history: tuple[Event, ...], command: Command
) -> None:
    standing(*history).when(command).then_refused(WrongStage)


def test_scenario_10_the_first_reviewer_may_not_review_again() -> None:
    first = standing(f.claimed, f.accepted, f.reviewed)
    first.when(review(f.REVIEWER, "RE_REVIEW", f.BOTH)).then_refused(ActedAlready)


@pytest.mark.parametrize("handler", [f.ACCEPTOR, f.REVIEWER])
def test_scenario_10_who_accepted_or_reviewed_may_not_approve(handler: str) -> None:
    """Also while the notice is open: who may not act at all is told so first."""
    noticed = standing(f.claimed, f.accepted, f.reviewed, f.publicised)
    noticed.when(approve(handler)).then_refused(ActedAlready)
    noticed.when(approve(handler, on=date(2024, 6, 7))).then_refused(ActedAlready)
    noticed.when(refuse(handler, "review.evidence_insufficient")).then_refused(ActedAlready)


def test_who_accepted_may_not_review() -> None:
    standing(f.claimed, f.accepted).when(review(f.ACCEPTOR)).then_refused(ActedAlready)


@pytest.mark.parametrize("handler", [f.ACCEPTOR, f.REVIEWER, f.APPROVER])
def test_the_payer_is_none_of_those_who_accepted_reviewed_or_approved(handler: str) -> None:
    standing(*f.TO_APPROVED).when(order(handler)).then_refused(PayerReviewed)


def test_public_notice_may_be_given_by_somebody_who_acted_and_bars_nobody() -> None:
    noticed = msgspec.structs.replace(f.publicised, handler_id=f.REVIEWER)
    standing(f.claimed, f.accepted, f.reviewed).when(publicise(f.REVIEWER)).then(noticed)
    standing(f.claimed, f.accepted, f.reviewed, f.publicised).when(approve(f.PUBLISHER)).then(
        msgspec.structs.replace(f.approved, handler_id=f.PUBLISHER)
    )


def test_approval_waits_until_the_notice_has_closed() -> None:
    noticed = standing(f.claimed, f.accepted, f.reviewed, f.publicised)
    noticed.when(approve(on=date(2024, 6, 13))).then_refused(NoticeStillOpen)
    noticed.when(approve(on=date(2024, 6, 14))).then(f.approved)


@pytest.mark.parametrize(
    ("history", "stage"),
    [
        ((f.claimed,), "ACCEPT"),
        ((f.claimed, f.accepted), "FIRST_REVIEW"),
        ((f.claimed, f.accepted, f.reviewed), "APPROVE"),
        ((f.claimed, f.accepted, f.reviewed, f.publicised), "APPROVE"),
    ],
)
def test_a_handler_refuses_at_the_step_that_the_claim_waits_for(
    history: tuple[Event, ...], stage: str
) -> None:
    standing(*history).when(refuse("h-9", "review.evidence_insufficient")).then(f.refused_by("h-9", stage))


def test_a_refusal_needs_a_reason() -> None:
    standing(f.claimed).when(refuse("h-9")).then_refused(ReasonRequired, "reasons")


def test_only_an_approved_claim_of_the_region_is_ordered_and_in_one_batch_at_a_time() -> None:
    standing(f.claimed, f.accepted).when(order()).then_refused(ClaimNotApproved)
    standing(*f.TO_APPROVED).when(order(region=f.FUZHOU)).then_refused(OtherRegion)
    standing(*f.TO_APPROVED, f.ordered).when(order(batch=f.SECOND_BATCH)).then_refused(ClaimNotApproved)


def test_scenario_12_three_receipts_pay_once() -> None:
    once = standing(*f.TO_APPROVED, f.ordered).when(confirm()).then(f.paid)
    once.when(confirm()).then_nothing()
    once.when(confirm(ref="B-2", digest="d2")).then_nothing()


def test_the_bank_must_confirm_the_approved_amount() -> None:
    awaiting = standing(*f.TO_APPROVED, f.ordered)
    awaiting.when(confirm(amount=69999)).then_refused(AmountDiffers, "amount_fen")
    awaiting.when(fail(amount=70001)).then_refused(AmountDiffers, "amount_fen")


def test_a_line_has_one_answer() -> None:
    standing(*f.TO_APPROVED, f.ordered, f.paid).when(fail()).then_refused(AlreadyAnswered)
    standing(*f.TO_APPROVED, f.ordered, f.paid).when(confirm(amount=1)).then_refused(AlreadyAnswered)
    standing(*f.TO_APPROVED, f.ordered, f.failed).when(confirm()).then_refused(AlreadyAnswered)


def test_the_bank_answers_only_for_the_batch_of_the_claim() -> None:
    standing(*f.TO_APPROVED).when(confirm()).then_refused(NotOrdered)
    standing(*f.TO_APPROVED, f.ordered).when(confirm(batch=f.SECOND_BATCH)).then_refused(NotOrdered)
    standing(*f.TO_APPROVED, f.ordered).when(fail(batch=f.SECOND_BATCH)).then_refused(NotOrdered)


def test_a_failed_payment_may_be_ordered_again_also_by_the_same_payer() -> None:
    again = msgspec.structs.replace(f.ordered, batch_id=f.SECOND_BATCH)
    reordered = (
        standing(*f.TO_APPROVED, f.ordered)
        .when(fail())
        .then(f.failed)
        .when(order(batch=f.SECOND_BATCH))
        .then(again)
    )
    reordered.when(fail()).then_nothing()
    reordered.when(confirm()).then_refused(AlreadyAnswered)
    reordered.when(confirm(batch=f.SECOND_BATCH)).then(
        msgspec.structs.replace(f.paid, batch_id=f.SECOND_BATCH)
    )


@pytest.mark.parametrize(
    "code", ["", "closed account", "6222000000000000001", "A6222000000000000001", "x" * 33]
)
def test_a_failure_needs_a_plain_code_that_holds_no_account_number(code: str) -> None:
    standing(*f.TO_APPROVED, f.ordered).when(fail(code)).then_refused(CodeMalformed, "code")


def test_the_state_of_no_fact_is_the_initial_one() -> None:
    assert claim.fold([]) == Claim()
