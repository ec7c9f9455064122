"""Which payment batches are there, and has the bank answered them?"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import BigInteger, Column, Connection, Date, Index, Integer, Table, Text, select

from services.payment.projections.schema import metadata
from shared.contracts.payment import PaymentBatchCreated, PaymentBatchReconciled
from shared.eventstore.projection import Projected, Projection
from shared.eventstore.upsert import Row, any_of, upsert

batches = Table(
    "batches",
    metadata,
    Column("batch_id", Text, primary_key=True),
    Column("region", Text, nullable=False),
    Column("bank", Text, nullable=False),
    Column("claims", Integer, nullable=False),
    Column("total_fen", BigInteger, nullable=False),
    Column("payer", Text, nullable=False, comment="the actor, handler:<id>"),
    Column("created_on", Date, nullable=False),
    Column("reconciled_on", Date),
    Column("paid_fen", BigInteger),
    Column("failed_fen", BigInteger),
    Column(
        "created", BigInteger, nullable=False, comment="position of PaymentBatchCreated: the order of pages"
    ),
    Column("position", BigInteger, nullable=False, comment="of the last fact: as_of"),
    Index("batches_created_idx", "created", unique=True),
)


def fold(connection: Connection, page: Sequence[Projected]) -> None:
    """Applies a page of facts."""
    earlier = {p.fact.data.batch_id for p in page}
    found = connection.execute(select(batches).where(batches.c.batch_id == any_of(earlier)))
    rows: dict[str, Row] = {row["batch_id"]: dict(row) for row in found.mappings()}
    for projected in page:
        batch_id = projected.fact.data.batch_id
        rows[batch_id] = {**rows.get(batch_id, {}), **_changes(projected), "position": projected.position}
    upsert(connection, batches, list(rows.values()))


def _changes(projected: Projected) -> Row:
    match projected.fact.data:
        case PaymentBatchCreated() as created:
            return {
                "batch_id": created.batch_id,
                "region": created.region,
                "bank": created.bank,
                "claims": len(created.claims),
                "total_fen": created.total_fen,
                "payer": projected.fact.actor,
                "created_on": projected.fact.businessdate,
                "reconciled_on": None,
                "paid_fen": None,
                "failed_fen": None,
                "created": projected.position,
            }
        case PaymentBatchReconciled(paid_fen=paid, failed_fen=failed):
            return {"reconciled_on": projected.fact.businessdate, "paid_fen": paid, "failed_fen": failed}
        case other:
            raise TypeError(f"batches does not read {type(other).__name__}")


def payment_batches(connection: Connection, region: str, *, after: int, limit: int) -> list[Row]:
    """Batches in the order of their making, those of one region or, with "", of all."""
    query = select(batches).where(batches.c.created > after)
    if region:
        query = query.where(batches.c.region == region)
    ordered = query.order_by(batches.c.created).limit(limit)
    return [dict(row) for row in connection.execute(ordered).mappings()]


projection = Projection("batches", (batches,), (PaymentBatchCreated, PaymentBatchReconciled), fold)
