"""Waking up when the event table grew: NOTIFY in the writing transaction, LISTEN here, a poll as well."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

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
REST_SECONDS = 0.2
"""From one look or poll to the next, where nobody waits for what is found."""


class Bell:
    """Wakes loops of this process."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    def ring(self) -> None:
        """Wakes all that wait."""
        self._next.set()
        self._next = asyncio.Event()

    def bell(self) -> asyncio.Event:
        """What rings next. Take it before a look, and wait for it after: nothing between is missed."""
        return self._next

    def poll_seconds(self) -> float:
        """Whoever waits looks again after this, though nothing rang."""
        return POLL_SECONDS

    async def wait(self, bell: asyncio.Event) -> None:
        """Until it rang since `bell` was taken, or the poll interval is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.poll_seconds()):
                await bell.wait()

    async def keep_looking(self, look: Callable[[], Awaitable[bool]], *, rest: float = 0.0) -> None:
        """Looks for ever: at once again where `look` says that there is more, else when it rings.

        What came after a look began has rung: a look that found all there was needs no second one.

        Args:
            look: true where it did not get to the end of what was there.
            rest: seconds at least from one look to the next.
        """
        while True:
            bell, began = self.bell(), time.monotonic()
            if not await look():
                await self.wait(bell)
                await asyncio.sleep(max(began + rest - time.monotonic(), 0.0))


class WakeUp(Bell):
    """Rings when the event table grew: one LISTEN connection wakes every loop of the process.

    Attributes:
        relayed: rings when this process's relay has gone a round: what follows from that may go out.
    """

    def __init__(self, engine: Engine, outages: Outages | None = None) -> None:
        super().__init__()
        self.relayed = Bell()
        self._outages = outages or Outages()
        self._url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._listening = False

    def poll_seconds(self) -> float:
        """See `Bell`. Oftener while nobody listens."""
        return POLL_SECONDS if self._listening else DEAF_SECONDS

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
