"""Which claims are there, in which state, and what does each belong to?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Date, Index, Integer, Table, Text, select

from services.audit.projections.schema import metadata
from shared.contracts.certification import CertificateIssued
from shared.contracts.enrolment import TraineeEnrolled
from shared.contracts.fact import Envelope
from shared.contracts.payment import (
    ClaimAccepted,
    ClaimApproved,
    ClaimPublicised,
    ClaimRefused,
    ClaimReviewed,
    PaymentFailed,
    PaymentOrdered,
    SubsidyClaimed,
    SubsidyPaid,
)
from shared.eventstore.projection import Projected, Projection
from shared.eventstore.upsert import Net, Row, any_of, write_once
from shared.identity import entitlement_account_id

ENROLMENT, CLASS, CERTIFICATE, CANDIDATE, ACCOUNT, BATCH = (
    "ENROLMENT", "CLASS", "CERTIFICATE", "CANDIDATE", "ACCOUNT", "BATCH",
)  # fmt: skip

claims = Table(
    "claims",
    metadata,
    Column("claim_id", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("application_id", Text, nullable=False),
    Column("line", Integer, nullable=False),
    Column("person_id", Text, nullable=False),
    Column("enrolment_id", Text, nullable=False),
    Column("certificate_id", Text, nullable=False),
    Column("institution", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("occupation_id", Text, nullable=False),
    Column("level", Text, nullable=False),
    Column("region", Text, nullable=False),
    Column("payee_kind", Text, nullable=False),
    Column("claimant", Text, nullable=False),
    Column("computed_fen", BigInteger, nullable=False),
    Column("approved_fen", BigInteger, nullable=False),
    Column("paid_fen", BigInteger, nullable=False),
    Column("codes", Text, nullable=False),
    Column("claimed_on", Date, nullable=False),
    Column("changed_on", Date, nullable=False),
    Column("place", BigInteger, nullable=False, unique=True),
    Column("position", BigInteger, nullable=False),
    Index("claims_region_idx", "region", "place"),
    Index("claims_institution_idx", "institution", "place"),
    Index("claims_state_idx", "state", "place"),
    comment="place: ledger index of the claim's first fact, by which lists are paged. position: of the last.",
)

case_edges = Table(
    "case_edges",
    metadata,
    Column("child", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("parent", Text, primary_key=True),
    comment="What belongs to what: claim → enrolment, certificate, account, batch; enrolment → class; certificate "
    "→ candidate.",
)

_FROM_CLAIM = (
    "claim_id", "application_id", "line", "person_id", "enrolment_id", "certificate_id", "institution", "kind",
    "occupation_id", "level", "region", "payee_kind", "claimant", "computed_fen",
)  # fmt: skip


def filed(fact: Envelope[SubsidyClaimed], index: int) -> Row:
    """The row of a claim as it was filed."""
    return {
        **{name: getattr(fact.data, name) for name in _FROM_CLAIM},
        "state": "CLAIMED",
        "approved_fen": 0,
        "paid_fen": 0,
        "codes": "",
        "claimed_on": fact.businessdate,
        "changed_on": fact.businessdate,
        "place": index,
        "position": index,
    }


def changed(data: Any) -> Row:
    """What a later fact of a claim changes in its row; the facts of one claim come in order."""
    match data:
        case ClaimAccepted():
            return {"state": "ACCEPTED"}
        case ClaimReviewed(stage=stage):
            return {"state": f"{stage}ED"}
        case ClaimPublicised():
            return {"state": "PUBLICISED"}
        case ClaimApproved(amount_fen=amount):
            return {"state": "APPROVED", "approved_fen": amount}
        case PaymentOrdered():
            return {"state": "ORDERED"}
        case PaymentFailed(code=code):
            return {"state": "PAY_FAILED", "codes": code}
        case SubsidyPaid(amount_fen=amount):
            return {"state": "PAID", "paid_fen": amount, "codes": ""}
        case ClaimRefused(reasons=reasons):
            return {"state": "REFUSED", "codes": " ".join(reason.code for reason in reasons)}
        case _:
            return {}


def stands(facts: Sequence[tuple[int, Envelope[Any]]]) -> Row | None:
    """The state of one claim, from its own stream's facts in order; None where it was never filed."""
    row: Row | None = None
    for index, fact in facts:
        row = _next(row, fact, index)
    return row


