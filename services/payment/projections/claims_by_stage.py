"""Where does each claim stand, what may be paid for it, and who acted on it?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Date,
    DateTime,
    Index,
    Integer,
    Select,
    Table,
    Text,
    func,
    select,
    tuple_,
)

from services.payment.projections.schema import metadata
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
from shared.eventstore.upsert import Net, Row, any_of, append

claims_by_stage = Table(
    "claims_by_stage",
    metadata,
    Column("claim_id", Text, primary_key=True),
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
    Column("stage", Text, nullable=False, comment="as the claim's own stages: CLAIMED … PAID, REFUSED"),
    Column("codes", Text, nullable=False, comment="why refused or not paid, separated by blanks"),
    Column("computed_fen", BigInteger, nullable=False),
    Column("approved_fen", BigInteger, nullable=False),
    Column("paid_fen", BigInteger, nullable=False),
    Column("demo", Boolean, nullable=False, comment="some figure of the standard is invented"),
    Column("verified", Boolean, nullable=False, comment="every figure was read in its issuer's own text"),
    Column("claimed_on", Date, nullable=False),
    Column("opens_on", Date),
    Column("closes_on", Date),
    Column("batch_id", Text, nullable=False),
    Column("filed", BigInteger, nullable=False, comment="position of SubsidyClaimed, which has the trace"),
    Column("position", BigInteger, nullable=False, comment="of the last fact: as_of"),
    Index("claims_by_stage_filed_idx", "filed", unique=True),
    Index("claims_by_stage_idx", "region", "stage", "filed"),
    Index("claims_by_stage_person_idx", "person_id", "filed"),
    Index("claims_by_stage_position_idx", "position"),
)

claims_by_stage_acts = Table(
    "claims_by_stage_acts",
    metadata,
    Column("claim_id", Text, primary_key=True),
    Column("version", BigInteger, primary_key=True, comment="of the claim's stream"),
    Column("fact_id", Text, nullable=False),
    Column("fact", Text, nullable=False, comment="the fact's title, SubsidyClaimed …"),
    Column("step", Text, nullable=False, comment="the step done: CLAIM, RULE, ACCEPT … PAY, BANK"),
    Column("handler_id", Text, nullable=False, comment="who did it; empty where no handler acted"),
    Column("actor", Text, nullable=False),
    Column("duty", Text, nullable=False),
    Column("business_date", Date, nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    Column("amount_fen", BigInteger),
    Column("codes", Text, nullable=False),
    Index("claims_by_stage_acts_handler_idx", "handler_id", "claim_id"),
)


def fold(connection: Connection, page: Sequence[Projected]) -> None:
    """Applies a page of facts."""
    rows = Net(claims_by_stage)
    for position, fact in page:
        if isinstance(fact.data, SubsidyClaimed):
            rows.bring(_claimed(position, fact))
        else:
            rows.change(fact.data.claim_id, {**_changes(fact.data), "position": position})
    rows.write(connection)
    append(connection, claims_by_stage_acts, (_act(fact) for _, fact in page))


def _changes(data: Any) -> Row:
    match data:
        case ClaimRefused(reasons=reasons):
            return {"stage": "REFUSED", "codes": " ".join(reason.code for reason in reasons)}
        case ClaimAccepted():
            return {"stage": "ACCEPTED"}
        case ClaimReviewed(stage=step):
            return {"stage": f"{step}ED"}
        case ClaimPublicised(opens_on=opens_on, closes_on=closes_on):
            return {"stage": "PUBLICISED", "opens_on": opens_on, "closes_on": closes_on}
        case ClaimApproved(amount_fen=amount):
            return {"stage": "APPROVED", "approved_fen": amount}
        case PaymentOrdered(batch_id=batch):
            return {"stage": "ORDERED", "batch_id": batch, "codes": ""}
        case SubsidyPaid(amount_fen=amount):
            return {"stage": "PAID", "paid_fen": amount}
        case PaymentFailed(code=code):
            return {"stage": "PAYMENT_FAILED", "codes": code}
        case other:
            raise TypeError(f"claims_by_stage does not read {type(other).__name__}")


def _claimed(position: int, fact: Envelope[SubsidyClaimed]) -> Row:
    trace = fact.data.trace
    return msgspec.structs.asdict(fact.data) | {
        "stage": "CLAIMED",
        "codes": "",
        "approved_fen": 0,
        "paid_fen": 0,
        "demo": trace.demo,
        "verified": trace.verified,
        "claimed_on": fact.businessdate,
        "opens_on": None,
        "closes_on": None,
        "batch_id": "",
        "filed": position,
        "position": position,
    }


_STEPS: dict[type, str] = {
    SubsidyClaimed: "CLAIM",
    ClaimAccepted: "ACCEPT",
    ClaimPublicised: "NOTICE",
    ClaimApproved: "APPROVE",
    PaymentOrdered: "PAY",
    SubsidyPaid: "BANK",
    PaymentFailed: "BANK",
}


def _act(fact: Envelope[Any]) -> Row:
    data = fact.data
    codes, amount = "", getattr(data, "computed_fen", getattr(data, "amount_fen", None))
    if isinstance(data, ClaimRefused):
        codes = " ".join(reason.code for reason in data.reasons)
    elif isinstance(data, PaymentFailed):
        codes = data.code
    return {
        "claim_id": data.claim_id,
        "version": fact.streamversion,
        "fact_id": fact.id,
        "fact": type(data).__name__,
        "step": _STEPS.get(type(data)) or data.stage,
        "handler_id": getattr(data, "handler_id", ""),
        "actor": fact.actor,
        "duty": fact.duty,
        "business_date": fact.businessdate,
        "recorded_at": fact.time,
        "amount_fen": amount,
        "codes": codes,
    }


def _rows(connection: Connection, claim_ids: set[str]) -> list[Row]:
    if not claim_ids:
        return []
    found = connection.execute(select(claims_by_stage).where(claims_by_stage.c.claim_id == any_of(claim_ids)))
    return [dict(row) for row in found.mappings()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A page of claims in the order of filing.

    Attributes:
        person: only this person's, whoever claimed.
        after: the `filed` of the last row of the page before.
    """

    stage: str = ""
    region: str = ""
    claimant: str = ""
    person: str = ""
    after: int = 0
    limit: int = 50


