"""The store on PostgreSQL: one connection, one transaction a batch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast
from uuid import UUID

import psycopg
from eventsourcing.persistence import IntegrityError
from psycopg.rows import tuple_row
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shared.arrays import quick_lists
from shared.eventstore import write
from shared.eventstore.changes import (
    Answer,
    Changes,
    Committed,
    Found,
    KnowKey,
    Move,
    Position,
    PositionKey,
    Reads,
    Stored,
)
from shared.eventstore.recorder import BatchRecorder, RowDatastore
from shared.eventstore.store import Conflict, PositionMoved, Unavailable
from shared.pool import noticing_cut

Cursor = psycopg.Cursor[tuple[Any, ...]]

_EVENT = "SELECT notification_id, originator_id::text, originator_version, topic, state FROM events"
_BEHIND = f"notification_id > %s AND notification_id <= {(1 << 63) - 1}"
"""Of a range with two ends the planner expects few rows and takes the index, also where it knows nothing of the table:
while every transaction locks it, autovacuum finds no moment to make its statistics. With one end it read all."""
_STREAMS = f"""SELECT found.* FROM unnest(%s::uuid[]) AS wanted(id),
               LATERAL ({_EVENT} WHERE originator_id = wanted.id ORDER BY originator_version OFFSET 0) AS found"""  # noqa: S608
"""One probe a stream, whatever the planner thinks of so many: most are new and have no row."""


GONE = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError)
"""The driver's words for a connection or a server that is no more, or that ended a transaction that stood still."""
OVERFLOW = 4
"""Connections that a pool opens beyond its size while it is busy."""
PATIENCE = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
"""A server that vanished without a word is noticed after some 20 s; connecting takes at most 5 s."""


_SESSION = "-c idle_in_transaction_session_timeout=15s -c jit=off -c plan_cache_mode=force_custom_plan"
"""Plans are made anew for each execution: one that was kept from the time when a table was small, or that doesn't know
that nothing stands behind the last position, reads the whole of a large table each time."""


def make_engine(url: str, *, pool_size: int = 4) -> Engine:
    """An engine whose transactions can't hold others up for longer than their timeouts."""
    engine = create_engine(
        url,
        isolation_level="READ COMMITTED",
        pool_size=pool_size,
        max_overflow=OVERFLOW,
        pool_use_lifo=True,  # the warm one again: each keeps its own plans and catalogue
        hide_parameters=True,
        connect_args={"options": _SESSION, **PATIENCE},
    )
    return noticing_cut(quick_lists(engine))


def single_statements(engine: Engine) -> Engine:
    """The same engine and pool; each statement is a transaction of its own, so a look is one round trip, not three.

    Made once and kept: each is an engine of its own with listeners.
    """
    return engine.execution_options(isolation_level="AUTOCOMMIT")


