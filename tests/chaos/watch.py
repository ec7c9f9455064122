"""Looking into PostgreSQL as its administrator: whether a service has a transaction open, just now."""

from __future__ import annotations

import time
from collections.abc import Callable

import psycopg
from psycopg.rows import tuple_row

from tests.chaos.plan import SERVICES
from zeren.stack.postgres import PostgresEndpoint

SETTLE_SECONDS = 0.5
LOOK = """
    SELECT a.pid, a.wait_event FROM pg_locks l JOIN pg_stat_activity a USING (pid)
    WHERE l.granted AND l.locktype = 'relation' AND a.usename = %s
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND ((l.relation = 'events'::regclass AND l.mode = 'ExclusiveLock')
           OR (l.relation = to_regclass('head') AND l.mode IN ('RowShareLock', 'RowExclusiveLock')))
"""
"""Who holds the events-table lock, or the ledger's head; the head exists in audit's database only."""

WAITS_FOR_CLIENT = "ClientRead"


class OpenTransactions:
    """The transactions of one service that hold its database's lock."""

    def __init__(self, postgres: PostgresEndpoint, service: str) -> None:
        assert service in SERVICES
        self._service = service
        self._connection: psycopg.Connection = postgres.connect(service)

    def close(self) -> None:
        """Lets the connection go."""
        self._connection.close()

    def _look(self) -> dict[int, str]:
        with self._connection.cursor(row_factory=tuple_row) as cursor:
            cursor.execute(LOOK, (self._service,), prepare=True)
            return {pid: event or "" for pid, event in cursor}

    def appears(self, until: float, stop: Callable[[], bool]) -> bool:
        """Whether such a transaction was seen before `until` (monotonic). Looks as fast as the server answers."""
        while time.monotonic() < until and not stop():
            if self._look():
                return True
        return False

    def stays_open(self) -> bool:
        """Whether one is open for certain: it holds the lock and waits for its client, which stands still."""
        until = time.monotonic() + SETTLE_SECONDS
        while found := self._look():
            if WAITS_FOR_CLIENT in found.values():
                return True
            if time.monotonic() >= until:
                return False
        return False
