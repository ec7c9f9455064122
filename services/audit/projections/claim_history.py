"""Which facts are there about a case? Every fact of every service, by stream and by episode."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Date, DateTime, Index, Table, Text, or_, select

from services.audit.projections.claims import ACCOUNT, related
from services.audit.projections.schema import metadata
from shared.contracts.fact import Envelope
from shared.eventstore.projection import Projected, Projection
from shared.eventstore.upsert import Row, any_of, append

claim_history = Table(
    "claim_history",
    metadata,
    Column("index", BigInteger, primary_key=True, autoincrement=False),
    Column("fact_id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("streamversion", BigInteger, nullable=False),
    Column("occurredat", DateTime(timezone=True), nullable=False),
    Column("businessdate", Date, nullable=False),
    Column("actor", Text, nullable=False),
    Column("duty", Text, nullable=False),
    Column("correlation", Text, nullable=False),
    Column("causation", Text, nullable=False),
    Index("claim_history_subject_idx", "subject", "streamversion"),
    comment="What the envelopes say; the facts themselves are the ledger's entries of these indexes.",
)


def fold(connection: Connection, page: Sequence[Projected]) -> None:
    """Applies a page of facts; each stands for itself, in whatever order they come."""
    append(connection, claim_history, (_row(*projected) for projected in page))


def _row(index: int, fact: Envelope[Any]) -> tuple[Any, ...]:
    return (
        index, fact.id, fact.type, fact.subject, fact.streamversion, fact.occurredat, fact.businessdate, fact.actor,
        fact.duty, fact.correlationid, fact.causationid,
    )  # fmt: skip


def facts_about(connection: Connection, claim_id: str, limit: int) -> list[Row]:
    """The facts that a claim rests on, and the receipts of the submissions that led to them.

    The claim's own, its enrolment's, class's, candidate's and batches', those of the person's account that are
    about this claim. At most `limit` of each of the two kinds, the earliest in the ledger.
    """
    table = claim_history
    cases = related(connection, claim_id)
    accounts = [parent for kind, parent in cases if kind == ACCOUNT]
    subjects = [claim_id, *(parent for kind, parent in cases if kind != ACCOUNT)]
    about = or_(
        table.c.subject == any_of(subjects),
        (table.c.subject == any_of(accounts)) & (table.c.correlation == claim_id),
    )
    facts = _rows(connection, about, limit)
    known = {row["subject"] for row in facts}
    causes = sorted({row["causation"] for row in facts} - known)
    return facts + (_rows(connection, table.c.subject == any_of(causes), limit) if causes else [])


def facts_of_stream(connection: Connection, stream: str, limit: int) -> list[Row]:
    """The facts of one stream, at most `limit`, the earliest in the ledger."""
    return _rows(connection, claim_history.c.subject == stream, limit)


def _rows(connection: Connection, where: object, limit: int) -> list[Row]:
    query = select(claim_history).where(where).order_by(claim_history.c.index).limit(limit)  # type: ignore[arg-type]
    return [dict(row) for row in connection.execute(query).mappings()]


projection = Projection("claim_history", (claim_history,), (), fold)
