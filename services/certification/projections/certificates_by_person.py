"""Which certificates does a person hold?"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import BigInteger, Column, Connection, Date, Index, Table, Text, select

from services.certification.projections.schema import metadata
from shared.contracts.certification import CertificateIssued
from shared.eventstore.projection import Projected, Projection
from shared.eventstore.upsert import Row, append

certificates_by_person = Table(
    "certificates_by_person",
    metadata,
    Column("certificate_id", Text, primary_key=True),
    Column("person_id", Text, nullable=False),
    Column("certificate_no", Text, nullable=False),
    Column("certificate_kind", Text, nullable=False),
    Column("occupation_id", Text, nullable=False),
    Column("level", Text, nullable=False),
    Column("issued_on", Date, nullable=False),
    Column("norm", Text, nullable=False),
    Column("assessment_body", Text, nullable=False),
    Column("institution", Text, nullable=False),
    Column("region", Text, nullable=False),
    Column("enrolment_id", Text, nullable=False),
    Column("position", BigInteger, nullable=False),
    Index("certificates_by_person_idx", "person_id", "position"),
)


def fold(connection: Connection, page: Sequence[Projected]) -> None:
    """Applies a page of facts."""
    rows = (msgspec.structs.asdict(fact.data) | {"position": position} for position, fact in page)
    append(connection, certificates_by_person, rows)


def certificates_of(connection: Connection, person_id: str, *, after: int, limit: int) -> list[Row]:
    """A person's certificates in the order of issue, those with a position above `after`."""
    table = certificates_by_person
    query = select(table).where(table.c.person_id == person_id, table.c.position > after)
    ordered = query.order_by(table.c.position).limit(limit)
    return [dict(row) for row in connection.execute(ordered).mappings()]


projection = Projection("certificates_by_person", (certificates_by_person,), (CertificateIssued,), fold)
