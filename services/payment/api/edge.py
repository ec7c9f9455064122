"""The edge: who asks, how a refusal is answered, how a command and a query leave the event loop."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import Depends, Header, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from sqlalchemy import Connection, Engine

from services.payment.api.models import NewAccount
from services.payment.domain.refusals import ActedAlready, PayerReviewed
from shared.access.actor import Actor
from shared.access.commands import (
    Commanded,
    DutyNotHeld,
    HttpCommand,
    IdempotencyKeyMissing,
    causation_id,
    record_refusal,
    refused_actions_id,
    run_command,
)
from shared.contracts.codes.catalogue import CATALOGUE
from shared.contracts.payment import SERVICE
from shared.eventstore.businessdate import STREAM, business_day, business_day_reads
from shared.eventstore.changes import Reads
from shared.eventstore.desk import Draft, NotRead
from shared.eventstore.execute import Executor
from shared.policy.book import PolicyBook
from shared.refusal import Refusal
from shared.telemetry.traceparent import child_of

T = TypeVar("T")
Dependency = Callable[..., Any]
RegisterAccount = Callable[[str, NewAccount], str]
"""(person id, account) → the vault's account id; the same for the same person and number, or a repetition of
the request would be another request. Blocks; called in a thread before the claim is decided."""

_STATUS = {
    "action.not_authenticated": 401,
    "action.duty_not_held": 403,
    "claim.unknown": 404,
    "claim.certificate_unknown": 404,
    "action.idempotency_key_reused": 409,
    "businessday.not_open": 409,
    "claim.already_filed": 409,
    "entitlement.already_used": 409,
    "batch.empty": 409,
}
"""HTTP status by code; every other refusal is 422."""


class NoDayOpen(Refusal):
    """The first business day has not been adopted: nothing can be decided."""

    code = "businessday.not_open"


class Reply(msgspec.Struct, frozen=True):
    """An answer as it is stored for repetitions: its HTTP status and its body.

    A refusal that must leave a fact behind (R63) is such an answer; an exception would leave nothing.
    """

    status: int
    body: Any


class _Stored(msgspec.Struct, frozen=True):
    status: int
    body: msgspec.Raw


Decide = Callable[[Draft, Commanded], Reply]
Needs = Callable[[Draft], Reads]


def problem(code: str, field: str = "") -> dict[str, Any]:
    """The body that tells a refusal."""
    known = CATALOGUE.get(code)
    return {"code": code, "zh": known.zh if known else "", "en": known.en if known else "", "field": field}


def refused(code: str, field: str = "", **more: Any) -> Reply:
    """A refusal as a stored answer."""
    return Reply(_STATUS.get(code, 422), problem(code, field) | more)


class RefusingRoute(APIRoute):
    """Turns refusals into `Problem`; what a request's fields held is never echoed."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """See `APIRoute`."""
        inner = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await inner(request)
            except Refusal as refusal:
                code, field = refusal.code, refusal.field
            except RequestValidationError as error:
                place = error.errors()[0]["loc"]
                code, field = "submission.invalid_field", ".".join(str(part) for part in place[1:])
            return JSONResponse(problem(code, field), status_code=_STATUS.get(code, 422))

        return handle


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


def asked_by(authenticate: Dependency) -> Dependency:
    """A dependency that answers `Asked`. Raises: IdempotencyKeyMissing."""

    async def asked(
        request: Request,
        actor: Annotated[Actor, Depends(authenticate)],
        idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
        traceparent: Annotated[str, Header(max_length=100)] = "",
    ) -> Asked:
        if not idempotency_key:
            raise IdempotencyKeyMissing("Idempotency-Key")
        return Asked(actor, idempotency_key, await request.body(), child_of(traceparent), datetime.now(UTC))

    return asked


def handler_by(authenticate: Dependency) -> Dependency:
    """A dependency that answers the `Actor`, a handler with some duty. Raises: DutyNotHeld."""

    async def handler(actor: Annotated[Actor, Depends(authenticate)]) -> Actor:
        if actor.kind != "handler" or not actor.duties:
            raise DutyNotHeld
        return actor

    return handler


_RECORDED = (DutyNotHeld, ActedAlready, PayerReviewed)


def record(
    draft: Draft, commanded: Commanded, refusal: Refusal, *, action: str, duty: str, subject: str
) -> None:
    """Stages the fact of a refused attempt (R63), where the refusal is one of duty or of its separation."""
    if isinstance(refusal, _RECORDED):
        record_refusal(draft, commanded, refusal, action=action, duty=duty, subject=subject)


@dataclass(frozen=True, slots=True)
class _Today:
    """Asks for the business date."""

    def reads(self, _draft: Draft) -> Reads:
        return business_day_reads()

    def perform(self, draft: Draft) -> date | None:
        return draft.state(business_day, STREAM)


@dataclass(frozen=True, slots=True)
class Edge:
    """What the routes work with. Blocking calls go to a thread."""

    executor: Executor
    engine: Engine
    book: PolicyBook
    register_account: RegisterAccount

    async def run(self, asked: Asked, needs: Needs, decide: Decide, *, body: bytes | None = None) -> Response:
        """Decides a command and answers. Raises: NoDayOpen, IdempotencyKeyReused and what `decide` refuses.

        `body` is what the Idempotency-Key is bound to, where that must not be the request's own bytes.
        """

        def needed(draft: Draft) -> Reads:
            day = draft.state(business_day, STREAM)
            if day is None:
                return Reads()
            own = refused_actions_id(SERVICE, asked.actor, day.isoformat())
            return needs(draft) | Reads(streams=frozenset((own,)))

        def on_a_day(draft: Draft, commanded: Commanded) -> Reply:
            if draft.state(business_day, STREAM) is None:
                raise NoDayOpen
            return decide(draft, commanded)

        causation = causation_id(SERVICE, asked.actor, asked.key)
        command = HttpCommand(
            commanded=Commanded(asked.actor, causation, asked.traceparent, asked.now),
            body=asked.body if body is None else body,
            needs=needed,
            decide=on_a_day,
        )
        answer = await asyncio.to_thread(run_command, self.executor, command)
        stored = msgspec.json.decode(answer, type=_Stored)
        return Response(bytes(stored.body), status_code=stored.status, media_type="application/json")

    async def ask(self, query: Callable[[Connection], T]) -> T:
        """Runs a query of a read model."""

        def connected() -> T:
            with self.engine.connect() as connection:
                return query(connection)

        return await asyncio.to_thread(connected)

    async def today(self) -> date | None:
        """The business date, None before the first."""
        done = await asyncio.to_thread(self.executor.run, [_Today()])
        return done.results[0]


def as_far_as_known(wanted: Reads, more: Callable[[], Reads]) -> Reads:
    """`wanted`, and what follows from it once it has been read."""
    try:
        return wanted | more()
    except NotRead:
        return wanted
