"""Writing a page's net rows into a read model: one statement a table, however many rows there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import ARRAY, Connection, Table, bindparam, func, select
from sqlalchemy.dialects.postgresql import Insert, insert

Row = dict[str, Any]
"""Column to value; a row to be written names every column of its table."""


def upsert(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Writes whole rows, at most one a key: a row of the same key is replaced."""
    _merge(connection, table, rows, lambda _there, new: new)


def add_up(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Adds the rows' numbers to those that are there; at most one row a key."""
    _merge(connection, table, rows, lambda there, new: there + new)


def write_once(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Inserts rows; one whose key is there stays as it is."""
    if rows:
        connection.execute(_insert(table).on_conflict_do_nothing(), _arrays(table, rows))


def _merge(
    connection: Connection, table: Table, rows: Sequence[Row], merged: Callable[[Any, Any], Any]
) -> None:
    if not rows:
        return
    written = _insert(table)
    rest = {c.name: merged(c, written.excluded[c.name]) for c in table.columns if not c.primary_key}
    keys = list(table.primary_key.columns)
    connection.execute(written.on_conflict_do_update(index_elements=keys, set_=rest), _arrays(table, rows))


def _insert(table: Table) -> Insert:
    """An INSERT of many rows, one array a column: of one dimension, or a JSON list would be read as a second."""
    found = list(table.columns)
    arrays = (bindparam(c.name, type_=ARRAY(c.type, dimensions=1)) for c in found)
    page = select(*(func.unnest(array).label(c.name) for c, array in zip(found, arrays, strict=True)))
    return insert(table).from_select([c.name for c in found], page)


def _arrays(table: Table, rows: Sequence[Row]) -> dict[str, list[Any]]:
    return {c.name: [row[c.name] for row in rows] for c in table.columns}
