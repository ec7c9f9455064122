"""Which classes are there, in which state, and how full: the approver's list and the region's overview."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date

from sqlalchemy import BigInteger, Column, Connection, Date, Index, Integer, Table, Text, Uuid, func, select

from services.enrolment.projections.schema import metadata
from shared.contracts.enrolment import (
    AttendanceSheetRecorded,
    ClassApplied,
    ClassApproved,
    ClassCompleted,
    TraineeEnrolled,
)
from shared.eventstore.projection import Projected, Projection
from shared.eventstore.upsert import any_of, upsert

APPLIED, APPROVED, COMPLETED = "APPLIED", "APPROVED", "COMPLETED"

classes_by_state = Table(
    "classes_by_state",
    metadata,
    Column("class_id", Uuid(as_uuid=False), primary_key=True),
    Column("class_ref", Text, nullable=False),
    Column("institution", Text, nullable=False),
    Column("region", Text, nullable=False),
    Column("occupation_id", Text, nullable=False),
    Column("level", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("max_trainees", Integer, nullable=False),
    Column("enrolled", Integer, nullable=False),
    Column("planned_sessions", Integer, nullable=False),
    Column("recorded_sheets", Integer, nullable=False),
    Column("completed", Integer, nullable=False),
    Column("not_completed", Integer, nullable=False),
    Column("first_day", Date, nullable=False),
    Column("last_day", Date, nullable=False),
    Column("applied_on", Date, nullable=False),
    Column("approved_on", Date),
    Column("approved_by", Text),
    Column("place", BigInteger, nullable=False, unique=True),
    Column("position", BigInteger, nullable=False),
    Index("classes_by_state_state_idx", "state", "place"),
    Index("classes_by_state_region_idx", "region", "state"),
    comment="place: position of the application, by which lists are paged. position: of the last fact folded in.",
)


@dataclass(slots=True, kw_only=True)
class ClassRow:
    """A row of the table. Counts are of trainees, sessions and sheets; dates are business dates.

    Attributes:
        place: the application's position: classes are listed in the order in which they were applied for.
        position: of the last fact folded in; facts up to it are passed over, so folding twice changes nothing.
    """

    class_id: str
    class_ref: str
    institution: str
    region: str
    occupation_id: str
    level: str
    state: str
    max_trainees: int
    enrolled: int
    planned_sessions: int
    recorded_sheets: int
    completed: int
    not_completed: int
    first_day: date
    last_day: date
    applied_on: date
    approved_on: date | None
    approved_by: str | None
    place: int
    position: int


def _applied(seen: Projected, fact: ClassApplied) -> ClassRow:
    return ClassRow(
        class_id=fact.class_id,
        class_ref=fact.class_ref,
        institution=fact.institution,
        region=fact.region,
        occupation_id=fact.occupation_id,
        level=fact.level,
        state=APPLIED,
        max_trainees=fact.max_trainees,
        enrolled=0,
        planned_sessions=len(fact.sessions),
        recorded_sheets=0,
        completed=0,
        not_completed=0,
        first_day=fact.first_day,
        last_day=fact.last_day,
        applied_on=seen.fact.businessdate,
        approved_on=None,
        approved_by=None,
        place=seen.position,
        position=seen.position,
    )


def _fold_one(row: ClassRow, seen: Projected) -> None:
    match seen.fact.data:
        case ClassApproved():
            row.state = APPROVED
            row.approved_on, row.approved_by = seen.fact.businessdate, seen.fact.actor
        case TraineeEnrolled():
            row.enrolled += 1
        case AttendanceSheetRecorded():
            row.recorded_sheets += 1
        case ClassCompleted(completed=completed, not_completed=not_completed):
            row.state = COMPLETED
            row.completed, row.not_completed = completed, not_completed
        case _:
            return
    row.position = seen.position


def fold(connection: Connection, page: Sequence[Projected]) -> None:
    """Folds a page to one row a class, then writes them in one statement."""
    rows = _known(connection, {seen.fact.data.class_id for seen in page})
    for seen in page:
        class_id = seen.fact.data.class_id
        row = rows.get(class_id)
        if isinstance(seen.fact.data, ClassApplied) and row is None:
            rows[class_id] = _applied(seen, seen.fact.data)
        elif row is not None and seen.position > row.position:
            _fold_one(row, seen)
    upsert(connection, classes_by_state, [asdict(row) for row in rows.values()])


def _known(connection: Connection, class_ids: set[str]) -> dict[str, ClassRow]:
    if not class_ids:
        return {}
    query = select(classes_by_state).where(classes_by_state.c.class_id == any_of(class_ids, Uuid))
    return {row["class_id"]: ClassRow(**row) for row in connection.execute(query).mappings()}


def find(connection: Connection, class_id: str) -> ClassRow | None:
    """One class, or None where it is unknown or not folded in yet."""
    return _known(connection, {class_id}).get(class_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which classes to list; None takes every one."""

    state: str | None = None
    region: str | None = None
    institution: str | None = None


def list_classes(connection: Connection, wanted: Wanted, *, after: int, limit: int) -> list[ClassRow]:
    """Classes in the order of their applications, from the first whose `place` is above `after`."""
    query = select(classes_by_state).where(classes_by_state.c.place > after)
    for name, value in asdict(wanted).items():
        if value is not None:
            query = query.where(classes_by_state.c[name] == value)
    query = query.order_by(classes_by_state.c.place).limit(limit)
    return [ClassRow(**row) for row in connection.execute(query).mappings()]


def count_by_region(connection: Connection, state: str) -> dict[str, int]:
    """How many classes of a state each region has; regions without any are absent."""
    columns = classes_by_state.c
    query = select(columns.region, func.count()).where(columns.state == state).group_by(columns.region)
    return {row[0]: row[1] for row in connection.execute(query)}


projection = Projection(
    name="classes_by_state",
    tables=(classes_by_state,),
    reads=(ClassApplied, ClassApproved, TraineeEnrolled, AttendanceSheetRecorded, ClassCompleted),
    fold=fold,
)
