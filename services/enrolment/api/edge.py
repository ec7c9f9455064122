"""The edge: who asks, how a refusal is answered, how a command and a query leave the event loop."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Header, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from sqlalchemy import Connection, Engine

from services.enrolment.api.models import NewAccount
from services.enrolment.domain.business_day import NoDayOpen
from shared.access.actor import Actor
from shared.access.commands import (
    Commanded,
    DutyNotHeld,
    HttpCommand,
    IdempotencyKeyMissing,
    causation_id,
    record_refusal,
    run_command,
)
from shared.contracts.codes.catalogue import CATALOGUE
from shared.contracts.enrolment import SERVICE
from shared.contracts.fact import Circumstances
from shared.eventstore.businessdate import STREAM, business_day
from shared.eventstore.changes import Reads
from shared.eventstore.desk import Draft
from shared.eventstore.execute import Executor
from shared.policy.book import PolicyBook
from shared.refusal import Refusal
from shared.telemetry.traceparent import child_of

T = TypeVar("T")
Dependency = Callable[..., Any]
RegisterAccount = Callable[[str, NewAccount], tuple[str, str]]
"""(USCC, account) → (account id, commitment): the vault's step, the same answer for the same number."""
Decide = Callable[[Draft, Commanded], Any]

_STATUS = {
    "action.not_authenticated": 401,
    "action.duty_not_held": 403,
    "action.idempotency_key_reused": 409,
    "institution.unknown": 404,
    "class.unknown": 404,
    "institution.already_registered": 409,
    "institution.key_used": 409,
    "businessday.not_open": 409,
    "businessday.not_next": 409,
}
"""HTTP status by code; every other refusal is 422."""


def _problem(code: str, field: str) -> JSONResponse:
    known = CATALOGUE.get(code)
    content = {"code": code, "zh": known.zh if known else "", "en": known.en if known else "", "field": field}
    return JSONResponse(content, status_code=_STATUS.get(code, 422))


class RefusingRoute(APIRoute):
    """Turns refusals into `Problem`; what a request's fields held is never echoed."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """See `APIRoute`."""
        inner = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await inner(request)
            except Refusal as refusal:
                return _problem(refusal.code, refusal.field)
            except RequestValidationError as error:
                where = error.errors()[0]["loc"]
                return _problem("submission.invalid_field", ".".join(str(part) for part in where[1:]))

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

    def commanded(self, key: str) -> Commanded:
        """The command under an idempotency key."""
        return Commanded(self.actor, causation_id(SERVICE, self.actor, key), self.traceparent, self.now)


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
        body = await request.body()
        return Asked(actor, idempotency_key, body, child_of(traceparent), datetime.now(UTC))

    return asked


def handler_by(authenticate: Dependency) -> Dependency:
    """A dependency that answers the `Actor`, a handler. Raises: DutyNotHeld."""

    async def handler(actor: Annotated[Actor, Depends(authenticate)]) -> Actor:
        if actor.kind != "handler":
            raise DutyNotHeld
        return actor

    return handler


def circumstances(
    draft: Draft, commanded: Commanded, *, region: str, correlation: str, duty: str
) -> Circumstances:
    """Those of a command on the business date. Raises: NoDayOpen."""
    if draft.state(business_day, STREAM) is None:
        raise NoDayOpen
    return commanded.given(draft, region=region, correlation=correlation, duty=duty)


@dataclass(frozen=True, slots=True)
class Edge:
    """What the routes work with. Blocking calls go to a thread."""

    executor: Executor
    engine: Engine
    book: PolicyBook
    register_account: RegisterAccount

    async def run(
        self, asked: Asked, decide: Decide, *, needs: Reads | None = None, body: bytes | None = None
    ) -> Response:
        """Decides a command and answers its JSON.

        `body` is what the Idempotency-Key is bound to, where that must not be the request's own bytes.
        """
        command = HttpCommand(
            commanded=asked.commanded(asked.key),
            body=asked.body if body is None else body,
            needs=lambda _draft: needs or Reads(),
            decide=decide,
        )
        answer = await asyncio.to_thread(run_command, self.executor, command)
        return Response(answer, media_type="application/json")

    async def demand(self, asked: Asked, duty: str, *, action: str, subject: str) -> None:
        """Raises: DutyNotHeld, having recorded the attempt (R63) under an idempotency key of its own."""
        if duty in asked.actor.duties:
            return
        refusal = DutyNotHeld()

        def record(draft: Draft, commanded: Commanded) -> str:
            if draft.state(business_day, STREAM) is not None:
                record_refusal(draft, commanded, refusal, action=action, duty=duty, subject=subject)
            return refusal.code

        command = HttpCommand(
            commanded=asked.commanded(f"refused/{asked.key}"),
            body=asked.body,
            needs=lambda _draft: Reads(),
            decide=record,
        )
        await asyncio.to_thread(run_command, self.executor, command)
        raise refusal

    async def ask(self, query: Callable[[Connection], T]) -> T:
        """Runs a query of a read model."""

        def connected() -> T:
            with self.engine.connect() as connection:
                return query(connection)

        return await asyncio.to_thread(connected)
