"""How a process keeps its loops up through outages, and how it knows whether the servers answer."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import psycopg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shared.eventstore.store import StoreError
from shared.messaging.connect import KafkaAccess
from shared.messaging.topics import PARTITIONS
from shared.telemetry.outages import DATABASE, FILES, KAFKA, VAULT, Outages
from shared.vault.errors import VaultUnavailable

T = TypeVar("T")

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0
GOOD_SECONDS = 5.0
"""A loop that has run for so long without a failure is taken as going on."""
ASK_EVERY, ASK_SECONDS = 1.0, 5.0
FRESH_SECONDS = 10.0
"""An answer older than this is none: the server is taken as away."""

OUTAGES = (
    KafkaError, StoreError, VaultUnavailable, DBAPIError, PoolTimeout, psycopg.OperationalError,
    psycopg.InterfaceError, psycopg.InternalError, OSError,
)  # fmt: skip
"""What is waited out. Anything else ends the process: a supervisor decides."""


def missing_of(error: BaseException) -> str:
    """What an outage is for want of."""
    match error:
        case VaultUnavailable():
            return VAULT
        case KafkaError() | ConnectionError() | TimeoutError():
            return KAFKA
        case OSError():
            return FILES
        case _:
            return DATABASE


async def kept_up(name: str, loop: Callable[[], Awaitable[T]], outages: Outages) -> T:
    """Runs to its end, again after each outage, with a pause that grows; a good stretch makes it short again."""
    pause = FIRST_PAUSE
    while True:
        began = time.monotonic()
        good = asyncio.get_running_loop().call_later(GOOD_SECONDS, outages.went, name, began)
        try:
            answer = await loop()
        except OUTAGES as error:
            outages.failed(name, missing_of(error), error)
            if time.monotonic() - began > GOOD_SECONDS:
                pause = FIRST_PAUSE
        else:
            outages.went(name, began)
            return answer
        finally:
            good.cancel()
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
        pause = min(pause * 2, LONGEST_PAUSE)


class Servers:
    """Asks the database and Kafka every second whether they answer, on connections of its own.

    No thread is used: those may all hang in a database that is stopped.
    """

    def __init__(self, engine: Engine, kafka: KafkaAccess, topic: str, outages: Outages) -> None:
        """Asks this database, and the leaders of this topic's partitions."""
        self._url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._kafka = kafka
        self._partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        self._outages = outages
        self._answered: dict[str, float] = {}
        self._failing: set[str] = set()
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._reader: AIOKafkaConsumer | None = None

    def answers(self, what: str) -> bool:
        """Whether DATABASE or KAFKA answered just now."""
        return what in self._answered and what not in self._failing and not self.lost(what)

    def lost(self, what: str) -> bool:
        """Whether it answered once, and has not for long."""
        return what in self._answered and time.monotonic() - self._answered[what] > FRESH_SECONDS

    async def watch(self) -> None:
        """Asks for ever."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watch(DATABASE, self._ask_database, self._leave_database))
                group.create_task(self._watch(KAFKA, self._ask_kafka, self._leave_kafka))
        finally:
            await self._leave_database()
            await self._leave_kafka()

    async def _watch(
        self, what: str, ask: Callable[[], Awaitable[None]], leave: Callable[[], Awaitable[None]]
    ) -> None:
        while True:
            began = time.monotonic()
            try:
                async with asyncio.timeout(ASK_SECONDS):
                    await ask()
            except (KafkaError, psycopg.Error, OSError) as error:
                self._failing.add(what)
                self._outages.failed(f"{what} watch", what, error)
                await leave()
            else:
                self._answered[what] = time.monotonic()
                self._failing.discard(what)
                self._outages.went(f"{what} watch", began)
            await asyncio.sleep(ASK_EVERY)

    async def _ask_database(self) -> None:
        if self._connection is None:
            self._connection = await psycopg.AsyncConnection.connect(self._url, autocommit=True)
        await self._connection.execute("SELECT 1")

    async def _leave_database(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await connection.close()

    async def _ask_kafka(self) -> None:
        if self._reader is None:
            reader = self._kafka.reader()
            self._reader = reader
            await reader.start()
        await self._reader.end_offsets(self._partitions)

    async def _leave_kafka(self) -> None:
        if self._reader is not None:
            reader, self._reader = self._reader, None
            await reader.stop()
