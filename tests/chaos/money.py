"""Money and entitlements, from the bytes of payment's facts: nothing paid twice, nothing paid to nobody."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from shared.contracts.fact import decode
from shared.contracts.payment import (
    ClaimApproved,
    EntitlementRefused,
    EntitlementReleased,
    EntitlementReserved,
    PaymentBatchCreated,
    PaymentBatchReconciled,
    PaymentFailed,
    PaymentOrdered,
    SubsidyClaimed,
    SubsidyPaid,
)
from tests.chaos.rows import Stores

PAID = "PAID"
SERVICE = "payment"


@dataclass(slots=True)
class Claim:
    """One claim's way, as far as money goes."""

    filed: int = 0
    approved: list[int] = field(default_factory=list)
    ordered: list[int] = field(default_factory=list)
    paid: list[int] = field(default_factory=list)
    failed: int = 0


@lru_cache(maxsize=100_000)
def _read(state: bytes) -> Any:
    return decode(state).data


def _facts(stores: Stores) -> Iterator[Any]:
    """Payment's facts in the order of its positions."""
    rows = (row for row in stores.stored if row.service == SERVICE)
    for row in sorted(rows, key=lambda row: row.position):
        yield _read(row.state)


def _claims(stores: Stores) -> dict[str, Claim]:
    claims: dict[str, Claim] = defaultdict(Claim)
    for fact in _facts(stores):
        match fact:
            case SubsidyClaimed():
                claims[fact.claim_id].filed += 1
            case ClaimApproved():
                claims[fact.claim_id].approved.append(fact.amount_fen)
            case PaymentOrdered():
                claims[fact.claim_id].ordered.append(fact.amount_fen)
            case SubsidyPaid():
                claims[fact.claim_id].paid.append(fact.amount_fen)
            case PaymentFailed():
                claims[fact.claim_id].failed += 1
    return claims


def payments(stores: Stores) -> Iterator[str]:
    """One payment a claim, of what was approved and ordered; ordered again only after a failure."""
    for claim_id, claim in _claims(stores).items():
        if claim.filed != 1:
            yield f"申领应提出一次 / claim {claim_id} was filed {claim.filed} times"
        if len(claim.paid) > 1:
            yield f"重复支付 / claim {claim_id} was paid {len(claim.paid)} times"
        if len(claim.ordered) > claim.failed + 1:
            yield f"重复拨付 / claim {claim_id} was ordered {len(claim.ordered)} times"
        if claim.paid and not set(claim.paid) == set(claim.approved) == set(claim.ordered):
            yield (
                f"金额不符 / claim {claim_id} was paid {claim.paid} fen, approved {claim.approved}, "
                f"ordered {claim.ordered}"
            )


def bank_lines(stores: Stores) -> Iterator[str]:
    """What the bank paid is what payment recorded: claim by claim, and in all."""
    lines: dict[str, set[tuple[str, str, int]]] = defaultdict(set)
    for line in stores.bank:
        if line.result == PAID:
            lines[line.claim_id].add((line.document, line.batch_id, line.amount_fen))
    paid = {claim_id: claim.paid for claim_id, claim in _claims(stores).items() if claim.paid}
    for claim_id in sorted(lines.keys() | paid.keys()):
        amounts = sorted(amount for _, _, amount in lines[claim_id])
        if amounts != paid.get(claim_id, []):
            yield (
                f"与银行不符 / claim {claim_id}: the bank paid {amounts} fen, recorded {paid.get(claim_id, [])}"
            )
    by_bank = sum(amount for found in lines.values() for _, _, amount in found)
    recorded = sum(sum(amounts) for amounts in paid.values())
    shown = sum(row.paid_fen for row in stores.claims)
    if not by_bank == recorded == shown:
        yield (
            f"总额不守恒 / the bank paid {by_bank} fen, facts say {recorded}, the read model of claims {shown}"
        )


def batches(stores: Stores) -> Iterator[str]:
    """A batch's total is that of its orders; it is reconciled once, with what was paid of it."""
    created: dict[str, int] = {}
    ordered: Counter[str] = Counter()
    paid: Counter[str] = Counter()
    reconciled: dict[str, list[int]] = defaultdict(list)
    for fact in _facts(stores):
        match fact:
            case PaymentBatchCreated():
                created[fact.batch_id] = fact.total_fen
            case PaymentOrdered():
                ordered[fact.batch_id] += fact.amount_fen
            case SubsidyPaid():
                paid[fact.batch_id] += fact.amount_fen
            case PaymentBatchReconciled():
                reconciled[fact.batch_id].append(fact.paid_fen)
    for batch_id, total in created.items():
        if ordered[batch_id] != total:
            yield f"批次总额不符 / batch {batch_id}: {total} fen, its orders {ordered[batch_id]}"
        if reconciled[batch_id] != [paid[batch_id]]:
            yield (
                f"批次对账不符 / batch {batch_id}: reconciled as {reconciled[batch_id]}, paid {paid[batch_id]}"
            )


def claim_rows(stores: Stores) -> Iterator[str]:
    """The read model of claims shows what their facts say of money."""
    claims, rows = _claims(stores), {row.claim_id: row for row in stores.claims}
    for claim_id in sorted(claims.keys() ^ rows.keys()):
        yield f"读模型与事实不符 / claim {claim_id} is not both in facts and in the read model"
    for claim_id in sorted(claims.keys() & rows.keys()):
        paid, row = claims[claim_id].paid, rows[claim_id]
        if (row.stage == PAID) != bool(paid) or row.paid_fen != sum(paid):
            yield f"读模型与事实不符 / claim {claim_id}: shown as {row.stage} {row.paid_fen}, facts {paid}"


def entitlements(stores: Stores) -> Iterator[str]:
    """Two live entitlements for one person, occupation and level: never."""
    live: dict[tuple[str, str, str], str] = {}
    for fact in _facts(stores):
        if not isinstance(fact, (EntitlementReserved, EntitlementReleased, EntitlementRefused)):
            continue
        key = fact.person_id, fact.occupation_id, fact.level
        if isinstance(fact, EntitlementReserved):
            if key in live:
                yield f"重复享受 / {key}: claim {fact.claim_id} holds what {live[key]} holds"
            live[key] = fact.claim_id
        elif isinstance(fact, EntitlementReleased):
            if live.pop(key, "") != fact.claim_id:
                yield f"释放了他人的资格 / {key}: claim {fact.claim_id} released what it did not hold"
        elif live.get(key) != fact.conflicts_with:
            yield f"拒绝无据 / {key}: claim {fact.claim_id} was refused for one that held nothing"