class SqlStore:
    """See `shared.eventstore.store.Store`."""

    def __init__(self, engine: Engine, *, before_lock: Callable[[], None] | None = None) -> None:
        """A store on an engine's database.

        Args:
            engine: of `make_engine`.
            before_lock: called between deciding and locking; a seam for tests that force a race.
        """
        self._engine = engine
        self._single = single_statements(engine)
        self._before_lock = before_lock
        url = engine.url
        self._recorder = BatchRecorder(
            RowDatastore(
                dbname=url.database or "",
                host=url.host or "",
                port=str(url.port or ""),
                user=url.username or "",
                password=url.password or "",
            )
        )

    @property
    def engine(self) -> Engine:
        """For projections and read queries of the same database."""
        return self._engine

    @property
    def recorder(self) -> BatchRecorder:
        """Writes events in a transaction of `appending`: for putting facts back."""
        return self._recorder

    @contextmanager
    def appending(self) -> Iterator[Cursor]:
        """A writing transaction's cursor, under the events-table lock. Raises: Unavailable."""
        with _cursor(self._engine) as cursor:
            self._recorder.lock(cursor)
            yield cursor

    def incarnation(self) -> UUID:
        """See `Store`."""
        with _cursor(self._single) as cursor:
            row = cursor.execute("SELECT incarnation FROM store").fetchone()
        assert row is not None, "the first migration writes the store's one row"
        return cast(UUID, row[0])

    def head(self) -> int:
        """See `Store`."""
        with _cursor(self._single) as cursor:
            return _head(cursor)

    def changed_since(self, seen: int, most: int) -> tuple[int, frozenset[str]] | None:
        """See `Store`."""
        with _cursor(self._single) as cursor:
            rows = _added(cursor, seen, most + 1)
        return None if len(rows) > most else _changed(rows, seen)

    def page(self, after: int, limit: int) -> Sequence[Stored]:
        """See `Store`."""
        with _cursor(self._single) as cursor:
            query = f"{_EVENT} WHERE {_BEHIND} ORDER BY notification_id LIMIT %s"
            return [Stored(*row) for row in cursor.execute(query, (after, limit), binary=True)]

    def positions(self, consumer: str) -> dict[PositionKey, Position]:
        """See `Store`."""
        query = """SELECT consumer, source, topic, partition, position, digest, kafka_offset
                   FROM positions WHERE consumer = %s"""
        with _cursor(self._single) as cursor:
            return {PositionKey(*row[:4]): Position(*row[4:]) for row in cursor.execute(query, (consumer,))}

    def read(self, reads: Reads) -> Found:
        """See `Store`."""
        found = Found()
        if not reads:
            return found
        with _cursor(self._single) as cursor:
            _read_streams(cursor, reads, found)
            _read_reservations(cursor, reads, found)
            _read_foreign(cursor, reads, found)
            _read_keys(cursor, reads, found)
            _read_answers(cursor, reads, found)
            found.parked = _parked(cursor, reads.parked)
            found.awaiting = _awaiting(cursor, reads.awaiting)
            found.blocked = _blocked(cursor, reads.blocked)
        return found

    def commit(self, changes: Changes) -> Committed:
        """See `Store`. Order: events-table lock, re-checks, writes."""
        if self._before_lock is not None:
            self._before_lock()
        try:
            with _cursor(self._engine) as cursor:
                self._recorder.lock(cursor)
                self._check(cursor, changes)
                return self._write(cursor, changes)
        except IntegrityError as error:
            streams = frozenset(f.stream for f in changes.facts)
            raise Conflict("a stream's version is taken", streams) from error
        except psycopg.errors.UniqueViolation as error:
            raise Conflict("a reservation is taken") from error

    def move(self, moves: Sequence[Move]) -> None:
        """See `Store`. Neither the lock of the event table nor the disk is waited for."""
        with _cursor(self._engine) as cursor:
            cursor.execute("SET LOCAL synchronous_commit = off")
            self._move(cursor, moves)

    def _check(self, cursor: Cursor, changes: Changes) -> None:
        """That nothing was added since the reads were taken which any decision of the batch rests on."""
        head, streams = _changed(_added(cursor, changes.seen), changes.seen)
        stale = streams & changes.reads.streams
        if stale:
            raise Conflict("streams changed", stale, head)
        if head != changes.seen and _reservations_changed(cursor, changes):
            raise Conflict("reservations changed", frozenset(), head)
        if changes.parked and _parked(cursor, changes.parked) != changes.parked:
            raise Conflict("parked submissions changed", frozenset(), head)
        if changes.absent_foreign and _any_arrived(cursor, changes.absent_foreign):
            raise Conflict("an awaited foreign fact has arrived", frozenset(), head)
        if changes.absent_keys and _keys(cursor, changes.absent_keys):
            raise Conflict("an awaited signing key has arrived", frozenset(), head)
        if changes.blocked and _blocked(cursor, changes.blocked) != changes.blocked:
            raise Conflict("parked facts changed", frozenset(), head)

    def _write(self, cursor: Cursor, changes: Changes) -> Committed:
        self._move(cursor, changes.moves)
        head = self._recorder.append(cursor, changes.facts) if changes.facts else _head(cursor)
        write.effects(cursor, changes.effects)
        return Committed(head - len(changes.facts) + 1, head)

    def _move(self, cursor: Cursor, moves: Sequence[Move]) -> None:
        if not write.move(cursor, moves):
            raise PositionMoved(", ".join(str(move.key) for move in moves))


@contextmanager
def _cursor(engine: Engine) -> Iterator[Cursor]:
    """A transaction's cursor on SQLAlchemy's connection; driver errors become the store's."""
    try:
        with (
            engine.begin() as connection,
            driver_of(connection).cursor(row_factory=tuple_row) as cursor,
        ):
            yield cursor
    except GONE as error:
        raise Unavailable(type(error).__name__) from error
    except PoolTimeout as error:
        raise Unavailable("no connection") from error
    except DBAPIError as error:
        raise Unavailable(type(error.orig).__name__) from error


def driver_of(connection: Connection) -> psycopg.Connection[Any]:
    """The driver's connection below one of SQLAlchemy's: for COPY, and for bytes that don't come as text."""
    return cast("psycopg.Connection[Any]", connection.connection.driver_connection)


