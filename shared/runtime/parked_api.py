"""HTTP for operators: what is parked, another try, giving a foreign fact up by two people, and stopped partitions."""

import base64
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Query
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from shared.access.actor import Actor
from shared.access.answers import PROBLEMS
from shared.access.bearer import require
from shared.access.commands import Commanded, HttpCommand, causation_id, run_command
from shared.access.edge import Asked, asked_by
from shared.access.fields import Reference, example
from shared.contracts.fact import PROVINCE
from shared.eventstore.changes import ParkFact, Reads, Wake
from shared.eventstore.desk import Draft
from shared.messaging.parked_facts import (
    Discard,
    NotParked,
    WaitsBehind,
    discarding,
    failed_facts,
    parked_row,
    parked_rows,
)

if TYPE_CHECKING:
    from shared.runtime.service import Context

OPERATOR = "OPERATOR"
PAGE = 200


class DiscardParkedFact(BaseModel):
    """Why a foreign fact is given up."""

    model_config = example(reason="superseded-by-correction")

    reason: Reference


class RetryParked(BaseModel):
    """Which parked submissions to try again: all that wait for this."""

    model_config = example(awaited="operator:KeyError")

    awaited: str = Field(min_length=1, max_length=200)


class Woken(BaseModel):
    """How many submissions waited for it, all woken: each is decided in its turn."""

    awaited: str
    woken: int


class Tried(BaseModel):
    """What another try came to: how many facts of the key went in, and what holds up the rest."""

    taken: int
    left: int
    error: str


class Discarded(BaseModel):
    """`discarded` once the second person agreed; until then it stays parked."""

    discarded: bool
    asked_by: str
    facts: list[str]


def parked_router(context: "Context") -> APIRouter:
    """Routes for duty OPERATOR."""
    router = APIRouter(tags=["kernel"], responses=PROBLEMS)
    asked = asked_by(context.authenticate)
    _add_views(router, context)
    _add_tries(router, context)
    _add_discard(router, context, asked)
    return router


def _operator(context: "Context") -> Any:
    async def operator(actor: Annotated[Actor, Depends(context.authenticate)]) -> Actor:
        require(actor, OPERATOR)
        return actor

    return Depends(operator)


def _add_views(router: APIRouter, context: "Context") -> None:
    @router.get("/parked-facts", dependencies=[_operator(context)])
    async def parked_facts(limit: Annotated[int, Query(ge=1, le=PAGE)] = PAGE) -> dict[str, Any]:
        """Foreign facts that could not be taken in, the oldest first, each with how many wait behind it."""
        rows = await run_in_threadpool(failed_facts, context.engine, limit)
        return {"items": [{**_head(row), "behind": behind} for row, behind in rows], "next": None}

    @router.get("/parked-facts/{fact_id}", dependencies=[_operator(context)])
    async def parked_fact(fact_id: UUID) -> dict[str, Any]:
        """One of them: the error with its trace, the fact itself, and what waits behind it."""
        row = await run_in_threadpool(_row, context, str(fact_id))
        line = await run_in_threadpool(parked_rows, context.engine, row.consumer, key=row.key, limit=PAGE)
        behind = [_head(other) for other in line if other.id != row.id]
        return {**_head(row), "trace": row.trace, "fact": _readable(row.state), "behind": behind}


def _row(context: "Context", fact_id: str) -> ParkFact:
    row = parked_row(context.engine, fact_id)
    if row is None:
        raise NotParked("id")
    return row


def _head(row: ParkFact) -> dict[str, Any]:
    shown = ("id", "consumer", "key", "source", "topic", "partition", "position", "kafka_offset", "type")
    told = {name: getattr(row, name) for name in shown}
    return {**told, "error": row.error, "traceparent": row.traceparent, "since": row.parked_at.isoformat()}


def _readable(state: bytes) -> Any:
    """The fact as JSON, or its bytes in base64 where it is none."""
    try:
        return msgspec.json.decode(state)
    except msgspec.MsgspecError:
        return {"base64": base64.b64encode(state).decode()}


def _add_tries(router: APIRouter, context: "Context") -> None:
    @router.post("/parked-facts/{fact_id}/retry", dependencies=[_operator(context)])
    async def retry(fact_id: UUID) -> Tried:
        """Tries it and those behind it again, in order, up to the next that fails. Harmless to repeat."""
        row = await run_in_threadpool(_row, context, str(fact_id))
        return await run_in_threadpool(_tried, context, row)

    @router.post("/parked/retry", dependencies=[_operator(context)])
    async def retry_submissions(body: RetryParked) -> Woken:
        """Has the submissions that wait for something tried again: after a fault was mended."""
        done = await run_in_threadpool(context.executor.run, [_Waking(body.awaited)])
        context.wakeup.ring()
        return Woken(awaited=body.awaited, woken=done.results[0])

    @router.post("/stopped/resume", dependencies=[_operator(context)])
    async def resume() -> dict[str, list[str]]:
        """Has partitions that stopped read again from where the database stands, in this process."""
        resumed = [str(at) for consumer in context.consumers for at in await consumer.resume_stopped()]
        return {"resumed": sorted(resumed)}


def _tried(context: "Context", row: ParkFact) -> Tried:
    assert context.foreign is not None
    taken = context.foreign.take_parked(context.engine, row.key)
    left = parked_rows(context.engine, row.consumer, key=row.key, limit=PAGE)
    return Tried(taken=taken, left=len(left), error=left[0].error if left else "")


class _Waking:
    """A unit of work that wakes what waits for something, and answers how many that are."""

    def __init__(self, awaited: str) -> None:
        self._awaited = awaited

    def reads(self, _draft: Draft) -> Reads:
        return Reads(awaiting=frozenset((self._awaited,)))

    def perform(self, draft: Draft) -> int:
        draft.stage(Wake(self._awaited))
        return draft.awaiting(self._awaited)


def _add_discard(router: APIRouter, context: "Context", asked_by_actor: Any) -> None:
    @router.post("/parked-facts/{fact_id}/discard", dependencies=[_operator(context)])
    async def discard(
        fact_id: UUID, body: DiscardParkedFact, asked: Annotated[Asked, Depends(asked_by_actor)]
    ) -> Discarded:
        """Gives a foreign fact up: asked by one operator, done when a second one asks the same.

        Both are named in facts; the ledger keeps the fact itself. What waited behind it is then taken in.
        """
        row = await run_in_threadpool(_row, context, str(fact_id))
        answer = await run_in_threadpool(_discard, context, row, body.reason, asked)
        if answer.discarded:
            await run_in_threadpool(_tried, context, row)
        return answer


def _discard(context: "Context", row: ParkFact, reason: str, asked: Asked) -> Discarded:
    service, stream = context.executor.service, row.id

    def needs(_draft: Draft) -> Reads:
        return Reads(streams=frozenset((stream,)), blocked=frozenset((row.consumer,)))

    def decide(draft: Draft, commanded: Commanded) -> dict[str, Any]:
        if not row.error:
            raise WaitsBehind("id")
        draft.blocked(row.consumer, row.key)
        given = commanded.given(draft, region=PROVINCE, correlation=stream, duty=OPERATOR)
        facts = draft.execute(discarding, stream, Discard(row, asked.actor.id, reason), given)
        state = draft.state(discarding, stream)
        return {"discarded": state.over, "asked_by": state.asked_by, "facts": facts}

    commanded = Commanded(
        asked.actor, causation_id(service, asked.actor, asked.key), asked.traceparent, datetime.now(UTC)
    )
    answer = run_command(context.executor, HttpCommand(commanded, asked.body, needs, decide))
    return Discarded.model_validate_json(answer)
