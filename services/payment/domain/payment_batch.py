"""A payment batch (拨付批次): finance orders one bank to pay claims of one region.

Its lines are facts of the claims; the batch carries totals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import assert_never

from shared.contracts.payment import PaymentBatchCreated, PaymentBatchReconciled
from shared.decider import Decider
from shared.refusal import Refusal

MAX_CLAIMS = 300
"""Claims of one batch, one notice or one bulk decision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateBatch:
    """Makes the batch. `total_fen` is the sum of the approved amounts of `claims`."""

    batch_id: str
    region: str
    bank: str
    claims: tuple[str, ...]
    total_fen: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileBatch:
    """Closes the batch when every line has its answer.

    Attributes:
        paid, failed: fen by claim id, as far as the bank has answered lines of this batch.
    """

    paid: Mapping[str, int]
    failed: Mapping[str, int]


Command = CreateBatch | ReconcileBatch
Event = PaymentBatchCreated | PaymentBatchReconciled


class BatchEmpty(Refusal):
    """A batch without a claim."""

    code = "batch.empty"


class BankUnknown(Refusal):
    """The USCC is not a registered bank's."""

    code = "batch.bank_unknown"


class OtherBank(Refusal):
    """A bank answers for a batch that was given to another."""

    code = "batch.other_bank"


class DatedInFuture(Refusal):
    """The bank's value date lies after the business date."""

    code = "payment.dated_in_future"


class TooManyClaims(Refusal):
    """More claims than one batch may hold."""

    code = "notice.too_many_claims"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentBatch:
    """What the next decision needs to know. `claims` is empty before the batch is made."""

    batch_id: str = ""
    region: str = ""
    bank: str = ""
    claims: tuple[str, ...] = ()
    reconciled: bool = False


def decide(command: Command, state: PaymentBatch) -> list[Event]:
    """See `shared.decider`."""
    match command:
        case CreateBatch():
            return _create(command, state)
        case ReconcileBatch():
            return _reconcile(command, state)
        case _:
            assert_never(command)


def _create(command: CreateBatch, state: PaymentBatch) -> list[Event]:
    if state.claims:
        return []
    if not command.claims:
        raise BatchEmpty("claims")
    if len(command.claims) > MAX_CLAIMS:
        raise TooManyClaims("claims")
    return [
        PaymentBatchCreated(
            batch_id=command.batch_id,
            region=command.region,
            bank=command.bank,
            claims=list(command.claims),
            total_fen=command.total_fen,
            decision_jws=None,
        )
    ]


def _reconcile(command: ReconcileBatch, state: PaymentBatch) -> list[Event]:
    answered = {*command.paid, *command.failed}
    if state.reconciled or not state.claims or not answered.issuperset(state.claims):
        return []
    return [
        PaymentBatchReconciled(
            batch_id=state.batch_id,
            paid_fen=sum(command.paid.values()),
            failed_fen=sum(command.failed.values()),
        )
    ]


def evolve(state: PaymentBatch, event: Event) -> PaymentBatch:
    """See `shared.decider`."""
    match event:
        case PaymentBatchCreated(batch_id=batch, region=region, bank=bank, claims=claims):
            return PaymentBatch(batch_id=batch, region=region, bank=bank, claims=tuple(claims))
        case PaymentBatchReconciled():
            return replace(state, reconciled=True)
        case _:
            assert_never(event)


payment_batch: Decider[Command, PaymentBatch, Event] = Decider(
    "payment_batch", PaymentBatch(), decide, evolve, (PaymentBatchCreated, PaymentBatchReconciled)
)
