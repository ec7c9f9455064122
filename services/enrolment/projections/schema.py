"""The tables of enrolment's read models, and how a page's net rows are written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ARRAY, Connection, MetaData, Table, bindparam, func, select
from sqlalchemy.dialects.postgresql import insert

metadata = MetaData()

Row = dict[str, Any]


def upsert(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Writes whole rows, one statement for all: a row of the same key is replaced.

    `rows` has at most one a key, and each names every column.
    """
    if not rows:
        return
    columns = list(table.columns)
    page = select(*(func.unnest(bindparam(c.name, type_=ARRAY(c.type))).label(c.name) for c in columns))
    written = insert(table).from_select([c.name for c in columns], page)
    rest = {c.name: written.excluded[c.name] for c in columns if not c.primary_key}
    connection.execute(
        written.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=rest),
        {c.name: [row[c.name] for row in rows] for c in columns},
    )