def _next(row: Row | None, fact: Envelope[Any], index: int) -> Row | None:
    if isinstance(fact.data, SubsidyClaimed):
        return row or filed(fact, index)
    if row is None:
        return None
    return {**row, **_later(fact, index)}


def _later(fact: Envelope[Any], index: int) -> Row:
    return {**changed(fact.data), "changed_on": fact.businessdate, "position": index}


def fold(connection: Connection, page: Sequence[Projected]) -> None:
    """Applies a page of facts."""
    edges = {edge for projected in page for edge in _edges(projected.fact.data)}
    write_once(
        connection,
        case_edges,
        [{"child": child, "kind": kind, "parent": parent} for child, kind, parent in sorted(edges)],
    )
    of_claims = [projected for projected in page if hasattr(projected.fact.data, "claim_id")]
    there = _there(connection, {projected.fact.data.claim_id for projected in of_claims})
    rows = Net(claims)
    for index, fact in of_claims:
        claim_id = fact.data.claim_id
        if claim_id in there:
            if not isinstance(fact.data, SubsidyClaimed):
                rows.change(claim_id, _later(fact, index))
        elif isinstance(fact.data, SubsidyClaimed):
            there.add(claim_id)
            rows.bring(filed(fact, index))
    rows.write(connection)


def _edges(data: Any) -> Sequence[tuple[str, str, str]]:
    match data:
        case SubsidyClaimed(
            claim_id=claim, enrolment_id=enrolment, certificate_id=certificate, person_id=person
        ):
            return (
                (claim, ENROLMENT, enrolment),
                (claim, CERTIFICATE, certificate),
                (claim, ACCOUNT, entitlement_account_id(person)),
            )
        case TraineeEnrolled(enrolment_id=enrolment, class_id=class_id):
            return ((enrolment, CLASS, class_id),)
        case CertificateIssued(certificate_id=certificate, candidate_id=candidate):
            return ((certificate, CANDIDATE, candidate),)
        case PaymentOrdered(claim_id=claim, batch_id=batch):
            return ((claim, BATCH, batch),)
        case _:
            return ()


def _there(connection: Connection, claim_ids: set[str]) -> set[str]:
    return set(connection.scalars(select(claims.c.claim_id).where(claims.c.claim_id == any_of(claim_ids))))


def claim(connection: Connection, claim_id: str) -> Row | None:
    """One claim."""
    found = connection.execute(select(claims).where(claims.c.claim_id == claim_id)).mappings().first()
    return None if found is None else dict(found)


def claims_page(connection: Connection, filters: Mapping[str, str], *, after: int, limit: int) -> list[Row]:
    """Claims in the order in which they were ledgered, those with a place above `after`.

    `filters` is column to value: state, region, institution, person_id, enrolment_id, certificate_id.
    """
    query = select(claims).where(claims.c.place > after)
    for name, value in filters.items():
        query = query.where(claims.c[name] == value)
    return [dict(row) for row in connection.execute(query.order_by(claims.c.place).limit(limit)).mappings()]


def related(connection: Connection, claim_id: str) -> list[tuple[str, str]]:
    """(kind, id) of everything that the claim belongs to, at most two steps away."""
    direct = _parents(connection, [claim_id])
    return direct + _parents(connection, [parent for _, parent in direct])


def _parents(connection: Connection, children: Sequence[str]) -> list[tuple[str, str]]:
    query = select(case_edges.c.kind, case_edges.c.parent).where(case_edges.c.child == any_of(children))
    return [(kind, parent) for kind, parent in connection.execute(query.order_by(*case_edges.c))]


projection = Projection(
    "claims",
    (claims, case_edges),
    (
        TraineeEnrolled, CertificateIssued, SubsidyClaimed, ClaimAccepted, ClaimReviewed, ClaimPublicised,
        ClaimApproved, PaymentOrdered, PaymentFailed, SubsidyPaid, ClaimRefused,
    ),
    fold,
)  # fmt: skip
