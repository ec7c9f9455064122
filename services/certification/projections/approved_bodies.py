"""Which assessment bodies may assess what, and until when?"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Column, Connection, Date, Table, Text, select
from sqlalchemy.dialects.postgresql import JSONB

from services.certification.projections.schema import metadata
from shared.contracts.certification import AssessmentBodyApproved
from shared.eventstore.projection import Projected, Projection
from shared.eventstore.upsert import Row, upsert

approved_bodies = Table(
    "approved_bodies",
    metadata,
    Column("uscc", Text, primary_key=True),
    Column("valid_from", Date, primary_key=True),
    Column("valid_to", Date, nullable=False),
    Column("scope", JSONB, nullable=False),
    Column("approved_on", Date, nullable=False),
    Column("approved_by", Text, nullable=False),
    comment="One row a period of approval; periods of a body never overlap.",
)


def fold(connection: Connection, page: Sequence[Projected]) -> None:
    """Applies a page of facts."""
    rows: dict[tuple[str, str], Row] = {}
    for projected in page:
        approved: AssessmentBodyApproved = projected.fact.data
        rows[approved.uscc, approved.valid_from.isoformat()] = {
            "uscc": approved.uscc,
            "valid_from": approved.valid_from,
            "valid_to": approved.valid_to,
            "scope": [{"occupation_id": row.occupation_id, "levels": row.levels} for row in approved.scope],
            "approved_on": projected.fact.businessdate,
            "approved_by": projected.fact.actor,
        }
    upsert(connection, approved_bodies, list(rows.values()))


def bodies(connection: Connection, *, after: str, limit: int) -> list[Row]:
    """Approvals by USCC and first day, those of USCCs above `after`.

    All periods of a body stand on one page, so a page may pass `limit` by the last body's periods.
    """
    page = select(approved_bodies.c.uscc).distinct().where(approved_bodies.c.uscc > after)
    wanted = page.order_by(approved_bodies.c.uscc).limit(limit)
    query = select(approved_bodies).where(approved_bodies.c.uscc.in_(wanted))
    ordered = query.order_by(approved_bodies.c.uscc, approved_bodies.c.valid_from)
    return [dict(row) for row in connection.execute(ordered).mappings()]


projection = Projection("approved_bodies", (approved_bodies,), (AssessmentBodyApproved,), fold)
