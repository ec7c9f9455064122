"""The span store's one table. It is no part of the ledger: what it holds may be lost, and is deleted when old."""

from __future__ import annotations

from sqlalchemy import (
    DDL,
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    event,
    func,
)
from sqlalchemy.dialects.postgresql import ARRAY

metadata = MetaData()

spans = Table(
    "spans",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("received_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("service", Text, nullable=False),
    Column("count", Integer, nullable=False),
    Column("traces", ARRAY(Integer), nullable=False),
    Column("spans", LargeBinary, nullable=False),
    Index("spans_traces_idx", "traces", postgresql_using="gin"),
    comment="A row a request and service: a row a span would cost ten times as much. spans: a ScopeSpans message of "
    "opentelemetry.proto.trace.v1, by zlib. traces: the first four bytes of each trace id in it. The same span may "
    "stand in two rows: exporters try again.",
)
_COMPRESSED_ONCE = DDL("ALTER TABLE spans ALTER COLUMN spans SET STORAGE EXTERNAL")  # type: ignore[no-untyped-call]
"""The messages are compressed already: once is enough."""
event.listen(spans, "after_create", _COMPRESSED_ONCE)
