"""The relay: the event table is the outbox, and this is its one way out.

It reads by position, picks the partition itself, and tells each record which position went to that partition
before: a function of the event table alone. At-least-once, without Kafka transactions; readers drop repeats by the
chain. One relay a service holds an advisory lock; two at once would only send things twice.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from sqlalchemy import Connection, Engine, func, insert, select, text, update

from shared.contracts.fact import header
from shared.eventstore.changes import Stored
from shared.eventstore.sql import single_statements
from shared.eventstore.store import Store
from shared.eventstore.tables import EVENTS
from shared.eventstore.tables import relay as relay_table
from shared.messaging.connect import FACTS_COMPRESSION, KafkaAccess
from shared.messaging.topics import PARTITIONS, FactHeaders, fact_headers, facts_topic, partition_of
from shared.messaging.wakeup import WakeUp
from shared.telemetry.conventions import BATCH, sending, sending_page
from shared.telemetry.counted import RELAY_SECONDS, RELAYED
from shared.telemetry.metrics import Metrics
from shared.telemetry.tracing import OFF, Batch, Tracing

log = logging.getLogger(__name__)

PAGE = 4_000
STALE_SECONDS = 15.0
"""A round takes milliseconds, and one begins at least every second."""
TURN_SECONDS = 1.0
"""How often a second relay asks whether it is its turn."""
TAIL_RECORDS = 200
"""How far back each partition is read at start: more than two overlapping relays can interleave."""


class StoreBehindKafka(RuntimeError):
    """Kafka holds facts that the event table does not: the database was put back to an earlier point.

    Nothing may be appended until the missing facts are copied back from Kafka, or positions would be used twice.
    """

    def __init__(self, service: str, zh: str, en: str) -> None:
        super().__init__(
            f"{service}: {zh}；请先运行 zeren recover {service}，再启动 / {en}: run zeren recover {service}, then start"
        )


class Relay:
    """Publishes one service's facts.

    Attributes:
        cursor: everything up to this position is acknowledged by the broker.
    """

    def __init__(  # noqa: PLR0913 - its adapters
        self,
        service: str,
        store: Store,
        engine: Engine,
        kafka: KafkaAccess,
        wakeup: WakeUp,
        *,
        tracing: Tracing = OFF,
        metrics: Metrics | None = None,
    ) -> None:
        self.cursor = 0
        self._metrics = metrics or Metrics(service)
        self._tracing = tracing
        self._service = service
        self._topic = facts_topic(service)
        self._store = store
        self._engine = engine
        self._single = single_statements(engine)
        self._kafka = kafka
        self._wakeup = wakeup
        self._source = ""
        self._tails = [0] * PARTITIONS
        self._round_ended = time.monotonic()

    async def run(self) -> None:
        """Relays for ever. Raises: StoreBehindKafka at the start."""
        with relay_lock(self._engine, self._service) as locked:
            while not await asyncio.to_thread(locked):
                self._round_ended = time.monotonic()
                await asyncio.sleep(TURN_SECONDS)
            await self._begin()
            async with self._kafka.producing(compression=FACTS_COMPRESSION) as producer:
                await self._wakeup.keep_looking(partial(self._round, producer))

    def stale(self) -> bool:
        """Whether it is this process's turn to relay, and it has not got to the end of a round for long."""
        return time.monotonic() - self._round_ended > STALE_SECONDS

    def rewind(self, position: int) -> int:
        """Has every fact from a position on sent again; readers drop the repeats. Returns the table's head.

        The way out where Kafka lost records that the table still has. Any process may ask; the one that relays
        finds it in the table. Blocks.
        """
        with self._engine.begin() as connection:
            connection.execute(
                update(relay_table)
                .where(relay_table.c.topic == self._topic)
                .values(cursor=func.least(relay_table.c.cursor, position - 1))
            )
            connection.execute(text(f"NOTIFY {EVENTS}"))
        return self._store.head()

    async def _begin(self) -> None:
        """Finds where to go on: compares each partition's tail in Kafka with the event table."""
        cursor = await asyncio.to_thread(self._read_cursor)
        sent = await self._compared_tails()
        tails = await asyncio.to_thread(self.tails_at, cursor)
        if any(sent[p][0] < tails[p] for p in range(PARTITIONS)):
            log.warning("sending again from the start of what Kafka lacks", extra={"cursor": cursor})
            cursor = min(sent[p][0] for p in range(PARTITIONS) if sent[p][0] < tails[p])
            tails = await asyncio.to_thread(self.tails_at, cursor)
            await asyncio.to_thread(self._set_cursor, cursor)
        self.cursor, self._tails = cursor, tails

    async def compare_with_kafka(self) -> None:
        """Raises StoreBehindKafka where Kafka holds facts that the event table lacks. Before that, append nothing."""
        await self._compared_tails()

    async def _compared_tails(self) -> list[tuple[int, bytes]]:
        sent = await self.tails_in_kafka()
        await asyncio.to_thread(self._compare, sent)
        return sent

    def _read_cursor(self) -> int:
        with self._engine.begin() as connection:
            found = connection.scalar(select(relay_table.c.cursor).where(relay_table.c.topic == self._topic))
            if found is None:
                connection.execute(insert(relay_table).values(topic=self._topic, cursor=0))
            return int(found or 0)

    def _set_cursor(self, cursor: int) -> None:
        with self._engine.begin() as connection:
            set_relay_cursor(connection, self._topic, cursor)

    def tails_at(self, cursor: int) -> list[int]:
        """The last position up to `cursor` that went to each partition, read backwards from it."""
        tails: dict[int, int] = {}
        upper = cursor
        while upper > 0 and len(tails) < PARTITIONS:
            lower = max(0, upper - PAGE)
            for row in reversed(self._store.page(lower, PAGE)):
                if row.position <= cursor:
                    tails.setdefault(partition_of(header(row.state).partitionkey), row.position)
            upper = lower
        return [tails.get(p, 0) for p in range(PARTITIONS)]

    async def tails_in_kafka(self) -> list[tuple[int, bytes]]:
        """Per partition the highest own position near the end, with the value's digest."""
        self._source = f"{self._service}@{await asyncio.to_thread(self._store.incarnation)}"
        async with self._kafka.reading() as reader:
            return await self._read_tails(reader)

    async def _read_tails(self, reader: Any) -> list[tuple[int, bytes]]:
        """All partitions at once: while a fetch waits for more, the broker answers that connection nothing else."""
        partitions = [TopicPartition(self._topic, p) for p in range(PARTITIONS)]
        starts = await reader.beginning_offsets(partitions)
        ends = await reader.end_offsets(partitions)
        at = {one: max(starts[one], ends[one] - TAIL_RECORDS) for one in partitions}
        best = dict.fromkeys(partitions, (0, b""))
        filled = [one for one in partitions if at[one] < ends[one]]
        if filled:
            reader.assign(filled)
        for one in filled:
            reader.seek(one, at[one])
        while any(at[one] < ends[one] for one in filled):
            for one, records in (await reader.getmany(timeout_ms=1_000)).items():
                for record in records:
                    at[one] = record.offset + 1
                    headers = fact_headers(record.headers)
                    if headers and headers.source == self._source and headers.position > best[one][0]:
                        best[one] = headers.position, hashlib.sha256(record.value).digest()
        return [best[one] for one in partitions]

    def _compare(self, sent: Sequence[tuple[int, bytes]]) -> None:
        for position, digest in sent:
            rows = self._store.page(position - 1, 1) if position else []
            if position and (not rows or hashlib.sha256(rows[0].state).digest() != digest):
                raise StoreBehindKafka(
                    self._service,
                    f"数据库落后于 Kafka（位置 {position}），已恢复到较早时点",
                    f"the database was put back: it is behind Kafka at position {position}",
                )

    async def _round(self, producer: AIOKafkaProducer) -> bool:
        more = await self._relay_page(producer)
        self._round_ended = time.monotonic()
        self._wakeup.relayed.ring()  # Receipts up to here may be sent now.
        return more

    async def _relay_page(self, producer: AIOKafkaProducer) -> bool:
        """Sends what stands next. Returns whether there is more."""
        rows = await asyncio.to_thread(self._store.page, self.cursor, PAGE)
        if rows:
            began = time.monotonic()
            await self._send(producer, rows)
            self._metrics.observe(RELAY_SECONDS, time.monotonic() - began)
            self._metrics.add(RELAYED, len(rows))
        reached = rows[-1].position if rows else self.cursor
        if not await asyncio.to_thread(self._move_cursor, reached):
            log.warning("sending again from where an operator asked", extra={"cursor": self.cursor})
            await self._begin()
            return True
        return len(rows) == PAGE

    async def _send(self, producer: AIOKafkaProducer, rows: Sequence[Stored]) -> None:
        """Sends a page. Records of sampled traces carry the context of their sending, one for each trace."""
        with Batch(self._tracing, sending_page(self._topic), sending(self._topic)) as batch:
            batch.attributes[BATCH] = len(rows)
            await self._send_records(producer, rows, batch)

    async def _send_records(self, producer: AIOKafkaProducer, rows: Sequence[Stored], traced: Batch) -> None:
        batches: dict[int, Any] = {}
        under_way = []
        context, hop = "", None
        for row in rows:
            known = header(row.state)
            key = known.partitionkey
            partition = partition_of(key)
            headers = FactHeaders(row.type, self._source, row.position, self._tails[partition]).encode()
            if known.traceparent != context:  # the facts of a submission stand together
                context, hop = known.traceparent, traced.of(known.traceparent)
            if hop is not None:
                hop.count += 1
                headers.append(hop.header)
            batch = batches.get(partition) or batches.setdefault(partition, producer.create_batch())
            if batch.append(key=key.encode(), value=row.state, timestamp=None, headers=headers) is None:
                under_way.append(await self._close(producer, batch, partition))
                batch = batches[partition] = producer.create_batch()
                batch.append(key=key.encode(), value=row.state, timestamp=None, headers=headers)
            self._tails[partition] = row.position
        for partition, batch in batches.items():
            under_way.append(await self._close(producer, batch, partition))
        await asyncio.gather(*under_way)

    async def _close(self, producer: AIOKafkaProducer, batch: Any, partition: int) -> Any:
        batch.close()
        return await producer.send_batch(batch, self._topic, partition=partition)

    def _move_cursor(self, reached: int) -> bool:
        """Compare-and-set of the stored cursor; False where it was set back meanwhile, see `rewind`."""
        with self._single.connect() as connection:
            here = (relay_table.c.topic == self._topic) & (relay_table.c.cursor == self.cursor)
            if reached == self.cursor:
                return connection.scalar(select(func.count()).where(here)) == 1
            moved = connection.execute(update(relay_table).where(here).values(cursor=reached)).rowcount == 1
        if moved:
            self.cursor = reached
        return moved


def set_relay_cursor(connection: Connection, topic: str, cursor: int) -> None:
    """Says how far a topic is known to hold the event table, in the caller's transaction."""
    connection.execute(update(relay_table).where(relay_table.c.topic == topic).values(cursor=cursor))


def relay_lock(engine: Engine, service: str) -> AbstractContextManager[Callable[[], bool]]:
    """The lock that a service's relay holds; yields a call that tries to take it."""
    return _advisory_lock(engine, f"{service}.relay")


@contextmanager
def _advisory_lock(engine: Engine, name: str) -> Iterator[Callable[[], bool]]:
    """Yields a call that tries to take the lock; a connection of its own holds it until it is closed."""
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.detach()  # Back in the pool it would go on holding the lock.

        def locked() -> bool:
            return bool(connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": key}))

        yield locked
