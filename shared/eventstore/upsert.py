"""Writing a page's rows of a read model: one statement a table, one parameter, however many there are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from operator import add, itemgetter
from typing import Any

import msgspec
from sqlalchemy import (
    ARRAY,
    JSON,
    Column,
    Connection,
    Table,
    TableValuedAlias,
    Text,
    Update,
    and_,
    bindparam,
    cast,
    column,
    func,
    select,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.types import TypeEngine

from shared.eventstore.sql import GONE, driver_of
from shared.eventstore.store import Unavailable

_encoder = msgspec.json.Encoder()
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]

Row = dict[str, Any]
"""Column to value. A row to be written names every column of its table, and may name more."""


def any_of(values: Iterable[str], kind: type[TypeEngine[str]] = Text) -> Any:
    """What a column may equal; `kind` is the column's type."""
    return func.any(cast(bindparam(None, list(values), ARRAY(Text)), ARRAY(kind)))


class Net:
    """What a page makes of a table: rows that it brings, and what it changes in rows of earlier pages.

    For a table with one key column, whose rows are each brought by one fact of the source. What is there is not read,
    and what a page changes twice is written once.
    """

    def __init__(self, table: Table) -> None:
        """Of this table; nothing is written before `write`."""
        (key,) = table.primary_key.columns
        self._table = table
        self._key = key.name
        self._brought: dict[str, Row] = {}
        self._changed: dict[str, Row] = {}

    def bring(self, row: Row) -> None:
        """A row that is not there yet."""
        self._brought[row[self._key]] = row

    def change(self, key: str, values: Row) -> None:
        """Values in a row that is there or was brought; None leaves a row of an earlier page as it is."""
        row = self._brought.get(key) or self._changed.setdefault(key, {self._key: key})
        row.update(values)

    def write(self, connection: Connection) -> None:
        """Writes it. Raises: Unavailable; KeyError where a row that changes is not there."""
        append(connection, self._table, self._brought.values())
        _change(connection, self._table, list(self._changed.values()))


def append(connection: Connection, table: Table, rows: Iterable[Row]) -> None:
    """Adds rows, none of which can be there: their key is a fact's place or name, and the cursor passes each fact once.

    Raises: Unavailable.
    """
    names = [each.name for each in table.columns]
    columns = ", ".join(f'"{name}"' for name in names)
    copying = f'COPY "{table.name}" ({columns}) FROM STDIN (FORMAT BINARY)'
    values = map(itemgetter(*names), rows)
    first = next(values, None)
    if first is None:
        return
    try:
        with driver_of(connection).cursor() as cursor, cursor.copy(copying) as copy:
            copy.set_types(_type_names(table))
            copy.write_row(first)
            for row in values:
                copy.write_row(row)
    except GONE as error:
        raise Unavailable(type(error).__name__) from error


@cache
def _type_names(table: Table) -> tuple[str, ...]:
    return tuple(str(each.type.compile(_DIALECT)).lower() for each in table.columns)


def _change(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    if not rows:
        return
    done = connection.execute(_changing(table, frozenset().union(*rows)), _json(rows))
    if done.rowcount != len(rows):
        raise KeyError(f"{len(rows) - done.rowcount} rows of {table.name} that change are not there")


def upsert(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Writes whole rows, at most one a key: a row of the same key is replaced."""
    if rows:
        connection.execute(_merging(table, _replaced), _whole(table, rows))


def add_up(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Adds the rows' numbers to those that are there; at most one row a key."""
    if rows:
        connection.execute(_merging(table, add), _whole(table, rows))


def write_once(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Inserts rows; one whose key is there stays as it is."""
    if rows:
        connection.execute(_leaving(table), _whole(table, rows))


# A statement is made once: SQLAlchemy's are full of cycles. Made for every page they left the collector 16,000 objects
# a second, and all 200,000 of a round at once: the read models stood still for half a second.


@cache
def _changing(table: Table, named: frozenset[str]) -> Update:
    columns = [each for each in table.columns if each.name in named]
    given = _given(columns)
    values = {c.name: func.coalesce(given.c[c.name], c) for c in columns if not c.primary_key}
    here = and_(*(c == given.c[c.name] for c in table.primary_key.columns))
    return update(table).values(values).where(here)


@cache
def _merging(table: Table, merged: Callable[[Any, Any], Any]) -> Insert:
    written = _insert(table)
    rest = {c.name: merged(c, written.excluded[c.name]) for c in table.columns if not c.primary_key}
    return written.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=rest)


def _replaced(_there: Any, new: Any) -> Any:
    return new


@cache
def _leaving(table: Table) -> Insert:
    return _insert(table).on_conflict_do_nothing()


def _insert(table: Table) -> Insert:
    columns = list(table.columns)
    return insert(table).from_select([c.name for c in columns], select(*_given(columns).c))


def _given(columns: Sequence[Column[Any]]) -> TableValuedAlias:
    """Rows from one JSON text: encoded and read in C, whatever stands in it."""
    rows = func.json_to_recordset(cast(bindparam("rows", type_=Text), JSON))
    named = rows.table_valued(*(column(c.name, c.type) for c in columns))
    return named.render_derived(name="given", with_types=True)


def _whole(table: Table, rows: Sequence[Row]) -> dict[str, str]:
    names = {c.name for c in table.columns}
    if not all(row.keys() >= names for row in rows):
        raise KeyError(f"a row of {table.name} lacks a column")
    return _json(rows)


def _json(rows: Sequence[Row]) -> dict[str, str]:
    return {"rows": _encoder.encode(rows).decode()}
