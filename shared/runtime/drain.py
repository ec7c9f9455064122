"""The drain state: whether everything that came in has been decided, sent and projected."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from sqlalchemy import Engine, func, select

from shared.eventstore.store import Store
from shared.eventstore.tables import deadlines, parked, positions, receipt_outbox, relay
from shared.messaging.connect import KafkaAccess
from shared.messaging.topics import PARTITIONS, facts_topic


class Drain:
    """Looks at one service's database and at the ends of the topics that it reads."""

    def __init__(
        self,
        service: str,
        store: Store,
        engine: Engine,
        kafka: KafkaAccess,
        readers: Mapping[str, Sequence[str]],
    ) -> None:
        """What to look at.

        Args:
            service: whose state it is.
            store: its event table.
            engine: of its database.
            kafka: its principal.
            readers: the topics that each of its consumers reads, by the name of the consumer's position rows.
        """
        self._service = service
        self._store = store
        self._engine = engine
        self._kafka = kafka
        self._read = {
            consumer: [TopicPartition(topic, p) for topic in topics for p in range(PARTITIONS)]
            for consumer, topics in readers.items()
        }
        self._partitions = sorted(
            {partition for partitions in self._read.values() for partition in partitions}
        )
        self._reader: AIOKafkaConsumer | None = None
        self._lock = asyncio.Lock()
        self.projection_lag: Callable[[], int] = lambda: 0

    async def look(self) -> dict[str, Any]:
        """The state now: "drained", and what is not.

        Returns:
            head: positions in the event table. unread: records by consumer and partition. unsent: facts and
            receipts not with Kafka.
            waking: parked submissions that are ready or overdue. unprojected: facts that a read model lacks.
        """
        ends = await self._ends()
        state = await asyncio.to_thread(self._database, ends)
        counts = ("unread", "unsent_facts", "unsent_receipts", "waking", "unprojected")
        return {"service": self._service, "drained": not any(state[name] for name in counts), **state}

    async def _ends(self) -> dict[TopicPartition, int]:
        async with self._lock:
            if self._reader is None:
                reader = self._kafka.reader()
                await reader.start()
                self._reader = reader
            found: dict[TopicPartition, int] = (
                await self._reader.end_offsets(self._partitions) if self._partitions else {}
            )
            return found

    async def close(self) -> None:
        """Lets the reader go."""
        if self._reader is not None:
            await self._reader.stop()

    def _database(self, ends: dict[TopicPartition, int]) -> dict[str, Any]:
        with self._engine.begin() as connection:
            rows = connection.execute(
                select(
                    positions.c.consumer,
                    positions.c.topic,
                    positions.c.partition,
                    func.max(positions.c.kafka_offset),
                ).group_by(positions.c.consumer, positions.c.topic, positions.c.partition)
            )
            at = {
                (consumer, TopicPartition(topic, p)): int(offset) + 1 for consumer, topic, p, offset in rows
            }
            cursor = connection.scalar(
                select(relay.c.cursor).where(relay.c.topic == facts_topic(self._service))
            )
            unsent_receipts = connection.scalar(select(func.count()).select_from(receipt_outbox))
            ready = connection.scalar(select(func.count()).select_from(parked).where(parked.c.ready))
            overdue = connection.scalar(select(func.count()).select_from(deadlines).where(deadlines.c.marked))
        head = self._store.head()
        unread = {
            f"{consumer} {partition.topic}/{partition.partition}": behind
            for consumer, partitions in self._read.items()
            for partition in partitions
            if (behind := ends[partition] - at.get((consumer, partition), 0)) > 0
        }
        return {
            "head": head,
            "unread": unread,
            "unsent_facts": head - int(cursor or 0),
            "unsent_receipts": unsent_receipts,
            "waking": int(ready or 0) + int(overdue or 0),
            "unprojected": self.projection_lag(),
        }
