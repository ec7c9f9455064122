"""Writing, reading and sweeping the span store."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import psycopg
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span, Status
from sqlalchemy import Connection, Engine, Select, delete, func, select

from services.audit.spans.received import Kept
from services.audit.spans.tables import spans
from shared.eventstore.sql import GONE
from shared.eventstore.store import Unavailable
from shared.eventstore.upsert import Row

MAX_READ = 5_000
"""Spans that one question answers with at most."""
ROWS_READ = 2_000
SWEPT_AT_ONCE = 1_000
SWEEP_SECONDS = 600.0
MAX_SPANS = 50_000_000
"""Spans that are kept at most, whatever their age: about 4 GB."""

_INSERT = "INSERT INTO spans (service, count, traces, spans) VALUES (%s, %s, %s::int4[], %b)"


def write_spans(engine: Engine, kept: Sequence[Kept]) -> None:
    """Stores spans, in one transaction. Blocks. Raises: Unavailable."""
    rows = [
        (
            one.service,
            len(one.spans),
            "{" + ",".join(str(_key(trace)) for trace in one.traces) + "}",
            zlib.compress(b"".join(one.spans), 1),
        )
        for one in kept
    ]
    try:
        with engine.begin() as connection:
            driver = cast("psycopg.Connection[Any]", connection.connection.driver_connection)
            with driver.cursor() as cursor:
                for row in rows:
                    cursor.execute(_INSERT, row)
    except GONE as error:
        raise Unavailable(type(error).__name__) from error


def _key(trace_id: bytes) -> int:
    """By which a trace is looked for: the first four bytes of its id, as a signed number."""
    return int.from_bytes(trace_id[:4], "big", signed=True)


def spans_of(connection: Connection, traces: Sequence[str]) -> tuple[list[Row], bool]:
    """The spans of these traces (32 hex digits each), each once, by trace and start; and whether these are all."""
    wanted = {bytes.fromhex(trace) for trace in traces}
    keys = [_key(trace) for trace in wanted]
    query = select(spans.c.service, spans.c.spans).where(spans.c.traces.overlap(keys))
    found: dict[tuple[str, str], Row] = {}
    rows = connection.execute(query.order_by(spans.c.id.desc()).limit(ROWS_READ)).all()
    for service, compressed in rows:
        for span in ScopeSpans.FromString(zlib.decompress(compressed)).spans:
            if span.trace_id in wanted:
                row = told(service, span)
                found[row["trace"], row["span"]] = row
        if len(found) > MAX_READ:
            break
    ordered = sorted(found.values(), key=lambda row: (row["trace"], row["start_ns"], row["end_ns"]))
    return ordered[:MAX_READ], len(rows) < ROWS_READ and len(found) <= MAX_READ


def told(service: str, span: Span) -> Row:
    """A span as whoever asks reads it; times in nanoseconds since 1970."""
    attributes = {one.key: _value(one.value) for one in span.attributes}
    failed = span.status.code == Status.STATUS_CODE_ERROR
    return {
        "trace": span.trace_id.hex(),
        "span": span.span_id.hex(),
        "parent": span.parent_span_id.hex(),
        "service": service,
        "name": span.name,
        "kind": Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        "start_ns": span.start_time_unix_nano,
        "end_ns": span.end_time_unix_nano,
        "attributes": attributes,
        "links": [{"trace": link.trace_id.hex(), "span": link.span_id.hex()} for link in span.links],
        "error": str(attributes.get("error.type", "ERROR")) if failed else "",
    }


def _value(value: AnyValue) -> str | int | float | bool:
    match value.WhichOneof("value"):
        case "string_value":
            return value.string_value
        case "int_value":
            return value.int_value
        case "bool_value":
            return value.bool_value
        case "double_value":
            return value.double_value
        case _:
            return "…"


def oldest(connection: Connection) -> datetime | None:
    """When the oldest span that is kept was received."""
    return connection.scalar(select(spans.c.received_at).order_by(spans.c.id).limit(1))


class Sweeper:
    """Deletes spans that are past their days, or too many, the oldest first, a bounded number at once."""

    def __init__(self, engine: Engine, days: int, most: int = MAX_SPANS) -> None:
        self._engine = engine
        self._days = days
        self._most = most

    async def run(self) -> None:
        """Sweeps for ever, now and then."""
        while True:
            if not await asyncio.to_thread(self.sweep_some):
                await asyncio.sleep(SWEEP_SECONDS)

    def sweep_some(self) -> int:
        """Deletes some rows. Returns how many; 0: there are no more to delete. Blocks."""
        with self._engine.begin() as connection:
            until = datetime.now(UTC) - timedelta(days=self._days)
            last = connection.scalar(_newest_beyond(self._most)) or 0
            first = select(spans.c.id, spans.c.received_at).order_by(spans.c.id).limit(SWEPT_AT_ONCE)
            old = [id_ for id_, at in connection.execute(first) if at < until or id_ <= last]
            return connection.execute(delete(spans).where(spans.c.id.in_(old))).rowcount if old else 0


def _newest_beyond(most: int) -> Select[tuple[int | None]]:
    """The newest row that is too much, counted from the newest of all."""
    so_far = func.sum(spans.c.count).over(order_by=spans.c.id.desc())
    counted = select(spans.c.id, so_far.label("so_far")).subquery()
    return select(func.max(counted.c.id)).where(counted.c.so_far > most)
