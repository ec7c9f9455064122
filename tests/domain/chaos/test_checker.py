"""The checker of `make chaos` finds what it is there for: each fault, planted in a sound run, is named by its check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from shared.contracts.fact import decode, header
from shared.identity import derive_id
from tests.chaos.checker import CHECKS, check
from tests.chaos.rows import Stores
from tests.domain.chaos.world import AMOUNT, BATCH, CLAIM, World, example, sound

Plant = Callable[[World], None]
OTHER = derive_id("test", "another claim")


def _found(stores: Stores) -> set[str]:
    return {name for name, found in check(stores).items() if found}


def test_nothing_is_found_in_a_sound_run() -> None:
    """A submission sent twice and a receipt delivered twice are no fault."""
    assert check(sound().stores) == {name: [] for name in CHECKS}


def _last(world: World, title: str) -> int:
    """The index of a fact in the event tables, by its bare name."""
    return max(n for n, row in enumerate(world.stores.stored) if f".{title}." in row.type)


def lost_fact(world: World) -> None:
    """The event table lacks a fact that Kafka and the ledger have."""
    del world.stores.stored[_last(world, "ClaimApproved")]


def lost_record(world: World) -> None:
    """Kafka lacks a fact."""
    del world.stores.sent[2]


def lost_acknowledged_submission(world: World) -> None:
    """The intake topic lacks what it acknowledged."""
    del world.stores.taken[1]


def lost_answer(world: World) -> None:
    """A service does not know any more what it answered."""
    world.stores.kept.clear()


def lost_receipt(world: World) -> None:
    """A submission was decided, and its sender was told nothing."""
    world.stores.delivered.clear()
    world.stores.seen.clear()


def lost_seen_receipt(world: World) -> None:
    """A receipt was there, and is not any more."""
    del world.stores.delivered[0]


def submission_without_outcome(world: World) -> None:
    """A record was read over."""
    world.stores.taken.append(replace(world.stores.taken[2], offset=7, digest="0" * 64, whole="1" * 64))


def second_receipt(world: World) -> None:
    """One body was decided twice."""
    row = world.stores.stored[_last(world, "SubmissionAccepted")]
    state = world.record("enrolment", row.stream, decode(row.state).data)
    world.stores.delivered.append(replace(world.stores.delivered[0], offset=9, value=state))


def doubled_position(world: World) -> None:
    """A position was used twice."""
    world.stores.stored[-1] = replace(world.stores.stored[-1], position=world.stores.stored[-2].position)


def gap_in_a_stream(world: World) -> None:
    """A stream's version is missing everywhere."""
    row = world.stores.stored[_last(world, "ClaimApproved")]
    world.stores.stored.remove(row)
    world.stores.sent = [one for one in world.stores.sent if one.value != row.state]
    world.stores.leaves = [one for one in world.stores.leaves if one.entry != row.state]


def other_bytes_in_kafka(world: World) -> None:
    """Kafka has another fact at a position than the event table."""
    world.stores.sent[-1] = replace(world.stores.sent[-1], value=world.stores.sent[0].value)


def other_bytes_sent_again(world: World) -> None:
    """The same position came twice, with two contents."""
    last = world.stores.sent[-1]
    world.stores.sent.append(replace(last, offset=last.offset + 1, value=world.stores.sent[0].value))


def reordered_in_kafka(world: World) -> None:
    """Two versions of one stream came the wrong way round."""
    places = [n for n, one in enumerate(world.stores.sent) if header(one.value).subject == CLAIM]
    first, second = places[:2]
    sent = world.stores.sent
    one, other = sent[first], sent[second]
    sent[first], sent[second] = replace(one, offset=other.offset), replace(other, offset=one.offset)


def broken_chain(world: World) -> None:
    """A record names another than the one before it."""
    world.stores.sent[-1] = replace(world.stores.sent[-1], previous=99)


def missing_leaf(world: World) -> None:
    """A fact is not in the ledger, and its place is not empty."""
    del world.stores.leaves[3]
    world.stores.leaves = [replace(one, index=n) for n, one in enumerate(world.stores.leaves)]


def doubled_leaf(world: World) -> None:
    """A fact stands twice in the ledger."""
    world.stores.leaves.append(replace(world.stores.leaves[0], index=len(world.stores.leaves)))


def other_bytes_in_the_ledger(world: World) -> None:
    """A leaf is not the fact."""
    world.stores.leaves[0] = replace(world.stores.leaves[0], entry=b"{}")


