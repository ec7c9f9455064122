"""Which candidates does an assessment body have, and how far is each?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Connection, Date, Index, Integer, Table, Text, select

from services.certification.projections.schema import metadata
from shared.contracts.certification import (
    AssessmentResultApproved,
    AssessmentResultRecorded,
    CandidateRegistered,
    CertificateIssued,
)
from shared.eventstore.projection import Projected, Projection
from shared.eventstore.upsert import Row, any_of, upsert

candidates_by_body = Table(
    "candidates_by_body",
    metadata,
    Column("candidate_id", Text, primary_key=True),
    Column("assessment_body", Text, nullable=False),
    Column("candidate_ref", Text, nullable=False),
    Column("person_id", Text, nullable=False),
    Column("enrolment_id", Text, nullable=False),
    Column("institution", Text, nullable=False),
    Column("occupation_id", Text, nullable=False),
    Column("level", Text, nullable=False),
    Column("region", Text, nullable=False),
    Column("registered_on", Date, nullable=False),
    Column("stage", Text, nullable=False, comment="REGISTERED, ASSESSED, APPROVED or CERTIFIED"),
    Column("assessed_on", Date),
    Column("theory", Integer),
    Column("practice", Integer),
    Column("passed", Boolean),
    Column("certificate_id", Text),
    Column("position", BigInteger, nullable=False, comment="of the last fact: as_of"),
    Index("candidates_by_body_idx", "assessment_body", "candidate_ref"),
)
_OF_THE_FACT = (
    "candidate_id",
    "assessment_body",
    "candidate_ref",
    "person_id",
    "enrolment_id",
    "institution",
    "occupation_id",
    "level",
    "region",
)


def fold(connection: Connection, page: Sequence[Projected]) -> None:
    """Applies a page of facts: candidates of earlier pages are read once, all rows are written once."""
    fresh = {p.fact.data.candidate_id for p in page if isinstance(p.fact.data, CandidateRegistered)}
    earlier = {p.fact.data.candidate_id for p in page} - fresh
    rows = {row["candidate_id"]: row for row in _rows(connection, earlier)}
    for projected in page:
        candidate_id = projected.fact.data.candidate_id
        row = {**rows.get(candidate_id, {}), **_changes(projected), "position": projected.position}
        rows[candidate_id] = row
    upsert(connection, candidates_by_body, list(rows.values()))


def _changes(projected: Projected) -> Row:
    match projected.fact.data:
        case CandidateRegistered() as registered:
            nothing: dict[str, Any] = dict.fromkeys(
                ("assessed_on", "theory", "practice", "passed", "certificate_id")
            )
            named = {name: getattr(registered, name) for name in _OF_THE_FACT}
            return {
                **nothing,
                **named,
                "registered_on": projected.fact.businessdate,
                "stage": "REGISTERED",
            }
        case AssessmentResultRecorded() as result:
            marks = {name: getattr(result, name) for name in ("assessed_on", "theory", "practice", "passed")}
            return {**marks, "stage": "ASSESSED"}
        case AssessmentResultApproved():
            return {"stage": "APPROVED"}
        case CertificateIssued() as issued:
            return {"stage": "CERTIFIED", "certificate_id": issued.certificate_id}
        case other:
            raise TypeError(f"candidates_by_body does not read {type(other).__name__}")


def _rows(connection: Connection, candidate_ids: set[str]) -> list[Row]:
    if not candidate_ids:
        return []
    table = candidates_by_body
    found = connection.execute(select(table).where(table.c.candidate_id == any_of(candidate_ids)))
    return [dict(row) for row in found.mappings()]


def candidate(connection: Connection, candidate_id: str) -> Row | None:
    """One candidate, or None."""
    return next(iter(_rows(connection, {candidate_id})), None)


def candidates_of(connection: Connection, body: str, *, after: str, limit: int) -> list[Row]:
    """A body's candidates by reference, those above `after`."""
    table = candidates_by_body
    query = select(table).where(table.c.assessment_body == body, table.c.candidate_ref > after)
    ordered = query.order_by(table.c.candidate_ref).limit(limit)
    return [dict(row) for row in connection.execute(ordered).mappings()]


projection = Projection(
    "candidates_by_body",
    (candidates_by_body,),
    (CandidateRegistered, AssessmentResultRecorded, AssessmentResultApproved, CertificateIssued),
    fold,
)
