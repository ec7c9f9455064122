"""Spans: taken in by OTLP over HTTP, and read by trace; and the facts of a stream, to go with them."""

import asyncio
import hmac
from typing import Annotated, NamedTuple
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from sqlalchemy import Engine

from services.audit.api.case import facts_of_stream
from services.audit.api.models import SPANS, STREAM_FACTS
from services.audit.ledger.reading import entries_named
from services.audit.projections import replay
from services.audit.spans.received import PROTOBUF, received
from services.audit.spans.store import oldest, spans_of, write_spans
from shared.access.actor import Actor
from shared.access.bearer import require
from shared.access.commands import ActionNotAuthenticated
from shared.access.edge import Dependency
from shared.contracts.audit import SERVICE
from shared.contracts.fact import UnknownFactType, decode
from shared.contracts.intake import SubmissionAccepted
from shared.eventstore.upsert import Row

MAX_TRACES = 50
MAX_FACTS = 500
TRACE = r"^[0-9a-f]{32}$"


class SpanStore(NamedTuple):
    """What the settings say of it.

    Attributes:
        token: who names it may send spans; "" lets nobody.
        days: how long they are kept.
    """

    token: str
    days: int


def receiver(engine: Engine, token: str) -> APIRouter:
    """The OTLP/HTTP receiver: `POST /v1/traces`. Whoever does not name the token is refused."""
    routes = APIRouter(tags=[SERVICE])
    wanted = f"Bearer {token}".encode()

    # Not in our OpenAPI: path, body and answers are those of the OTLP/HTTP specification.
    @routes.post("/v1/traces", response_class=Response, include_in_schema=False)
    async def take_spans(request: Request) -> Response:
        """接收追踪片段 / Takes spans (OTLP, protobuf, plain or gzip) from the processes of this stack."""
        named = request.headers.get("authorization", "").encode("utf-8", "replace")
        if not hmac.compare_digest(named, wanted) or not token:
            raise ActionNotAuthenticated
        taken = received(
            await request.body(),
            content_type=request.headers.get("content-type", ""),
            encoding=request.headers.get("content-encoding", ""),
        )
        if taken.kept:
            await asyncio.to_thread(write_spans, engine, taken.kept)
        return Response(taken.response(), media_type=PROTOBUF)

    return routes


def add_spans(routes: APIRouter, engine: Engine, authenticate: Dependency, days: int) -> None:
    """Adds what auditors and operators read: spans by trace, and the facts of a stream."""

    @routes.get("/spans", response_class=Response, responses=SPANS)
    def read_spans(
        actor: Annotated[Actor, Depends(authenticate)],
        trace: Annotated[list[Annotated[str, Query(pattern=TRACE)]], Query(max_length=MAX_TRACES)],
    ) -> Response:
        """追踪片段 / The spans of these traces. For AUDITOR and OPERATOR.

        `days` is how long they are kept, `since` when the oldest that is kept came; `complete` is false where there
        are more than one answer holds.
        """
        require(actor, "AUDITOR", "OPERATOR")
        with engine.connect() as connection:
            found, complete = spans_of(connection, trace)
            since = oldest(connection)
        return _json({"spans": found, "days": days, "since": since, "complete": complete})

    @routes.get("/streams/{stream}/facts", response_class=Response, responses=STREAM_FACTS)
    def read_stream(
        actor: Annotated[Actor, Depends(authenticate)],
        stream: Annotated[UUID, Path(examples=["0b6c7e5a-54f4-5a25-8f21-6f1a5be0a001"])],
    ) -> Response:
        """一个流的事实 / The facts of a stream, and of a receipt those that it names. For AUDITOR and OPERATOR.

        Empty where the ledger has none. Each fact stands as its own bytes with its ledger index and leaf hash.
        """
        require(actor, "AUDITOR", "OPERATOR")
        with engine.connect() as connection:
            rows = facts_of_stream(connection, stream, MAX_FACTS)
            entries = {row["index"]: row["entry"] for row in rows}
            entries |= entries_named(connection, _named(rows))
        told = [replay.told({"index": index}, entry) for index, entry in sorted(entries.items())]
        return _json({"facts": told, "total": len(told)})


def _named(rows: list[Row]) -> list[UUID]:
    """The facts that receipts among these name."""
    named: list[UUID] = []
    for row in rows:
        try:
            fact = decode(row["entry"], row["type"])
        except (UnknownFactType, msgspec.MsgspecError):
            continue
        if isinstance(fact.data, SubmissionAccepted):
            named += [UUID(name) for name in fact.data.facts]
    return named[:MAX_FACTS]


def _json(answer: object) -> Response:
    return Response(msgspec.json.encode(answer), media_type="application/json")
