"""Laws that hold whatever is asked, in whatever order."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

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
from services.payment.domain.claim_state import Claim
from services.payment.domain.entitlement_account import Release, Reserve, entitlement_account
from shared.contracts.payment import (
    ClaimAccepted,
    ClaimApproved,
    ClaimReviewed,
    EntitlementReleased,
    EntitlementReserved,
    PaymentOrdered,
    SubsidyClaimed,
    SubsidyPaid,
)
from shared.decider import Decider
from shared.refusal import Refusal
from tests.domain.payment import facts as f

handlers = st.sampled_from(("h-1", "h-2", "h-3", "h-4"))
batches = st.sampled_from((f.BATCH, f.SECOND_BATCH))
amounts = st.sampled_from((70000, 70000, 70000, 1, 84000))
stages = st.sampled_from((f.ONE, f.ONE, f.BOTH, ()))
days = st.integers(0, 20).map(lambda n: date(2024, 6, 6) + timedelta(days=n))
claim_commands: st.SearchStrategy[Command] = st.one_of(
    st.builds(File, claimed=st.just(f.claimed), taken=st.sampled_from((False, False, False, True))),
    st.builds(Accept, handler_id=handlers),
    st.builds(
        RecordReview,
        handler_id=handlers,
        stage=st.sampled_from(("FIRST_REVIEW", "RE_REVIEW")),
        reviews=stages,
    ),
    st.builds(
        Publicise,
        handler_id=handlers,
        notice_id=st.just("n"),
        opens_on=st.just(date(2024, 6, 6)),
        closes_on=st.just(date(2024, 6, 13)),
        reviews=stages,
    ),
    st.builds(Approve, handler_id=handlers, business_date=days),
    st.builds(
        Refuse, handler_id=handlers, reasons=st.just(("review.evidence_insufficient",)), reviews=stages
    ),
    st.builds(Order, handler_id=handlers, batch_id=batches, region=st.just(f.XIAMEN)),
    st.builds(
        ConfirmPayment,
        batch_id=batches,
        amount_fen=amounts,
        paid_on=days,
        bank_ref=st.just("B"),
        receipt_digest=st.just("d"),
    ),
    st.builds(
        RecordFailure,
        batch_id=batches,
        amount_fen=amounts,
        code=st.just("CLOSED"),
        receipt_digest=st.just("d"),
    ),
)
account_commands = st.one_of(
    st.builds(
        kind,
        person_id=st.just(f.LI_NA),
        claim_id=st.sampled_from(("c-1", "c-2", "c-3", "c-4")),
        occupation_id=st.sampled_from(("elder-carer", "electrician")),
        level=st.sampled_from(("5", "X")),
    )
    for kind in (Reserve, Release)
)
PATH: tuple[Command, ...] = (
    File(claimed=f.claimed, taken=False),
    Accept(handler_id="h-1"),
    RecordReview(handler_id="h-2", stage="FIRST_REVIEW", reviews=f.ONE),
    Publicise(
        handler_id="h-1",
        notice_id="n",
        opens_on=date(2024, 6, 6),
        closes_on=date(2024, 6, 13),
        reviews=f.ONE,
    ),
    Approve(handler_id="h-3", business_date=date(2024, 6, 14)),
    Order(handler_id="h-4", batch_id=f.BATCH, region=f.XIAMEN),
)


def lived(decider: Decider[Any, Any, Any], commands: list[Any]) -> list[Any]:
    """The facts of a stream that was asked all this. Whatever takes effect changes nothing the second time."""
    history: list[Any] = []
    state = decider.initial
    for command in commands:
        try:
            facts = decider.decide(command, state)
        except Refusal:
            continue
        history += facts
        state = decider.fold(facts, state)
        assert decider.decide(command, state) == []
    assert decider.fold(history) == state
    return history


asked = st.tuples(
    st.integers(0, len(PATH)).map(lambda n: list(PATH[:n])), st.lists(claim_commands, max_size=30)
).map(lambda parts: parts[0] + parts[1])


@given(asked)
@settings(max_examples=300, deadline=None)
def test_a_claim_is_paid_at_most_once_and_never_more_than_was_computed(commands: list[Command]) -> None:
    history = lived(claim, commands)
    computed = sum(fact.computed_fen for fact in history if isinstance(fact, SubsidyClaimed))
    payments = [fact.amount_fen for fact in history if isinstance(fact, SubsidyPaid)]
    assert len(payments) <= 1
    assert sum(payments) <= computed
    approved = [fact.amount_fen for fact in history if isinstance(fact, ClaimApproved)]
    assert payments in ([], approved)


@given(asked)
@settings(max_examples=300, deadline=None)
def test_acceptor_reviewers_approver_and_payer_are_all_different(commands: list[Command]) -> None:
    history = lived(claim, commands)
    deciding = [x.handler_id for x in history if isinstance(x, (ClaimAccepted, ClaimReviewed, ClaimApproved))]
    payers = {fact.handler_id for fact in history if isinstance(fact, PaymentOrdered)}
    assert len(deciding) == len(set(deciding))
    assert payers.isdisjoint(deciding)


@given(st.lists(account_commands, max_size=30))
@settings(max_examples=300, deadline=None)
def test_there_are_never_two_live_reservations_for_one_key(commands: list[Reserve | Release]) -> None:
    live: Counter[tuple[str, str]] = Counter()
    for fact in lived(entitlement_account, commands):
        if isinstance(fact, EntitlementReserved):
            live[fact.occupation_id, fact.level] += 1
        elif isinstance(fact, EntitlementReleased):
            live[fact.occupation_id, fact.level] -= 1
        assert set(live.values()) <= {0, 1}


def test_the_path_of_the_laws_leads_to_an_order() -> None:
    """Else the laws above would look at claims that never come near payment."""
    state: Claim = claim.fold(lived(claim, list(PATH)))
    assert state.stage == "ORDERED"
