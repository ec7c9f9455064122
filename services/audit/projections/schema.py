"""The tables of audit's read models, and how a page's net rows are written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    Connection,
    MetaData,
    Table,
    Text,
    bindparam,
    func,
    literal,
    select,
)
from sqlalchemy.dialects.postgresql import Insert, insert

metadata = MetaData()

Row = dict[str, Any]

ledger_cursors = Table(
    "ledger_cursors",
    metadata,
    Column("projection", Text, primary_key=True),
    Column("next", BigInteger, nullable=False),
    comment="The first ledger index that a projection has not folded; moved by compare-and-set with its page.",
)


def insert_page(table: Table) -> Insert:
    """An INSERT of many rows, one array a column; execute it with `columns`."""
    found = list(table.columns)
    page = select(*(func.unnest(bindparam(c.name, type_=ARRAY(c.type))).label(c.name) for c in found))
    return insert(table).from_select([c.name for c in found], page)


def columns(table: Table, rows: Sequence[Row]) -> dict[str, list[Any]]:
    """The parameters of `insert_page`."""
    return {c.name: [row[c.name] for row in rows] for c in table.columns}


def write_once(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Inserts rows; one whose key is there stays as it is."""
    if rows:
        connection.execute(insert_page(table).on_conflict_do_nothing(), columns(table, rows))


def upsert(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Writes whole rows, at most one a key: a row of the same key is replaced."""
    if not rows:
        return
    written = insert_page(table)
    rest = {c.name: written.excluded[c.name] for c in table.columns if not c.primary_key}
    keys = list(table.primary_key.columns)
    connection.execute(written.on_conflict_do_update(index_elements=keys, set_=rest), columns(table, rows))


def add_up(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Adds the rows' numbers to those that are there; at most one row a key."""
    if not rows:
        return
    written = insert_page(table)
    sums = {c.name: c + written.excluded[c.name] for c in table.columns if not c.primary_key}
    keys = list(table.primary_key.columns)
    connection.execute(written.on_conflict_do_update(index_elements=keys, set_=sums), columns(table, rows))


def any_of(values: Sequence[str]) -> Any:
    """What a column may equal: one array parameter, however many values there are."""
    return func.any(literal(list(values), ARRAY(Text)))
