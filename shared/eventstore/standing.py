"""How a read model stands: its rows, how far it is, when it was last built anew."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, Engine, func, inspect, select, text

from shared.eventstore.projection import Projection, Source
from shared.eventstore.projector import cursor
from shared.eventstore.scratch import lock_key, schema_of
from shared.eventstore.tables import rebuilds

_HELD = text("""
    SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND (CAST(classid AS bigint) << 32) | CAST(objid AS bigint) = :key
""")


class Standing(NamedTuple):
    """A read model now.

    Attributes:
        rows: by table; None where the table is not there.
        position: its cursor; the source's is `end`.
        lag: facts yet to be folded.
        rebuilt_at: None: never.
        under_way: a rebuild or verification is at work.
        left_over: one was killed; its tables lie there until the next begins.
    """

    name: str
    rows: dict[str, int | None]
    position: int
    end: int
    lag: int
    rebuilt_at: datetime | None
    under_way: bool
    left_over: bool


def standing(engine: Engine, source: Source, projection: Projection) -> Standing:
    """Looks, changes nothing and waits for nobody."""
    key = source.key(projection.name)
    with engine.connect() as connection:
        end = source.end(connection)
        position = cursor(connection, key)
        rebuilt_at = connection.scalar(
            select(rebuilds.c.rebuilt_at).where(rebuilds.c.consumer == key.consumer)
        )
        under_way = bool(connection.scalar(_HELD, {"key": lock_key(key.consumer)}))
        scratch = inspect(connection).has_schema(schema_of(projection))
        return Standing(
            name=projection.name,
            rows=_rows(connection, projection),
            position=position,
            end=end,
            lag=max(end - position, 0),
            rebuilt_at=rebuilt_at,
            under_way=under_way,
            left_over=scratch and not under_way,
        )


def _rows(connection: Connection, projection: Projection) -> dict[str, int | None]:
    there = inspect(connection)
    return {
        table.name: connection.scalar(select(func.count()).select_from(table))
        if there.has_table(table.name)
        else None
        for table in projection.tables
    }