def claims(connection: Connection, wanted: Wanted) -> list[Row]:
    """The claims that match, at most `limit`."""
    table = claims_by_stage
    query = select(table)
    for column, value in (
        (table.c.stage, wanted.stage),
        (table.c.region, wanted.region),
        (table.c.claimant, wanted.claimant),
        (table.c.person_id, wanted.person),
    ):
        if value:
            query = query.where(column == value)
    return _page(connection, query, wanted)


def _page(connection: Connection, query: Select[Any], wanted: Wanted) -> list[Row]:
    filed = claims_by_stage.c.filed
    ordered = query.where(filed > wanted.after).order_by(filed).limit(wanted.limit)
    return [dict(row) for row in connection.execute(ordered).mappings()]


def claim(connection: Connection, claim_id: str) -> Row | None:
    """One claim, or None."""
    return next(iter(_rows(connection, {claim_id})), None)


def history(connection: Connection, claim_id: str) -> list[Row]:
    """The claim's facts in order: who did what, when."""
    acts = claims_by_stage_acts
    found = connection.execute(select(acts).where(acts.c.claim_id == claim_id).order_by(acts.c.version))
    return [dict(row) for row in found.mappings()]


@dataclass(frozen=True, slots=True)
class Awaiting:
    """Claims of a region at a stage wait for a handler.

    Attributes:
        barred_by: steps that bar whoever did one of them on the same claim.
    """

    region: str
    stage: str
    barred_by: frozenset[str]


def worklist(
    connection: Connection, handler_id: str, awaiting: Sequence[Awaiting], wanted: Wanted
) -> list[Row]:
    """The claims that wait for this handler, without those that others must do; see `Awaiting`."""
    table, acts = claims_by_stage, claims_by_stage_acts
    rows: list[Row] = []
    for barred_by in sorted({one.barred_by for one in awaiting}, key=sorted):
        places = [(one.region, one.stage) for one in awaiting if one.barred_by == barred_by]
        mine = select(acts.c.claim_id).where(
            acts.c.handler_id == handler_id,
            acts.c.claim_id == table.c.claim_id,
            acts.c.step.in_(barred_by),
        )
        query = select(table).where(tuple_(table.c.region, table.c.stage).in_(places), ~mine.exists())
        rows += _page(connection, query, wanted)
    return sorted(rows, key=lambda row: int(row["filed"]))[: wanted.limit]


def as_of(connection: Connection) -> int:
    """The position of the last fact that any claim shows; 0 where there is none."""
    newest = select(func.max(claims_by_stage.c.position))
    return int(connection.execute(newest).scalar_one() or 0)


projection = Projection(
    "claims_by_stage",
    (claims_by_stage, claims_by_stage_acts),
    (
        SubsidyClaimed,
        ClaimRefused,
        ClaimAccepted,
        ClaimReviewed,
        ClaimPublicised,
        ClaimApproved,
        PaymentOrdered,
        SubsidyPaid,
        PaymentFailed,
    ),
    fold,
)
