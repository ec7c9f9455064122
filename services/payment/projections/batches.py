"""Which payment batches are there, and has the bank answered them?"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import BigInteger, Column, Connection, Date, Index, Integer, Table, Text, select

from services.payment.projections.schema import metadata
from shared.contracts.fact import Envelope
from shared.contracts.payment import PaymentBatchCreated, PaymentBatchReconciled
from shared.eventstore.projection import Projected, Projection
from shared.eventstore.upsert import Net, Row

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
    rows = Net(batches)
    for position, fact in page:
        match fact.data:
            case PaymentBatchCreated():
                rows.bring(_created(position, fact))
            case PaymentBatchReconciled(batch_id=batch_id, paid_fen=paid, failed_fen=failed):
                answer = {"reconciled_on": fact.businessdate, "paid_fen": paid, "failed_fen": failed}
                rows.change(batch_id, {**answer, "position": position})
            case other:
                raise TypeError(f"batches does not read {type(other).__name__}")
    rows.write(connection)


def _created(position: int, fact: Envelope[PaymentBatchCreated]) -> Row:
    return msgspec.structs.asdict(fact.data) | {
        "claims": len(fact.data.claims),
        "payer": fact.actor,
        "created_on": fact.businessdate,
        "reconciled_on": None,
        "paid_fen": None,
        "failed_fen": None,
        "created": position,
        "position": position,
    }


def payment_batches(connection: Connection, region: str, *, after: int, limit: int) -> list[Row]:
    """Batches in the order of their making, those of one region or, with "", of all."""
    query = select(batches).where(batches.c.created > after)
    if region:
        query = query.where(batches.c.region == region)
    ordered = query.order_by(batches.c.created).limit(limit)
    return [dict(row) for row in connection.execute(ordered).mappings()]


projection = Projection("batches", (batches,), (PaymentBatchCreated, PaymentBatchReconciled), fold)