def rows_of(connection: Connection, query: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    """The rows of a query, in binary: bytes as text are twice as long, and cost both sides a turn.

    Raises: Unavailable.
    """
    try:
        with driver_of(connection).cursor(row_factory=tuple_row, binary=True) as cursor:
            return cursor.execute(query, values).fetchall()
    except GONE as error:
        raise Unavailable(type(error).__name__) from error


def _head(cursor: Cursor) -> int:
    row = cursor.execute("SELECT coalesce(max(notification_id), 0) FROM events").fetchone()
    assert row is not None
    return int(row[0])


def _added(cursor: Cursor, seen: int, limit: int | None = None) -> list[tuple[int, str]]:
    query = f"SELECT notification_id, originator_id::text FROM events WHERE {_BEHIND} LIMIT %s"  # noqa: S608 - constants
    return cursor.execute(query, (seen, limit)).fetchall()


def _changed(added: Sequence[tuple[int, str]], seen: int) -> tuple[int, frozenset[str]]:
    return max((row[0] for row in added), default=seen), frozenset(row[1] for row in added)


def _read_streams(cursor: Cursor, reads: Reads, found: Found) -> None:
    if reads.streams:
        streams = defaultdict(list)
        for row in cursor.execute(_STREAMS, (list(reads.streams),), binary=True):
            streams[row[1]].append(Stored(*row))
        found.streams = dict(streams)


def _read_reservations(cursor: Cursor, reads: Reads, found: Found) -> None:
    if reads.reservations:
        scopes, keys = zip(*reads.reservations, strict=True)
        query = """SELECT scope, key, holder FROM reservations
                   WHERE (scope, key) IN (SELECT * FROM unnest(%s::text[], %s::text[]))"""
        found.reservations.update(
            {(row[0], row[1]): row[2] for row in cursor.execute(query, (list(scopes), list(keys)))}
        )
    if reads.scopes:
        query = "SELECT scope, key, holder FROM reservations WHERE scope = ANY(%s)"
        found.reservations.update(
            {(row[0], row[1]): row[2] for row in cursor.execute(query, (list(reads.scopes),))}
        )


def _read_foreign(cursor: Cursor, reads: Reads, found: Found) -> None:
    if reads.foreign:
        types, subjects = zip(*reads.foreign, strict=True)
        query = """SELECT type, subject::text, state FROM foreign_facts
                   WHERE (type, subject) IN (SELECT * FROM unnest(%s::text[], %s::uuid[])) ORDER BY version"""
        for kind, subject, state in cursor.execute(query, (list(types), list(subjects)), binary=True):
            found.foreign.setdefault((kind, subject), []).append(state)


def _read_keys(cursor: Cursor, reads: Reads, found: Found) -> None:
    if reads.keys:
        found.keys = _keys(cursor, reads.keys)


def _keys(cursor: Cursor, key_ids: frozenset[str]) -> dict[str, KnowKey]:
    query = """SELECT key_id, uscc, kind, region, public_key, valid_from, valid_until
               FROM institution_keys WHERE key_id = ANY(%s)"""
    return {row[0]: KnowKey(*row) for row in cursor.execute(query, (list(key_ids),))}


def _read_answers(cursor: Cursor, reads: Reads, found: Found) -> None:
    if reads.answers:
        query = "SELECT causation_id::text, digest, answer FROM http_commands WHERE causation_id = ANY(%s::uuid[])"
        found.answers = {row[0]: Answer(*row) for row in cursor.execute(query, (list(reads.answers),))}


def _parked(cursor: Cursor, receipt_ids: Iterable[str]) -> dict[str, frozenset[str]]:
    wanted = list(receipt_ids)
    found: dict[str, set[str]] = {receipt_id: set() for receipt_id in wanted}
    if wanted:
        query = "SELECT receipt_id::text, digest FROM parked WHERE receipt_id = ANY(%s::uuid[])"
        for receipt_id, digest in cursor.execute(query, (wanted,)):
            found[receipt_id].add(digest)
    return {receipt_id: frozenset(digests) for receipt_id, digests in found.items()}


def _awaiting(cursor: Cursor, awaited: Iterable[str]) -> dict[str, int]:
    counted = dict.fromkeys(awaited, 0)
    if counted:
        query = "SELECT awaited, count(*) FROM parked WHERE awaited = ANY(%s) GROUP BY awaited"
        counted |= {row[0]: row[1] for row in cursor.execute(query, (list(counted),))}
    return counted


def _blocked(cursor: Cursor, consumers: Iterable[str]) -> dict[str, dict[str, int]]:
    counted: dict[str, dict[str, int]] = {consumer: {} for consumer in consumers}
    if counted:
        query = """SELECT consumer, key, count(*) FROM parked_facts
                   WHERE consumer = ANY(%s) GROUP BY consumer, key"""
        for consumer, key, number in cursor.execute(query, (list(counted),)):
            counted[consumer][key] = number
    return counted


def _reservations_changed(cursor: Cursor, changes: Changes) -> bool:
    reads = Reads(reservations=changes.reads.reservations, scopes=changes.reads.scopes)
    now = Found()
    _read_reservations(cursor, reads, now)
    return now.reservations != changes.held


def _any_arrived(cursor: Cursor, absent: frozenset[tuple[str, str]]) -> bool:
    found = Found()
    _read_foreign(cursor, Reads(foreign=absent), found)
    return bool(found.foreign)
