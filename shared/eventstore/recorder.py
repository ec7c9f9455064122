"""The library's process recorder, made fit for batches: no pipeline mode, one COPY, positions by compare-and-set.

The library inserts in psycopg's pipeline mode, which hangs for ever at about 1 MB while holding the table lock
(docs/adr/0004). Here the rows go in by binary COPY on the caller's own connection, under the same table lock, so
commit order stays position order. Its database functions take no lock: never turn them on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from struct import Struct
from typing import Any
from uuid import UUID

from eventsourcing.persistence import IntegrityError, StoredEvent, Tracking
from eventsourcing.postgres import PostgresDatastore, PostgresProcessRecorder
from psycopg import Cursor, errors, sql

from shared.contracts.fact import Encoded
from shared.eventstore.tables import EVENTS
from shared.identity import uuid_bytes

MAX_FACTS = 2_000
MAX_BYTES = 4_000_000
"""Caps of one transaction. A batch over them is split by its caller."""

LOCK_TIMEOUT = "5s"
_SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_ROW = Struct(">hi16siqi").pack
_LENGTH = Struct(">i").pack
_END = b"\xff\xff"


def copy_rows(rows: Iterable[tuple[bytes, int, bytes, bytes]]) -> bytes:
    """The binary COPY form (PostgreSQL manual, COPY, "Binary Format") of (stream, version, topic, state)."""
    out = [_SIGNATURE]
    add = out.append
    for stream, version, topic, state in rows:
        add(_ROW(4, 16, stream, 8, version, len(topic)))
        add(topic)
        add(_LENGTH(len(state)))
        add(state)
    add(_END)
    return b"".join(out)


class RowDatastore(PostgresDatastore):
    """The library's datastore without its composite types: rows go in by COPY.

    So it opens no connection of its own unless one of the library's own methods is called.
    """

    def register_type_adapters(self) -> None:
        """Nothing to register."""


class BatchRecorder(PostgresProcessRecorder):
    """Appends whole batches in a transaction that its caller owns."""

    def __init__(
        self, datastore: PostgresDatastore, *, events_table_name: str = EVENTS, **kwargs: Any
    ) -> None:
        super().__init__(datastore, events_table_name=events_table_name, **kwargs)
        table = sql.Identifier(datastore.schema, events_table_name)
        self._lock = sql.SQL("SET LOCAL lock_timeout = {}; LOCK TABLE {} IN EXCLUSIVE MODE").format(
            LOCK_TIMEOUT, table
        )
        self._copy = sql.SQL(
            "COPY {} (originator_id, originator_version, topic, state) FROM STDIN (FORMAT BINARY)"
        ).format(table)
        self._insert = sql.SQL(
            """INSERT INTO {} (originator_id, originator_version, topic, state, notification_id)
               SELECT * FROM unnest(%s::uuid[], %s::bigint[], %s::text[], %s::bytea[], %s::bigint[])"""
        ).format(table)
        self._advance = sql.SQL(
            """WITH sequence AS (SELECT pg_get_serial_sequence({}, 'notification_id')::regclass AS name)
               SELECT setval(name, greatest(%s, pg_sequence_last_value(name))) FROM sequence"""
        ).format(sql.Literal(table.as_string(None)))
        self._head = sql.SQL("SELECT lastval(); NOTIFY {}").format(sql.Identifier(self.channel_name))

    def lock(self, cursor: Cursor[Any]) -> None:
        """Takes the events-table lock: the first lock of every writing transaction. No other order exists."""
        cursor.execute(self._lock, prepare=False)  # two statements in one round trip

    def append(self, cursor: Cursor[Any], facts: Sequence[Encoded]) -> int:
        """Inserts facts under the lock and wakes the relay. Returns the new head.

        Raises: IntegrityError when a (stream, version) is taken.
        """
        rows = ((uuid_bytes(f.stream), f.version, f.type.encode(), f.state) for f in facts)
        return self._copy_in(cursor, copy_rows(rows))

    def put_back(self, cursor: Cursor[Any], facts: Sequence[tuple[int, Encoded]]) -> None:
        """Inserts facts at positions that they had before, under the lock; wakes nobody.

        The positions are the caller's: `reserve_positions` first, or an append would use them again.
        """
        columns = zip(
            *((UUID(f.stream), f.version, f.type, f.state, position) for position, f in facts), strict=True
        )
        cursor.execute(self._insert, [list(column) for column in columns])

    def reserve_positions(self, cursor: Cursor[Any], through: int) -> None:
        """No later append takes a position up to `through` (at least 1), under the lock; none beyond is left unused."""
        cursor.execute(self._advance, (through,))

    def _copy_in(self, cursor: Cursor[Any], rows: bytes) -> int:
        try:
            with cursor.copy(self._copy) as copy:
                copy.write(rows)
        except errors.UniqueViolation as error:
            raise IntegrityError(str(error)) from error
        cursor.execute(self._head, prepare=False)
        row = cursor.fetchone()
        assert row is not None
        return int(row["lastval"] if isinstance(row, dict) else row[0])

    def insert_events(
        self, stored_events: Sequence[StoredEvent], *, tracking: Tracking | None = None, **_: Any
    ) -> Sequence[int] | None:
        """The library's own entry, in a transaction of its own: what its conformance tests call."""
        rows = (
            (UUID(str(e.originator_id)).bytes, e.originator_version, e.topic.encode(), e.state)
            for e in stored_events
        )
        with self.datastore.get_connection() as conn, conn.transaction(), conn.cursor() as cursor:
            self.lock(cursor)
            if tracking is not None:
                self._insert_tracking(cursor, tracking=tracking)
            if not stored_events:
                return []
            head = self._copy_in(cursor, copy_rows(rows))
        return list(range(head - len(stored_events) + 1, head + 1))
