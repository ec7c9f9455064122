"""The edge: who asks, and how a command and a query leave the event loop.

A refusal goes on as an exception: the application answers it, see `shared.runtime.web`.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import Depends, Header, Request, Response
from sqlalchemy import Connection, Engine

from shared.access.actor import Actor
from shared.access.answers import problem, status_of
from shared.access.commands import (
    Commanded,
    DutyNotHeld,
    HttpCommand,
    IdempotencyKeyMissing,
    NoDayOpen,
    causation_id,
    record_refusal,
    run_command,
)
from shared.eventstore.businessdate import STREAM, business_day, business_day_reads
from shared.eventstore.changes import Reads
from shared.eventstore.desk import Draft
from shared.eventstore.execute import Executor
from shared.policy.book import PolicyBook
from shared.telemetry.traceparent import HEADER, child_of

T = TypeVar("T")
CONTEXT = "zeren.traceparent"
"""Where a request's scope holds the context of its span, if it has one."""
Dependency = Callable[..., Any]
"""A FastAPI dependency."""


class Reply(msgspec.Struct, frozen=True):
    """An answer as it is stored for repetitions: its body and its HTTP status.

    A refusal that must leave a fact behind (R63) is such an answer; an exception would leave nothing.
    """

    body: Any
    status: int = 200


class _Stored(msgspec.Struct, frozen=True):
    body: msgspec.Raw
    status: int


_stored = msgspec.json.Decoder(_Stored)


Decide = Callable[[Draft, Commanded], Reply]
Needs = Callable[[Draft], Reads]


def refused(code: str, field: str = "", **more: Any) -> Reply:
    """A refusal as a stored answer."""
    return Reply(problem(code, field) | more, status_of(code))


def refuse_duty(
    draft: Draft, commanded: Commanded, *, action: str, duty: str, subject: str, field: str = ""
) -> Reply:
    """Records the attempt of somebody without the duty (R63); the answer to it."""
    refusal = DutyNotHeld(field)
    record_refusal(draft, commanded, refusal, action=action, duty=duty, subject=subject)
    return refused(refusal.code, field)


@dataclass(frozen=True, slots=True)
class Asked:
    """A command as it came: who, under which Idempotency-Key, with which bytes.

    Attributes:
        now: the real clock, UTC.
    """

    actor: Actor
    key: str
    body: bytes
    traceparent: str
    now: datetime


def context_of(request: Request) -> str:
    """The trace context of a request: its span's, else one in the trace that it came with."""
    context: str = request.scope.get(CONTEXT, "")
    return context or child_of(request.headers.get(HEADER, ""))


def asked_by(authenticate: Dependency) -> Dependency:
    """A dependency that answers `Asked`. Raises: IdempotencyKeyMissing."""

    async def asked(
        request: Request,
        actor: Annotated[Actor, Depends(authenticate)],
        idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
        traceparent: Annotated[str, Header(max_length=100)] = "",  # noqa: ARG001 - told in the contract, read below
    ) -> Asked:
        if not idempotency_key:
            raise IdempotencyKeyMissing("Idempotency-Key")
        return Asked(actor, idempotency_key, await request.body(), context_of(request), datetime.now(UTC))

    return asked


def handler_by(authenticate: Dependency, *, with_duty: bool = False) -> Dependency:
    """A dependency that answers the `Actor`, a handler (with some duty). Raises: DutyNotHeld."""

    async def handler(actor: Annotated[Actor, Depends(authenticate)]) -> Actor:
        if actor.kind != "handler" or (with_duty and not actor.duties):
            raise DutyNotHeld
        return actor

    return handler


class _Today:
    """A unit of work that only looks."""

    def reads(self, _draft: Draft) -> Reads:
        return business_day_reads()

    def perform(self, draft: Draft) -> date | None:
        return draft.state(business_day, STREAM)


def no_reads(_draft: Draft) -> Reads:
    """Nothing is known in advance of what a decision looks at."""
    return Reads()


@dataclass(frozen=True, slots=True)
class Edge:
    """What the routes of a service work with. Blocking calls go to a thread.

    Attributes:
        executor: decides commands, on the service's store.
        engine: of the read models.
        book: the policy in force.
    """

    executor: Executor
    engine: Engine
    book: PolicyBook

    async def run(
        self, asked: Asked, decide: Decide, needs: Needs = no_reads, *, body: bytes | None = None
    ) -> Response:
        """Decides a command on the business date and answers.

        Args:
            asked: the command.
            decide: stages facts and gives the answer.
            needs: what it looks at, as far as that can be told in advance.
            body: what the Idempotency-Key is bound to, where that must not be the request's own bytes.

        Raises: NoDayOpen, IdempotencyKeyReused and what `decide` refuses.
        """

        def on_a_day(draft: Draft, commanded: Commanded) -> Reply:
            if draft.state(business_day, STREAM) is None:
                raise NoDayOpen
            return decide(draft, commanded)

        return await self.run_undated(asked, on_a_day, needs, body=body)

    async def run_undated(
        self, asked: Asked, decide: Decide, needs: Needs = no_reads, *, body: bytes | None = None
    ) -> Response:
        """As `run`, also before the first business day."""
        causation = causation_id(self.executor.service, asked.actor, asked.key)
        command = HttpCommand(
            commanded=Commanded(asked.actor, causation, asked.traceparent, asked.now),
            body=asked.body if body is None else body,
            needs=needs,
            decide=decide,
        )
        answer = await asyncio.to_thread(run_command, self.executor, command)
        stored = _stored.decode(answer)
        return Response(bytes(stored.body), status_code=stored.status, media_type="application/json")

    async def demand(self, asked: Asked, duty: str, *, action: str, subject: str) -> None:
        """Raises: DutyNotHeld, having recorded the attempt (R63) under an idempotency key of its own.

        For what must not even begin without the duty; where a decision begins with the question, it answers
        with `refuse_duty`.
        """
        if duty in asked.actor.duties:
            return

        def record(draft: Draft, commanded: Commanded) -> Reply:
            if draft.state(business_day, STREAM) is None:
                return refused(DutyNotHeld.code)
            return refuse_duty(draft, commanded, action=action, duty=duty, subject=subject)

        await self.run_undated(replace(asked, key=f"refused/{asked.key}"), record)
        raise DutyNotHeld

    async def ask(self, query: Callable[[Connection], T]) -> T:
        """Runs a query of a read model."""

        def connected() -> T:
            with self.engine.connect() as connection:
                return query(connection)

        return await asyncio.to_thread(connected)

    async def today(self) -> date | None:
        """The business date as the store has it now, None before the first."""
        done = await asyncio.to_thread(self.executor.run, [_Today()])
        return done.results[0]
