"""What is seen when a process is scraped: one look at its database, one at Kafka, one at itself.

Each look is bounded in time, and shared by all who ask within a second. A source that is away fails nothing: what
comes from there is absent, never old, and `zeren_source_up` says so.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

import psutil  # type: ignore[import-untyped]
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from sqlalchemy.pool import QueuePool

from shared.eventstore.sql import OVERFLOW
from shared.messaging.unread import FirstUnread
from shared.runtime.database_look import DatabaseLook, Offsets
from shared.runtime.drain import Drain
from shared.runtime.readiness import Readiness
from shared.telemetry.metric import Metric
from shared.telemetry.metrics import Seen
from shared.telemetry.outages import DATABASE, FILES, KAFKA, VAULT
from shared.telemetry.seen import (
    ASSIGNED,
    CONNECTIONS,
    CONNECTIONS_MAX,
    CPU,
    LAG_OFFSETS,
    LAG_SECONDS,
    MEMORY,
    PARTITION_STOPPED,
    READY,
    SOURCE_UP,
    STARTED,
    WAITING,
)

if TYPE_CHECKING:
    from shared.runtime.service import Context

log = logging.getLogger(__name__)

KAFKA_SECONDS, DATABASE_SECONDS = 2.0, 2.5
"""The bounds of a look. Where both are away an answer comes within 5 s, where both are slow within the 10 s that
Prometheus gives a scrape."""
FRESH_SECONDS = 1.0
"""Who asks again within this time gets the same look: many watchers cost no more than one."""


class Lag(NamedTuple):
    """What the look at Kafka came to: by consumer and partition records and, as far as known, seconds."""

    records: dict[tuple[str, TopicPartition], int]
    seconds: dict[tuple[str, TopicPartition], float]


class Observed:
    """Looks at one process and what it stands on, and leaves what it saw in `context.metrics.seen`."""

    def __init__(
        self,
        context: Context,
        readiness: Readiness,
        drain: Drain,
        database: DatabaseLook,
        at_least_lag_of: Mapping[Metric, str],
    ) -> None:
        """Looks at a running service.

        Args:
            context: the process's adapters.
            readiness: of the same process.
            drain: knows who reads what, and looks at the ends of topics.
            database: looks there.
            at_least_lag_of: gauges in seconds that are never less than the lag of a consumer.
        """
        self._context = context
        self._readiness = readiness
        self._drain = drain
        self._database = database
        self._at_least_lag_of = at_least_lag_of
        self._unread = FirstUnread(context.kafka)
        self._process = psutil.Process()
        self._lock = asyncio.Lock()
        self._looked = -FRESH_SECONDS

    async def text(self) -> bytes:
        """Everything that the process tells of, looked at now or just before."""
        async with self._lock:
            if time.monotonic() - self._looked >= FRESH_SECONDS:
                self._context.metrics.seen = [*self._here(), *await self._elsewhere()]
                self._looked = time.monotonic()
        return self._context.metrics.text()

    async def close(self) -> None:
        """Lets connections go."""
        self._database.close()
        await self._unread.close()

    async def _elsewhere(self) -> list[Seen]:
        # Ends before positions: a record that comes in between is no lag.
        ends = await self._ends()
        rows = await self._database.look(DATABASE_SECONDS)
        seen = [
            Seen(SOURCE_UP, rows is not None, (DATABASE,)),
            Seen(SOURCE_UP, ends is not None, (KAFKA,)),
        ]
        if rows is None:
            return seen
        if ends is None:
            return [*seen, *(row for row in rows.seen if row.metric not in self._at_least_lag_of)]
        lag = await self._lag(ends, rows.offsets)
        return [*seen, *self._raised(rows.seen, lag), *_lagging(lag)]

    async def _ends(self) -> Mapping[TopicPartition, int] | None:
        try:
            return await asyncio.wait_for(self._drain.ends(), KAFKA_SECONDS)
        except (KafkaError, OSError) as error:
            log.debug("no look at Kafka", extra={"why": type(error).__name__})
            return None

    async def _lag(self, ends: Mapping[TopicPartition, int], offsets: Offsets) -> Lag:
        lag = Lag({}, {})
        for consumer, partition in self._drain.read:
            behind = max(ends[partition] - offsets.get((consumer, partition), 0), 0)
            lag.records[consumer, partition] = behind
            if not behind:
                lag.seconds[consumer, partition] = 0.0
        try:
            await self._age(lag, offsets)
        except (KafkaError, OSError) as error:
            log.debug("no look at unread records", extra={"why": type(error).__name__})
            await self._unread.close()
        return lag

    async def _age(self, lag: Lag, offsets: Offsets) -> None:
        """Adds how long ago the first unread records came, consumer by consumer: two may read one topic."""
        until = time.monotonic() + KAFKA_SECONDS
        for name in {consumer for consumer, _ in lag.records}:
            unread = {
                partition: offsets.get((name, partition), 0)
                for (consumer, partition), behind in lag.records.items()
                if consumer == name and behind
            }
            taken_in = await self._unread.taken_in(unread, max(until - time.monotonic(), 0.0))
            now = time.time()
            lag.seconds.update({(name, one): max(now - at, 0.0) for one, at in taken_in.items()})

    def _raised(self, seen: list[Seen], lag: Lag) -> Iterator[Seen]:
        for row in seen:
            follows = self._at_least_lag_of.get(row.metric)
            lags = [value for (consumer, _), value in lag.seconds.items() if consumer == follows]
            yield row._replace(value=max([row.value, *lags]))

    def _here(self) -> Iterator[Seen]:
        """The process itself; nothing is waited for."""
        context = self._context
        for part, well in self._readiness.parts().items():
            yield Seen(READY, well, (part,))
        away = context.outages.away()
        for what in (DATABASE, KAFKA, VAULT, FILES):
            yield Seen(WAITING, what in away, (what,))
        for consumer in context.consumers:
            assigned = consumer.assigned()
            yield Seen(ASSIGNED, len(assigned), (consumer.group,))
            for at in sorted(assigned | consumer.stopped.keys()):
                labels = (consumer.group, at.topic, str(at.partition))
                yield Seen(PARTITION_STOPPED, at in consumer.stopped, labels)
        pool = context.engine.pool
        if isinstance(pool, QueuePool):
            yield Seen(CONNECTIONS, pool.checkedout(), ("in_use",))
            yield Seen(CONNECTIONS, pool.checkedin(), ("idle",))
            yield Seen(CONNECTIONS_MAX, pool.size() + OVERFLOW)
        used = self._process.cpu_times()
        yield Seen(MEMORY, self._process.memory_info().rss)
        yield Seen(CPU, used.user + used.system)
        yield Seen(STARTED, self._process.create_time())


def _lagging(lag: Lag) -> Iterator[Seen]:
    for metric, values in ((LAG_OFFSETS, lag.records), (LAG_SECONDS, lag.seconds)):
        for (consumer, at), value in values.items():
            yield Seen(metric, value, (consumer, at.topic, str(at.partition)))
