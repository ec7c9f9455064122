"""Who is responsible for a claim (谁使用、谁负责)? Who attested, used, claimed, checked, approved and paid it (R60)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Date, Index, Table, Text, select

from services.audit.projections.claims import ACCOUNT, related
from services.audit.projections.schema import metadata
from shared.contracts.certification import (
    AssessmentResultApproved,
    AssessmentResultRecorded,
    CandidateRegistered,
    CertificateIssued,
)
from shared.contracts.enrolment import (
    AttendanceSheetRecorded,
    ClassApplied,
    ClassApproved,
    ClassCompleted,
    TraineeEnrolled,
    TrainingCompleted,
)
from shared.contracts.fact import Envelope
from shared.contracts.payment import (
    ClaimAccepted,
    ClaimApproved,
    ClaimPublicised,
    ClaimRefused,
    ClaimReviewed,
    PaymentOrdered,
    SubsidyClaimed,
    SubsidyPaid,
)
from shared.eventstore.projection import Projected, Projection
from shared.eventstore.upsert import Row, any_of, append

USED, ATTESTED, CLAIMED, CHECKED, APPROVED, PAID, REFUSED = ROLES = (
    "USED", "ATTESTED", "CLAIMED", "CHECKED", "APPROVED", "PAID", "REFUSED",
)  # fmt: skip

ROLE_OF: dict[type, str] = {
    ClassApplied: ATTESTED,
    ClassApproved: CHECKED,
    TraineeEnrolled: ATTESTED,
    AttendanceSheetRecorded: ATTESTED,
    TrainingCompleted: ATTESTED,
    ClassCompleted: ATTESTED,
    CandidateRegistered: ATTESTED,
    AssessmentResultRecorded: ATTESTED,
    AssessmentResultApproved: ATTESTED,
    CertificateIssued: ATTESTED,
    SubsidyClaimed: CLAIMED,
    ClaimAccepted: CHECKED,
    ClaimReviewed: CHECKED,
    ClaimPublicised: CHECKED,
    ClaimApproved: APPROVED,
    PaymentOrdered: PAID,
    SubsidyPaid: PAID,
    ClaimRefused: REFUSED,
}
"""What someone answers for by a fact. Everyone named stands there with the duty under which the fact was decided."""

responsibility = Table(
    "responsibility",
    metadata,
    Column("index", BigInteger, primary_key=True, autoincrement=False),
    Column("role", Text, primary_key=True),
    Column("case_id", Text, nullable=False),
    Column("duty", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("fact_id", Text, nullable=False),
    Column("businessdate", Date, nullable=False),
    Index("responsibility_case_idx", "case_id"),
    Index("responsibility_actor_idx", "actor", "index"),
    comment="case_id: the stream of the fact: a claim, an enrolment, a class or a candidate.",
)


def _links(fact: Envelope[Any]) -> Iterator[tuple[str, str, str]]:
    """Role, duty, actor."""
    yield ROLE_OF[type(fact.data)], fact.duty, fact.actor
    if isinstance(fact.data, SubsidyClaimed):
        # The payee uses the money; D2 stands for what the payee declares (真实性).
        yield USED, "D2", f"{fact.data.payee_kind.lower()}:{fact.data.claimant}"


def fold(connection: Connection, page: Sequence[Projected]) -> None:
    """Applies a page of facts; each stands for itself, in whatever order they come."""
    append(connection, responsibility, (row for each in page for row in _rows(*each)))


def _rows(index: int, fact: Envelope[Any]) -> Iterator[Row]:
    for role, duty, actor in _links(fact):
        yield {
            "index": index,
            "role": role,
            "case_id": fact.subject,
            "duty": duty,
            "actor": actor,
            "type": fact.type,
            "fact_id": fact.id,
            "businessdate": fact.businessdate,
        }


def chain(connection: Connection, claim_id: str, limit: int) -> list[Row]:
    """The claim's links in the order of `ROLES` and duties: one for each role, duty and actor.

    Each names its facts (at most `limit` in all) with their ledger indexes, the first and the last business date.
    """
    cases = [claim_id, *(parent for kind, parent in related(connection, claim_id) if kind != ACCOUNT)]
    query = select(responsibility).where(responsibility.c.case_id == any_of(cases))
    rows = list(connection.execute(query.order_by(responsibility.c.index).limit(limit)).mappings())
    rows.sort(key=lambda row: (ROLES.index(row["role"]), _number(row["duty"]), row["actor"], row["index"]))
    return [
        _link(key, list(group))
        for key, group in groupby(rows, key=lambda row: (row["role"], row["duty"], row["actor"]))
    ]


def _link(key: tuple[str, str, str], facts: Sequence[Any]) -> Row:
    role, duty, actor = key
    kind, _, name = actor.partition(":")
    return {
        "role": role,
        "duty": duty,
        "actor": {"kind": kind, "id": name},
        "first_on": min(row["businessdate"] for row in facts),
        "last_on": max(row["businessdate"] for row in facts),
        "facts": [{"index": row["index"], "fact_id": row["fact_id"], "type": row["type"]} for row in facts],
    }


def _number(duty: str) -> int:
    return int(duty[1:]) if duty[1:].isdecimal() else 99


projection = Projection("responsibility", (responsibility,), tuple(ROLE_OF), fold)
