"""Reading and writing a page's rows of a read model: one statement a table, one parameter, however many there are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import (
    ARRAY,
    JSON,
    ColumnElement,
    Connection,
    Table,
    Text,
    bindparam,
    cast,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.types import TypeEngine

from shared.eventstore.sql import GONE, driver_of
from shared.eventstore.store import Unavailable

_encoder = msgspec.json.Encoder()
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]

Row = dict[str, Any]
"""Column to value; a row to be written names every column of its table."""


def any_of(values: Iterable[str], kind: type[TypeEngine[str]] = Text) -> Any:
    """What a column may equal; `kind` is the column's type."""
    return func.any(cast(bindparam(None, list(values), ARRAY(Text)), ARRAY(kind)))


def upsert(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Writes whole rows, at most one a key: a row of the same key is replaced."""
    _merge(connection, table, rows, lambda _there, new: new)


def add_up(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Adds the rows' numbers to those that are there; at most one row a key."""
    _merge(connection, table, rows, lambda there, new: there + new)


def append(connection: Connection, table: Table, rows: Iterable[Sequence[Any]]) -> None:
    """Adds rows, each with a value for every column in the table's order, none of which can be there.

    For tables whose key is a fact's place in its source: the cursor passes each place once, in this transaction.

    Raises: Unavailable.
    """
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    copying = f'COPY "{table.name}" ({columns}) FROM STDIN (FORMAT BINARY)'
    try:
        with driver_of(connection).cursor() as cursor, cursor.copy(copying) as copy:
            copy.set_types(_type_names(table))
            for row in rows:
                copy.write_row(row)
    except GONE as error:
        raise Unavailable(type(error).__name__) from error


@cache
def _type_names(table: Table) -> tuple[str, ...]:
    return tuple(str(column.type.compile(_DIALECT)).lower() for column in table.columns)


def write_once(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Inserts rows; one whose key is there stays as it is."""
    if rows:
        connection.execute(_insert(table).on_conflict_do_nothing(), _json(table, rows))


def _merge(
    connection: Connection, table: Table, rows: Sequence[Row], merged: Callable[[Any, Any], Any]
) -> None:
    if not rows:
        return
    written = _insert(table)
    rest = {c.name: merged(c, written.excluded[c.name]) for c in table.columns if not c.primary_key}
    keys = list(table.primary_key.columns)
    connection.execute(written.on_conflict_do_update(index_elements=keys, set_=rest), _json(table, rows))


def _insert(table: Table) -> Insert:
    """An INSERT of many rows from one JSON text: encoded and read in C, whatever stands in it."""
    rows = func.json_populate_recordset(_none_of(table), cast(bindparam("rows", type_=Text), JSON))
    columns = [c.name for c in table.columns]
    page = select(*rows.table_valued(*columns).c)
    return insert(table).from_select(columns, page)


def _none_of(table: Table) -> ColumnElement[Any]:
    """NULL of the table's row type, by its bare name: of the table that the connection sees."""
    return literal_column(f'CAST(NULL AS "{table.name}")')


def _json(table: Table, rows: Sequence[Row]) -> dict[str, str]:
    names = {c.name for c in table.columns}
    if not all(row.keys() >= names for row in rows):
        raise KeyError(f"a row of {table.name} lacks a column")
    return {"rows": _encoder.encode(rows).decode()}
