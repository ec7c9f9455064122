"""Waking up when the event table grew: NOTIFY in the writing transaction, LISTEN here, a poll as well."""

from __future__ import annotations

import asyncio
import contextlib

import psycopg
from sqlalchemy import Engine

from shared.eventstore.tables import EVENTS
from shared.telemetry.outages import DATABASE, Outages

POLL_SECONDS = 5.0
"""Whoever waits looks again after this, though nothing rang: what is due by the clock waits no longer."""
DEAF_SECONDS = 1.0
"""The same while nobody listens: the database was away, or has just cut the connection."""
GATHER_SECONDS = 0.02
"""The bell rings no oftener: under load a look finds what several transactions wrote, and costs as much as one."""


class WakeUp:
    """One LISTEN connection that wakes every loop of the process."""

    def __init__(self, engine: Engine, outages: Outages | None = None) -> None:
        self._outages = outages or Outages()
        self._url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._grew = asyncio.Event()
        self._listening = False

    def ring(self) -> None:
        """Wakes the loops by hand."""
        self._grew.set()
        self._grew = asyncio.Event()

    def bell(self) -> asyncio.Event:
        """What rings next. Take it before a look, and wait for it after: nothing between is missed."""
        return self._grew

    async def wait(self, bell: asyncio.Event) -> None:
        """Until the table grew since `bell` was taken, or the poll interval is over."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(bell.wait(), POLL_SECONDS if self._listening else DEAF_SECONDS)

    async def run(self) -> None:
        """Listens for ever; a lost connection is made again, the poll goes on meanwhile."""
        while True:
            try:
                await self._listen()
            except psycopg.OperationalError as error:
                self._outages.failed("wakeup", DATABASE, error)
            finally:
                self._listening = False
            self.ring()  # Nobody goes on waiting as long as one who is listened for.
            await asyncio.sleep(DEAF_SECONDS)

    async def _listen(self) -> None:
        """Rings at once when nothing rang lately, and once for all that is written within `GATHER_SECONDS`."""
        async with await psycopg.AsyncConnection.connect(self._url, autocommit=True) as connection:
            await connection.execute(f"LISTEN {EVENTS}")
            self._outages.went("wakeup")
            self._listening = True
            while True:
                self.ring()
                await asyncio.sleep(GATHER_SECONDS)
                async for _ in connection.notifies(stop_after=1):
                    pass
