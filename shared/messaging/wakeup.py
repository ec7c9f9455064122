"""Waking up when the event table grew: NOTIFY in the writing transaction, LISTEN here, a poll as well."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import psycopg
from sqlalchemy import Engine

from shared.eventstore.tables import EVENTS
from shared.telemetry.outages import DATABASE, Outages

POLL_SECONDS = 1.0
"""A lost NOTIFY costs no more than this."""


class WakeUp:
    """One LISTEN connection that wakes every loop of the process."""

    def __init__(self, engine: Engine, outages: Outages | None = None) -> None:
        self._outages = outages or Outages()
        self._url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._grew = asyncio.Event()

    def ring(self) -> None:
        """Wakes the loops by hand."""
        self._grew.set()
        self._grew = asyncio.Event()

    def bell(self) -> asyncio.Event:
        """What rings next. Take it before a look, and wait for it after: nothing between is missed."""
        return self._grew

    async def wait(self, bell: asyncio.Event | None = None) -> None:
        """Until the table grew (since `bell` was taken), or the poll interval is over."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for((bell or self._grew).wait(), POLL_SECONDS)

    async def run(self) -> None:
        """Listens for ever; a lost connection is made again, the poll goes on meanwhile."""
        while True:
            try:
                async for _ in self._notifies():
                    self.ring()
            except psycopg.OperationalError as error:
                self._outages.failed("wakeup", DATABASE, error)
            await asyncio.sleep(POLL_SECONDS)

    async def _notifies(self) -> AsyncIterator[object]:
        async with await psycopg.AsyncConnection.connect(self._url, autocommit=True) as connection:
            await connection.execute(f"LISTEN {EVENTS}")
            self._outages.went("wakeup")
            self.ring()
            async for note in connection.notifies():
                yield note
