"""The money and the entitlements of payment's facts, kept by a ledger of the test's own that knows no decider."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from shared.contracts.fact import Envelope
from shared.contracts.intake import SubmissionAccepted, SubmissionRejected
from shared.contracts.payment import (
    ClaimApproved,
    ClaimRefused,
    EntitlementReleased,
    EntitlementReserved,
    PaymentBatchCreated,
    PaymentBatchReconciled,
    PaymentFailed,
    PaymentOrdered,
    SubsidyClaimed,
    SubsidyPaid,
)

Key = tuple[str, str, str]
"""(person, occupation, level)."""


@dataclass
class Books:
    """What the facts came to. `enter` them in order; `must_balance` after each step.

    Attributes:
        held: the claims that hold an entitlement, by key.
        orders: fen ordered, by batch and claim; paid and failed answer them.
    """

    claims: dict[str, SubsidyClaimed] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    approved: dict[str, int] = field(default_factory=dict)
    held: defaultdict[Key, set[str]] = field(default_factory=lambda: defaultdict(set))
    batches: dict[str, PaymentBatchCreated] = field(default_factory=dict)
    reconciled: dict[str, PaymentBatchReconciled] = field(default_factory=dict)
    orders: dict[tuple[str, str], int] = field(default_factory=dict)
    paid: Counter[tuple[str, str]] = field(default_factory=Counter)
    failed: Counter[tuple[str, str]] = field(default_factory=Counter)
    receipts: Counter[str] = field(default_factory=Counter)

    def enter(self, facts: Iterable[Envelope[Any]]) -> None:
        """Enters facts."""
        for fact in facts:
            self._enter(fact.data)

    def _enter(self, data: Any) -> None:
        match data:
            case SubsidyClaimed():
                self.claims[data.claim_id] = data
            case ClaimRefused():
                self.refused.add(data.claim_id)
            case ClaimApproved():
                self.approved[data.claim_id] = data.amount_fen
            case EntitlementReserved():
                self.held[data.person_id, data.occupation_id, data.level].add(data.claim_id)
            case EntitlementReleased():
                self.held[data.person_id, data.occupation_id, data.level].remove(data.claim_id)
            case PaymentBatchCreated():
                self.batches[data.batch_id] = data
            case PaymentBatchReconciled():
                assert data.batch_id not in self.reconciled
                self.reconciled[data.batch_id] = data
            case PaymentOrdered():
                self.orders[data.batch_id, data.claim_id] = data.amount_fen
            case SubsidyPaid():
                self.paid[data.batch_id, data.claim_id] += data.amount_fen
            case PaymentFailed():
                self.failed[data.batch_id, data.claim_id] += self.orders[data.batch_id, data.claim_id]
            case SubmissionAccepted() | SubmissionRejected():
                self.receipts[data.origin.digest] += 1

    def live(self) -> Counter[Key]:
        """Claims that are not refused, by key."""
        return Counter(
            (claim.person_id, claim.occupation_id, claim.level)
            for name, claim in self.claims.items()
            if name not in self.refused
        )

    def must_balance(self) -> None:
        """The laws of money and entitlement."""
        assert all(count == 1 for count in self.live().values())
        for key, claims in self.held.items():
            assert len(claims) == self.live()[key], "held without a live claim, or live without being held"
            assert not claims & self.refused
        by_claim: Counter[str] = Counter()
        for (_, claim), fen in self.paid.items():
            by_claim[claim] += fen
        for claim, fen in by_claim.items():
            assert 0 < fen == self.approved[claim] <= self.claims[claim].computed_fen
            assert claim not in self.refused
        for batch_id, batch in self.batches.items():
            self._must_balance(batch_id, batch)
        assert self.orders.keys() >= self.paid.keys() | self.failed.keys()
        assert all(count == 1 for count in self.receipts.values())

    def _must_balance(self, batch_id: str, batch: PaymentBatchCreated) -> None:
        """A batch's total is what is paid, failed and pending of it; closed, nothing is pending."""
        lines = [(batch_id, claim) for claim in batch.claims]
        assert batch.total_fen == sum(self.orders[line] for line in lines)
        assert not any(line in self.paid and line in self.failed for line in lines)
        pending = [line for line in lines if line not in self.paid and line not in self.failed]
        paid = sum(self.paid[line] for line in lines)
        failed = sum(self.failed[line] for line in lines)
        assert paid + failed + sum(self.orders[line] for line in pending) == batch.total_fen
        closed = self.reconciled.get(batch_id)
        assert (closed is None) == bool(pending)
        if closed is not None:
            assert (closed.paid_fen, closed.failed_fen) == (paid, failed)
