"""How far is each region against its target (目标任务)? Person-times (人次) and fen; totals are sums of rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Table, Text, select

from services.audit.projections.projector import as_of
from services.audit.projections.schema import metadata
from shared.contracts.certification import CertificateIssued
from shared.contracts.enrolment import TraineeEnrolled, TrainingCompleted
from shared.contracts.fact import Envelope
from shared.contracts.payment import ClaimRefused, SubsidyClaimed, SubsidyPaid
from shared.eventstore.projection import Projected, Projection
from shared.eventstore.upsert import Row, add_up
from shared.policy.book import PolicyBook
from shared.policy.describe import marks
from shared.policy.refusals import UnknownRegion

COUNTS = ("enrolled", "completed", "certified", "claimed", "refused", "paid", "paid_fen")
BY_RULE = "RULE"

progress_by_region = Table(
    "progress_by_region",
    metadata,
    Column("region", Text, primary_key=True),
    *(Column(name, BigInteger, nullable=False) for name in COUNTS),
    comment="Sums over facts, in whatever order they come. region: as the facts name it.",
)


def _counted(fact: Envelope[Any]) -> Iterator[tuple[str, str, int]]:
    """Region, column, and what is added there."""
    match fact.data:
        case TraineeEnrolled(region=region):
            yield region, "enrolled", 1
        case TrainingCompleted(region=region):
            yield region, "completed", 1
        case CertificateIssued(region=region):
            yield region, "certified", 1
        case SubsidyClaimed(region=region):
            yield region, "claimed", 1
        case ClaimRefused(stage=stage):
            yield fact.region, "refused", 1
            # The no-repeat rule refused it in the transaction that filed it: it never held the entitlement.
            yield fact.region, "claimed", -1 if stage == BY_RULE else 0
        case SubsidyPaid(amount_fen=amount):
            yield fact.region, "paid", 1
            yield fact.region, "paid_fen", amount


def fold(connection: Connection, page: Sequence[Projected]) -> None:
    """Applies a page of facts."""
    rows: dict[str, Row] = defaultdict(lambda: dict.fromkeys(COUNTS, 0))
    for projected in page:
        for region, name, amount in _counted(projected.fact):
            rows[region][name] += amount
    add_up(connection, progress_by_region, [{"region": region, **counts} for region, counts in rows.items()])


def progress(connection: Connection, book: PolicyBook, year: int) -> Row:
    """The table of a year's targets, in the notice's order; 平潭 stands apart from 福州.

    Raises: NoTargets.
    """
    targets = book.targets(year)
    table = {
        code: {"target": target, **dict.fromkeys(COUNTS, 0)} for code, target in targets.by_region.items()
    }
    for row in connection.execute(select(progress_by_region)).mappings():
        counts = table.setdefault(_answering(book, row["region"]), {"target": 0, **dict.fromkeys(COUNTS, 0)})
        for name in COUNTS:
            counts[name] += row[name]
    rows = [_region_row(book, code, counts) for code, counts in table.items()]
    total = {name: sum(row[name] for row in rows) for name in ("target", *COUNTS)}
    return {
        "year": year,
        "source": targets.ref.name,
        "marks": list(marks(demo=targets.ref.demo, verified=targets.ref.verified)),
        "counting_event": targets.counting_event,
        "regions": rows,
        "total": {**total, **_share(total)},
        "as_of": as_of(connection, projection.name),
    }


def _region_row(book: PolicyBook, code: str, counts: dict[str, int]) -> Row:
    return {"region": code, **_names(book, code), **counts, **_share(counts)}


def _answering(book: PolicyBook, code: str) -> str:
    try:
        return book.region(code).code
    except UnknownRegion:
        return code


def _names(book: PolicyBook, code: str) -> dict[str, str]:
    try:
        region = book.region(code)
    except UnknownRegion:
        return {"zh": code, "en": code}
    return {"zh": region.zh, "en": region.en}


def _share(counts: dict[str, int]) -> dict[str, int | None]:
    """Certified person-times in thousandths of the target; None where there is no target."""
    target = counts["target"]
    return {"certified_permille": counts["certified"] * 1000 // target if target else None}


projection = Projection(
    "progress_by_region",
    (progress_by_region,),
    (TraineeEnrolled, TrainingCompleted, CertificateIssued, SubsidyClaimed, ClaimRefused, SubsidyPaid),
    fold,
)
