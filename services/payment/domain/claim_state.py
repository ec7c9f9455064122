"""What a claim's history comes to: where it stands and who acted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import Literal, NamedTuple, assert_never

from services.payment.domain.rules import SEPARATED
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

Stage = Literal[
    "NEW",
    "CLAIMED",
    "ACCEPTED",
    "FIRST_REVIEWED",
    "RE_REVIEWED",
    "PUBLICISED",
    "APPROVED",
    "ORDERED",
    "PAID",
    "PAYMENT_FAILED",
    "REFUSED",
]
Event = (
    SubsidyClaimed
    | ClaimRefused
    | ClaimAccepted
    | ClaimReviewed
    | ClaimPublicised
    | ClaimApproved
    | PaymentOrdered
    | SubsidyPaid
    | PaymentFailed
)


class Act(NamedTuple):
    """A step that was done, and who did it."""

    step: str
    handler_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What the next decision needs to know.

    Attributes:
        acts: who accepted, reviewed, publicised, approved and ordered it, in order.
        failed: batches in which the bank could not pay it.
    """

    stage: Stage = "NEW"
    claim_id: str = ""
    person_id: str = ""
    enrolment_id: str = ""
    certificate_id: str = ""
    claimant: str = ""
    region: str = ""
    occupation_id: str = ""
    level: str = ""
    account_id: str = ""
    computed_fen: int = 0
    approved_fen: int = 0
    acts: tuple[Act, ...] = ()
    refused_by: str = ""
    closes_on: date = date.min
    batch_id: str = ""
    failed: frozenset[str] = frozenset()

    def acted(self, handler_id: str) -> bool:
        """Whether the handler did a step that must be another's."""
        return any(act.handler_id == handler_id and act.step in SEPARATED for act in self.acts)

    def answered(self, batch_id: str) -> bool:
        """Whether the bank has answered this claim's line of a batch."""
        return batch_id in self.failed or (self.batch_id == batch_id and self.stage == "PAID")


def evolve(state: Claim, event: Event) -> Claim:
    """See `shared.decider`."""
    match event:
        case SubsidyClaimed():
            return _claimed(event)
        case ClaimRefused(handler_id=handler):
            return replace(state, stage="REFUSED", refused_by=handler)
        case ClaimAccepted(handler_id=handler):
            return replace(state, stage="ACCEPTED", acts=(*state.acts, Act("ACCEPT", handler)))
        case ClaimReviewed(stage=step, handler_id=handler):
            stage: Stage = "FIRST_REVIEWED" if step == "FIRST_REVIEW" else "RE_REVIEWED"
            return replace(state, stage=stage, acts=(*state.acts, Act(step, handler)))
        case ClaimPublicised(handler_id=handler, closes_on=closes_on):
            acts = (*state.acts, Act("NOTICE", handler))
            return replace(state, stage="PUBLICISED", acts=acts, closes_on=closes_on)
        case ClaimApproved(handler_id=handler, amount_fen=amount):
            acts = (*state.acts, Act("APPROVE", handler))
            return replace(state, stage="APPROVED", acts=acts, approved_fen=amount)
        case PaymentOrdered(handler_id=handler, batch_id=batch):
            return replace(state, stage="ORDERED", acts=(*state.acts, Act("PAY", handler)), batch_id=batch)
        case SubsidyPaid():
            return replace(state, stage="PAID")
        case PaymentFailed(batch_id=batch):
            return replace(state, stage="PAYMENT_FAILED", failed=state.failed | {batch})
        case _:
            assert_never(event)


def _claimed(event: SubsidyClaimed) -> Claim:
    return Claim(
        stage="CLAIMED",
        claim_id=event.claim_id,
        person_id=event.person_id,
        enrolment_id=event.enrolment_id,
        certificate_id=event.certificate_id,
        claimant=event.claimant,
        region=event.region,
        occupation_id=event.occupation_id,
        level=event.level,
        account_id=event.account_id,
        computed_fen=event.computed_fen,
    )
