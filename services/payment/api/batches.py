"""Finance orders payment (拨付): batches of approved claims of one region."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response

from services.payment.api.decisions import outcome, record
from services.payment.api.models import (
    BatchCreated,
    BatchPage,
    BatchView,
    Limit,
    NewBatch,
    NoBatch,
    WantedRegion,
)
from services.payment.domain.claim import Order, claim
from services.payment.domain.keys import CLAIMS
from services.payment.domain.payment_batch import BankUnknown, CreateBatch, payment_batch
from services.payment.domain.refusals import UnknownClaim
from services.payment.domain.rules import DUTY
from services.payment.projections.batches import payment_batches
from shared.access.actor import Actor
from shared.access.commands import Commanded
from shared.access.edge import Asked, Dependency, Edge, Reply, refuse_duty, refused
from shared.access.fields import After
from shared.contracts.enrolment import InstitutionRegistered
from shared.contracts.fact import type_of
from shared.eventstore.changes import Reads
from shared.eventstore.desk import Draft
from shared.identity import derive_id, institution_id
from shared.money import yuan
from shared.refusal import Refusal

PAY = DUTY["PAY"]
NAME = "CreatePaymentBatch"
_REGISTERED = type_of("enrolment", InstitutionRegistered).name


def add_routes(routes: APIRouter, edge: Edge, asked_by: Dependency, handler: Dependency) -> None:
    """Making batches and looking at them."""

    @routes.post(
        "/payment-batches",
        status_code=201,
        response_model=BatchCreated,
        responses={409: {"model": NoBatch}},
    )
    async def create_batch(body: NewBatch, asked: Annotated[Asked, Depends(asked_by)]) -> Response:
        """拨付批次 / Orders the bank to pay up to 300 approved claims of one region. Duty D14.

        The payer is none of those who accepted, reviewed or approved a claim; such a claim is left out and the
        attempt recorded. With no claim left there is no batch (409).
        """
        batch = _Batch(body)
        return await edge.run(asked, batch.decide, batch.needs)

    @routes.get("/payment-batches", dependencies=[Depends(handler)])
    async def list_batches(region: WantedRegion = "", after: After = 0, limit: Limit = 50) -> BatchPage:
        """拨付批次列表 / Batches in the order of their making. For handlers."""
        rows = await edge.ask(
            lambda connection: payment_batches(connection, region, after=after, limit=limit)
        )
        items = [BatchView(**row, total=yuan(row["total_fen"])) for row in rows]
        return BatchPage(items=items, next=rows[-1]["created"] if len(rows) == limit else None)


@dataclass(frozen=True, slots=True)
class _Batch:
    """One order to pay."""

    body: NewBatch

    @property
    def claim_ids(self) -> list[str]:
        return [str(claim_id) for claim_id in self.body.claims]

    def needs(self, _draft: Draft) -> Reads:
        return Reads(
            streams=frozenset(self.claim_ids),
            reservations=frozenset((CLAIMS, claim_id) for claim_id in self.claim_ids),
            foreign=frozenset(((_REGISTERED, institution_id(self.body.bank)),)),
        )

    def decide(self, draft: Draft, commanded: Commanded) -> Reply:
        actor, body = commanded.actor, self.body
        if actor.kind != "handler" or PAY not in actor.duties:
            return refuse_duty(draft, commanded, action=NAME, duty=PAY, subject=self.claim_ids[0])
        bank = draft.foreign("enrolment", InstitutionRegistered, institution_id(body.bank))
        if bank is None or bank.data.kind != "BANK":
            raise BankUnknown("bank")
        batch_id = derive_id(commanded.causation_id, "batch")
        outcomes = [self._order(draft, commanded, batch_id, claim_id) for claim_id in self.claim_ids]
        ordered = [one["claim_id"] for one in outcomes if one["outcome"] == "done"]
        if not ordered:
            return refused("batch.empty", "claims", outcomes=outcomes)
        total = sum(draft.state(claim, claim_id).approved_fen for claim_id in ordered)
        create = CreateBatch(
            batch_id=batch_id, region=body.region, bank=body.bank, claims=tuple(ordered), total_fen=total
        )
        given = commanded.given(draft, region=body.region, correlation=batch_id, duty=PAY)
        facts = draft.execute(payment_batch, batch_id, create, given)
        answer = {"batch_id": batch_id, "region": body.region, "bank": body.bank, "total_fen": total}
        return Reply(answer | {"total": yuan(total), "facts": facts, "outcomes": outcomes}, 201)

    def _order(self, draft: Draft, commanded: Commanded, batch_id: str, claim_id: str) -> dict[str, Any]:
        actor: Actor = commanded.actor
        try:
            if draft.holder(CLAIMS, claim_id) is None:
                raise UnknownClaim("claims")
            state = draft.state(claim, claim_id)
            given = commanded.given(draft, region=state.region, correlation=state.enrolment_id, duty=PAY)
            order = Order(handler_id=actor.id, batch_id=batch_id, region=self.body.region)
            facts = draft.execute(claim, claim_id, order, given)
        except Refusal as refusal:
            record(draft, commanded, refusal, action=NAME, duty=PAY, subject=claim_id)
            return outcome(claim_id, refusal.code, [])
        return outcome(claim_id, "", facts)
