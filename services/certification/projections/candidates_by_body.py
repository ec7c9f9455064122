"""Which candidates does an assessment body have, and how far is each?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Boolean, Column, Connection, Date, Index, Integer, Table, Text, select

from services.certification.projections.schema import metadata
from shared.contracts.certification import (
    AssessmentResultApproved,
    AssessmentResultRecorded,
    CandidateRegistered,
    CertificateIssued,
)
from shared.contracts.fact import Envelope
from shared.eventstore.projection import Projected, Projection
from shared.eventstore.upsert import Net, Row

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


def fold(connection: Connection, page: Sequence[Projected]) -> None:
    """Applies a page of facts."""
    rows = Net(candidates_by_body)
    for position, fact in page:
        if isinstance(fact.data, CandidateRegistered):
            rows.bring(_registered(position, fact))
        else:
            rows.change(fact.data.candidate_id, {**_changes(fact.data), "position": position})
    rows.write(connection)


def _registered(position: int, fact: Envelope[CandidateRegistered]) -> Row:
    return msgspec.structs.asdict(fact.data) | {
        "registered_on": fact.businessdate,
        "stage": "REGISTERED",
        "assessed_on": None,
        "theory": None,
        "practice": None,
        "passed": None,
        "certificate_id": None,
        "position": position,
    }


def _changes(data: Any) -> Row:
    match data:
        case AssessmentResultRecorded(assessed_on=day, theory=theory, practice=practice, passed=passed):
            marks = {"assessed_on": day, "theory": theory, "practice": practice, "passed": passed}
            return {**marks, "stage": "ASSESSED"}
        case AssessmentResultApproved():
            return {"stage": "APPROVED"}
        case CertificateIssued(certificate_id=certificate):
            return {"stage": "CERTIFIED", "certificate_id": certificate}
        case other:
            raise TypeError(f"candidates_by_body does not read {type(other).__name__}")


def candidate(connection: Connection, candidate_id: str) -> Row | None:
    """One candidate, or None."""
    table = candidates_by_body
    found = connection.execute(select(table).where(table.c.candidate_id == candidate_id)).mappings().first()
    return None if found is None else dict(found)


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
