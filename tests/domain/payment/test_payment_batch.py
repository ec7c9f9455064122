"""A payment batch: made once, closed when the bank has answered every line."""

from __future__ import annotations

import pytest

from services.payment.domain.payment_batch import (
    BatchEmpty,
    CreateBatch,
    ReconcileBatch,
    TooManyClaims,
    payment_batch,
)
from shared.contracts.payment import PaymentBatchCreated, PaymentBatchReconciled
from shared.testing.scenario import given
from tests.domain.payment.facts import BANK, BATCH, XIAMEN

created = PaymentBatchCreated(
    batch_id=BATCH, region=XIAMEN, bank=BANK, claims=["c-1", "c-2"], total_fen=154000, decision_jws=None
)
reconciled = PaymentBatchReconciled(batch_id=BATCH, paid_fen=70000, failed_fen=84000)


def create(*claims: str) -> CreateBatch:
    return CreateBatch(batch_id=BATCH, region=XIAMEN, bank=BANK, claims=claims, total_fen=154000)


def test_a_batch_is_made_once() -> None:
    given(payment_batch).when(create("c-1", "c-2")).then(created).when(create("c-1", "c-2")).then_nothing()


def test_an_empty_batch_is_refused() -> None:
    given(payment_batch).when(create()).then_refused(BatchEmpty)


def test_a_batch_holds_at_most_300_claims() -> None:
    given(payment_batch).when(create(*(f"c-{n}" for n in range(301)))).then_refused(TooManyClaims)


def test_the_batch_is_reconciled_with_the_last_answer_and_once() -> None:
    half = ReconcileBatch(paid={"c-1": 70000}, failed={})
    whole = ReconcileBatch(paid={"c-1": 70000}, failed={"c-2": 84000})
    waiting = given(payment_batch, created)
    waiting.when(half).then_nothing()
    waiting.when(whole).then(reconciled).when(whole).then_nothing()


@pytest.mark.parametrize("answers", [{}, {"c-1": 70000}])
def test_a_batch_that_was_never_made_is_not_reconciled(answers: dict[str, int]) -> None:
    given(payment_batch).when(ReconcileBatch(paid=answers, failed={})).then_nothing()
