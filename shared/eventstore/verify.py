"""Whether a live read model is what its facts say: folded anew to the same cursor, compared row by row.

Nothing is changed and nobody waits: one snapshot shows the live rows with the cursor that belongs to them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, RowMapping, Table, and_, func, inspect, or_, select, text

from shared.eventstore.projection import Projection, Source
from shared.eventstore.projector import cursor
from shared.eventstore.scratch import Progress, Scratch, look_at, silent

FIRST = 10
"""Differences told of each table."""

MISSING, SURPLUS, OTHER = "missing", "surplus", "other"
"""A row that the live table lacks; one that it should not have; one with other values."""


class Difference(NamedTuple):
    """One row, by its key, as it stands live and as its facts say; read models hold no personal data.

    Attributes:
        columns: of a row with other values, each that differs: (live, rebuilt).
    """

    table: str
    key: Mapping[str, Any]
    kind: str
    columns: Mapping[str, tuple[Any, Any]]


class Verified(NamedTuple):
    """How many facts were folded, how many rows differ, and the first of them."""

    facts: int
    seconds: float
    different: int
    first: list[Difference]


class NotBuilt(RuntimeError):
    """The live tables don't have the columns that this version of the service gives them."""


def verify(engine: Engine, source: Source, projection: Projection, progress: Progress = silent) -> Verified:
    """Compares a live read model with one folded anew.

    Args:
        engine: of the database; its role owns the live tables.
        source: of the facts.
        projection: which.
        progress: is told after each page.

    Raises:
        Busy: a rebuild or verification of it is under way.
        NotBuilt: the live tables have other columns.
    """
    began = time.monotonic()
    key = source.key(projection.name)
    with Scratch(engine, source, projection, progress) as scratch:
        with engine.connect() as connection:
            _check_columns(connection, scratch)
            here = cursor(connection, key)
        scratch.fold_to(here)
        with scratch.connection.begin():
            scratch.connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            look_at(scratch.connection, scratch.live)
            # The live rows and the cursor of one snapshot belong together; both moved since the folding began.
            here = cursor(scratch.connection, key)
            scratch.fold_rest(here)
            found = [
                _compare(scratch.connection, *pair)
                for pair in zip(scratch.tables(scratch.live), scratch.tables(scratch.schema), strict=True)
            ]
    different = sum(count for count, _ in found)
    return Verified(here, time.monotonic() - began, different, [one for _, rows in found for one in rows])


def _check_columns(connection: Connection, scratch: Scratch) -> None:
    there = inspect(connection)
    for table in scratch.tables(scratch.live):
        known = set()
        if there.has_table(table.name, schema=scratch.live):
            known = {column["name"] for column in there.get_columns(table.name, schema=scratch.live)}
        if missing := sorted({column.name for column in table.columns} - known):
            columns = ", ".join(missing)
            raise NotBuilt(
                f"表 {table.name} 缺少列 {columns}：请先重建 {scratch.projection.name} / "
                f"table {table.name} lacks the columns {columns}: rebuild {scratch.projection.name} first"
            )


def _compare(connection: Connection, live: Table, new: Table) -> tuple[int, list[Difference]]:
    """How many rows differ, and the first, by key."""
    keys = [column.name for column in live.primary_key.columns]
    paired = live.join(new, and_(*(live.c[name] == new.c[name] for name in keys)), full=True)
    differs = or_(*(live.c[column.name].is_distinct_from(new.c[column.name]) for column in live.columns))
    either = [func.coalesce(live.c[name], new.c[name]).label(f"key_{name}") for name in keys]
    query = select(
        func.count().over().label("different"),
        *either,
        *(column.label(f"live_{column.name}") for column in live.columns),
        *(column.label(f"new_{column.name}") for column in new.columns),
    )
    query = query.select_from(paired).where(differs).order_by(*either).limit(FIRST)
    rows = connection.execute(query).mappings().all()
    return (rows[0]["different"] if rows else 0), [_difference(live, keys, row) for row in rows]


def _difference(live: Table, keys: list[str], row: RowMapping) -> Difference:
    key = {name: row[f"key_{name}"] for name in keys}
    if row[f"live_{keys[0]}"] is None:
        return Difference(live.name, key, MISSING, {})
    if row[f"new_{keys[0]}"] is None:
        return Difference(live.name, key, SURPLUS, {})
    pairs = {column.name: (row[f"live_{column.name}"], row[f"new_{column.name}"]) for column in live.columns}
    return Difference(
        live.name, key, OTHER, {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    )