def reordered_leaves(world: World) -> None:
    """Two leaves of one partition stand the wrong way round."""
    leaves = world.stores.leaves
    first, second = [n for n, one in enumerate(leaves) if header(one.entry).subject == CLAIM][:2]
    one, other = leaves[first], leaves[second]
    leaves[first], leaves[second] = replace(one, index=other.index), replace(other, index=one.index)


def paid_twice(world: World) -> None:
    """Payment records the same money twice."""
    world.record("payment", CLAIM, example("payment.SubsidyPaid", amount_fen=AMOUNT))


def paid_too_much(world: World) -> None:
    """Another amount was paid than was approved."""
    row = world.stores.stored[_last(world, "ClaimApproved")]
    world.stores.stored.remove(row)
    world.record("payment", CLAIM, example("payment.ClaimApproved", amount_fen=AMOUNT - 1))


def paid_by_the_bank_alone(world: World) -> None:
    """The bank paid what payment does not know of."""
    world.stores.bank.append(replace(world.stores.bank[0], claim_id=OTHER))


def paid_twice_by_the_bank(world: World) -> None:
    """The bank answered one claim in two documents."""
    world.stores.bank.append(replace(world.stores.bank[0], document="pay-2"))


def wrong_sum_of_the_bank(world: World) -> None:
    """The bank paid one fen less than is recorded."""
    world.stores.bank[0] = replace(world.stores.bank[0], amount_fen=AMOUNT - 1)


def wrong_sum_of_a_batch(world: World) -> None:
    """A batch was ordered for another total than its orders have."""
    world.record("payment", derive_id("test", "b"), example("payment.PaymentBatchCreated", batch_id=OTHER))


def reconciled_with_another_sum(world: World) -> None:
    """A batch is reconciled with other money than was paid of it."""
    world.record("payment", BATCH, example("payment.PaymentBatchReconciled", paid_fen=1, failed_fen=0))


def wrong_sum_of_a_read_model(world: World) -> None:
    """What handlers see is not what was paid."""
    world.stores.claims[0] = replace(world.stores.claims[0], paid_fen=AMOUNT + 1)


def two_live_entitlements(world: World) -> None:
    """A second claim holds what the first holds."""
    world.record(
        "payment", derive_id("test", "account"), example("payment.EntitlementReserved", claim_id=OTHER)
    )


PLANTED: dict[Plant, set[str]] = {
    lost_fact: {"streams", "kafka_holds_the_table", "ledger", "payments"},
    lost_record: {"kafka_holds_the_table"},
    lost_acknowledged_submission: {"submissions"},
    lost_answer: {"commands"},
    lost_receipt: {"receipts"},
    lost_seen_receipt: {"receipts_stay"},
    submission_without_outcome: {"submissions"},
    second_receipt: {"receipts", "submissions"},
    doubled_position: {"positions"},
    gap_in_a_stream: {"streams", "kafka_chain", "kafka_stream_order", "ledger"},
    other_bytes_in_kafka: {"kafka_holds_the_table"},
    other_bytes_sent_again: {"kafka_holds_the_table"},
    reordered_in_kafka: {"kafka_chain", "kafka_stream_order"},
    broken_chain: {"kafka_chain"},
    missing_leaf: {"ledger"},
    doubled_leaf: {"ledger"},
    other_bytes_in_the_ledger: {"ledger"},
    reordered_leaves: {"ledger"},
    paid_twice: {"payments", "bank_lines"},
    paid_too_much: {"payments"},
    paid_by_the_bank_alone: {"bank_lines"},
    paid_twice_by_the_bank: {"bank_lines"},
    wrong_sum_of_the_bank: {"bank_lines"},
    wrong_sum_of_a_batch: {"batches"},
    reconciled_with_another_sum: {"batches"},
    wrong_sum_of_a_read_model: {"claim_rows", "bank_lines"},
    two_live_entitlements: {"entitlements"},
}
"""By planted fault, the checks that must name it; others may as well."""


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_a_planted_fault_is_found(plant: Plant) -> None:
    """Loss, double, reorder, other bytes, wrong sum: the checks that are there for it name it."""
    world = sound()
    plant(world)
    assert PLANTED[plant] <= _found(world.stores)


def test_every_check_finds_something_planted() -> None:
    """A check that no planted fault needs may find nothing at all."""
    assert set().union(*PLANTED.values()) == set(CHECKS)
