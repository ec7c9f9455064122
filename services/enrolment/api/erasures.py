"""Erasure of a person's data: ordered by one handler of the duty ERASURE, confirmed by another."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Response

from services.enrolment.api.models import (
    Deleted,
    ErasureDecision,
    ErasureOrder,
    ErasureOutcome,
    ErasureView,
)
from services.enrolment.api.persons import PersonUnknown
from services.enrolment.domain.erasure import (
    Command,
    ConfirmErasure,
    Erasure,
    OrderErasure,
    SameHandler,
    WithdrawErasure,
    erasure,
    open_claims,
)
from shared.access.actor import Actor
from shared.access.answers import PROBLEMS
from shared.access.bearer import require
from shared.access.commands import Commanded, record_refusal
from shared.access.edge import Asked, Dependency, Edge, Reply, asked_by, refused
from shared.contracts.enrolment import SERVICE
from shared.contracts.fact import PROVINCE
from shared.contracts.payment import SERVICE as PAYMENT
from shared.contracts.payment import ErasureAnswered
from shared.eventstore.changes import Reads
from shared.eventstore.desk import Draft
from shared.identity import erasure_id

ERASURE = "ERASURE"

PersonKnown = Callable[[str], bool]
"""Whether the vault has a person of that id, erased or not. Blocks."""


def router(edge: Edge, authenticate: Dependency, person_known: PersonKnown) -> APIRouter:
    """The routes. `edge` decides on enrolment's store."""
    routes = APIRouter(responses=PROBLEMS, tags=["erasure"])
    asked = asked_by(authenticate)
    _add_order(routes, edge, asked, person_known)
    _add_decision(routes, edge, asked)
    _add_view(routes, edge, authenticate)
    return routes


def _add_order(routes: APIRouter, edge: Edge, asked_by: Dependency, person_known: PersonKnown) -> None:
    @routes.post("/persons/{person_id}/erasure", response_model=ErasureOutcome)
    async def order(
        person_id: UUID, body: ErasureOrder, asked: Annotated[Asked, Depends(asked_by)]
    ) -> Response:
        """下达删除 / Orders an erasure (duty ERASURE); again where a payment held the last order up."""
        person = str(person_id)
        await edge.demand(asked, ERASURE, action="OrderErasure", subject=person)
        if not await asyncio.to_thread(person_known, person):
            raise PersonUnknown("person_id")

        def decide(draft: Draft, commanded: Commanded) -> Reply:
            command = OrderErasure(
                person_id=person,
                handler_id=commanded.actor.id,
                reason=body.reason,
                answer=_answer(draft, person),
            )
            return _decided(draft, commanded, person, command)

        return await edge.run(asked, decide, body=person.encode() + asked.body)


def _add_decision(routes: APIRouter, edge: Edge, asked_by: Dependency) -> None:
    @routes.post("/persons/{person_id}/erasure/decision", response_model=ErasureOutcome)
    async def decision(
        person_id: UUID, body: ErasureDecision, asked: Annotated[Asked, Depends(asked_by)]
    ) -> Response:
        """确认或撤回 / Confirms the order, by another handler, or withdraws it (duty ERASURE).

        From the confirmation on nothing takes the erasure back. Whoever ordered and tries to confirm is refused,
        and the attempt is recorded.
        """
        person = str(person_id)
        await edge.demand(asked, ERASURE, action="ConfirmErasure", subject=person)

        def decide(draft: Draft, commanded: Commanded) -> Reply:
            handler = commanded.actor.id
            command: Command = (
                ConfirmErasure(person_id=person, handler_id=handler, answer=_answer(draft, person))
                if body.decision == "confirm"
                else WithdrawErasure(person_id=person, handler_id=handler)
            )
            try:
                return _decided(draft, commanded, person, command)
            except SameHandler as refusal:
                record_refusal(
                    draft, commanded, refusal, action="ConfirmErasure", duty=ERASURE, subject=person
                )
                return refused(refusal.code)

        return await edge.run(asked, decide, body=person.encode() + asked.body)


def _add_view(routes: APIRouter, edge: Edge, authenticate: Dependency) -> None:
    @routes.get("/persons/{person_id}/erasure")
    async def view(person_id: UUID, actor: Annotated[Actor, Depends(authenticate)]) -> ErasureView:
        """删除进度 / Where the latest order stands, from the facts. For ERASURE, AUDITOR and OPERATOR."""
        require(actor, ERASURE, "AUDITOR", "OPERATOR")
        person = str(person_id)
        done = await asyncio.to_thread(edge.executor.run, [_Looked(person)])
        state, answer = done.results[0]
        deleted = None if state.deleted is None else Deleted(**msgspec.structs.asdict(state.deleted))
        return ErasureView(
            person_id=person,
            status=state.status,
            order_no=state.order_no,
            reason=state.reason,
            ordered_by=state.ordered_by,
            confirmed_by=state.confirmed_by,
            open_claims=open_claims(state, answer),
            deleted=deleted,
        )


@dataclass(frozen=True, slots=True)
class _Looked:
    """A unit of work that only looks."""

    person_id: str

    def reads(self, _draft: Draft) -> Reads:
        return Reads(streams=frozenset((erasure_id(SERVICE, self.person_id),)))

    def perform(self, draft: Draft) -> tuple[Erasure, ErasureAnswered | None]:
        state = draft.state(erasure, erasure_id(SERVICE, self.person_id))
        return state, _answer(draft, self.person_id)


def _answer(draft: Draft, person_id: str) -> ErasureAnswered | None:
    found = draft.foreign(PAYMENT, ErasureAnswered, erasure_id(PAYMENT, person_id))
    return None if found is None else found.data


def _decided(draft: Draft, commanded: Commanded, person_id: str, command: Command) -> Reply:
    stream = erasure_id(SERVICE, person_id)
    given = commanded.given(draft, region=PROVINCE, correlation=stream, duty=ERASURE)
    facts = draft.execute(erasure, stream, command, given)
    number = draft.state(erasure, stream).order_no
    outcome = "done" if facts else "already"
    return Reply({"person_id": person_id, "outcome": outcome, "order_no": number, "facts": facts})
