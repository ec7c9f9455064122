"""A read model built anew from its facts: new tables beside the old, switched in one transaction.

Readers see the old model until the switch, the new one after it, and never a part. No fact is written, nothing is
sent. A rebuild that is killed leaves the live model as it was.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any, NamedTuple

from psycopg.errors import DeadlockDetected, DependentObjectsStillExist, LockNotAvailable
from sqlalchemy import Connection, Engine, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError

from shared.eventstore.projection import Projection, Source
from shared.eventstore.projector import lock_cursor, set_cursor
from shared.eventstore.scratch import Progress, Scratch, look_at, silent
from shared.eventstore.tables import rebuilds

LOCK_TIMEOUT = "1500ms"
"""How long the switch waits for readers at a time, while new ones wait behind it. Longer than PostgreSQL takes to see
a deadlock (the switch then gives way) or a vacuum in the way (which then gives way)."""
SWITCH_SECONDS = 60.0

_GRANTS = text("""
    SELECT c.relname AS table_name, NULL AS column_name, a.privilege_type, a.grantee, a.is_grantable
    FROM pg_class c, aclexplode(c.relacl) a
    WHERE c.oid = CAST(:table AS regclass) AND a.grantee <> c.relowner
    UNION ALL
    SELECT c.relname, p.attname, a.privilege_type, a.grantee, a.is_grantable
    FROM pg_class c JOIN pg_attribute p ON p.attrelid = c.oid, aclexplode(p.attacl) a
    WHERE c.oid = CAST(:table AS regclass) AND a.grantee <> c.relowner
""")


class SwitchRefused(RuntimeError):
    """The new tables could not take the place of the live ones, which stay as they are."""


class Rebuilt(NamedTuple):
    """How many facts the new model rests on, and how long it took."""

    facts: int
    seconds: float


def rebuild(engine: Engine, source: Source, projection: Projection, progress: Progress = silent) -> Rebuilt:
    """Builds a read model anew and puts it in the place of the live one, which is kept up to date meanwhile.

    Args:
        engine: of the database; its role owns the live tables.
        source: of the facts.
        projection: which.
        progress: is told after each page.

    Raises:
        Busy: another rebuild or verification of it is under way.
        SwitchRefused: something else stands on the live tables, or readers never let go of them.
    """
    began = time.monotonic()
    with Scratch(engine, source, projection, progress) as scratch:
        scratch.fold_to(scratch.end())
        scratch.finish()
        until = time.monotonic() + SWITCH_SECONDS
        while True:
            scratch.fold_to(scratch.end())
            try:
                facts = _switch(scratch)
            except DBAPIError as error:
                _judge(error, projection.name, again=time.monotonic() < until)
            else:
                return Rebuilt(facts, time.monotonic() - began)


def _judge(error: DBAPIError, name: str, *, again: bool) -> None:
    """Returns where the switch is to be tried again."""
    if isinstance(error.orig, (LockNotAvailable, DeadlockDetected)):
        if again:
            return
        raise SwitchRefused(
            f"{name}：{SWITCH_SECONDS:g} 秒内一直有查询占用旧表，未切换；请结束长查询后重试 / {name}: queries held the "
            f"live tables for {SWITCH_SECONDS:g} s, nothing was switched; end the long queries and try again"
        ) from error
    if isinstance(error.orig, DependentObjectsStillExist):
        what = error.orig.diag.message_detail or ""
        raise SwitchRefused(
            f"{name}：其他对象依赖旧表，未切换；请先删除它们：{what} / {name}: other objects stand on the live "
            f"tables, nothing was switched; drop them first: {what}"
        ) from error
    raise error


def _switch(scratch: Scratch) -> int:
    """Locks as a projector does: the cursor's row, then the tables. Returns the cursor of the new model."""
    key, connection = scratch.source.key(scratch.projection.name), scratch.connection
    with connection.begin():
        connection.execute(text("SET LOCAL synchronous_commit = on"))
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
        look_at(connection, scratch.live)
        lock_cursor(connection, key)
        end = scratch.source.end(connection)
        scratch.fold_rest(end)
        _replace(scratch)
        set_cursor(connection, key, end)
        _record(connection, key.consumer, end)
    return end


def _replace(scratch: Scratch) -> None:
    """New tables with their indexes under the old names; whoever could read the old ones can read the new."""
    connection, live, new = scratch.connection, scratch.live, scratch.schema
    names = [table.name for table in scratch.projection.tables]
    there = [name for name in names if connection.scalar(select(func.to_regclass(f'"{live}"."{name}"')))]
    listed = ", ".join(f'"{live}"."{name}"' for name in there)
    grants: list[Any] = []
    if there:
        connection.execute(text(f"LOCK TABLE {listed} IN ACCESS EXCLUSIVE MODE"))
        for name in there:
            grants += connection.execute(_GRANTS, {"table": f'"{live}"."{name}"'}).all()
        connection.execute(text(f"DROP TABLE {listed}"))
    for name in names:
        connection.execute(text(f'ALTER TABLE "{new}"."{name}" SET SCHEMA "{live}"'))
    for row in grants:
        connection.execute(text(_grant(connection, row)))


def _grant(connection: Connection, row: Any) -> str:
    quoted = connection.dialect.identifier_preparer.quote
    whom = "PUBLIC" if row.grantee == 0 else connection.scalar(select(func.pg_get_userbyid(row.grantee)))
    column = f" ({quoted(row.column_name)})" if row.column_name else ""
    option = " WITH GRANT OPTION" if row.is_grantable else ""
    to = whom if row.grantee == 0 else quoted(str(whom))
    return f"GRANT {row.privilege_type}{column} ON {quoted(row.table_name)} TO {to}{option}"


def _record(connection: Connection, consumer: str, facts: int) -> None:
    now = datetime.now(UTC)
    row = insert(rebuilds).values(consumer=consumer, rebuilt_at=now, facts=facts)
    again = row.on_conflict_do_update(
        index_elements=[rebuilds.c.consumer], set_={"rebuilt_at": now, "facts": facts}
    )
    connection.execute(again)
