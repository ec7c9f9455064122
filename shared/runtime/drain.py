"""The drain state: whether everything that came in has been decided, sent and projected."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from sqlalchemy import Engine, text

from shared.eventstore.tables import EVENTS
from shared.messaging.connect import KafkaAccess
from shared.messaging.topics import PARTITIONS, facts_topic

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.02, 0.1
"""Between two looks of one wait: each pause is half as long again as the one before."""

_LOOK = text("""
    SELECT (SELECT coalesce(max(notification_id), 0) FROM events),
           (SELECT coalesce(max(cursor), 0) FROM relay WHERE topic = :topic),
           (SELECT count(*) FROM receipt_outbox),
           (SELECT count(*) FROM parked WHERE ready) + (SELECT count(*) FROM deadlines WHERE marked),
           (SELECT coalesce(json_agg(json_build_array(consumer, topic, partition, position, kafka_offset)), '[]')
            FROM (SELECT consumer, topic, partition, max(position) AS position, max(kafka_offset) AS kafka_offset
                  FROM positions GROUP BY consumer, topic, partition) AS newest)
""")
"""One statement, so one snapshot and one round trip: opening days asks often."""

_COUNTS = ("unread", "unsent_facts", "unsent_receipts", "waking", "unprojected")


@dataclass(frozen=True, slots=True)
class Readers:
    """Who must have read what.

    Attributes:
        topics: by consumer (the name of its position rows): the topics that it reads.
        followers: consumers of the own event table that act on its facts.
        lag: how many facts the slowest read model lacks.
        unsent: how many things are not with Kafka yet, besides facts and receipts.
    """

    topics: Mapping[str, Sequence[str]]
    followers: Sequence[str] = ()
    lag: Callable[[], int] = field(default=lambda: 0)
    unsent: Callable[[], int] = field(default=lambda: 0)


class Drain:
    """Looks at one service's database and at the ends of the topics that it reads.

    Attributes:
        read: who reads which partition, by the name of its position rows.
        followers: consumers of the own event table that act on its facts.
    """

    def __init__(self, service: str, engine: Engine, kafka: KafkaAccess, readers: Readers) -> None:
        self._service = service
        self._engine = engine
        self._kafka = kafka
        self._readers = readers
        self.followers = readers.followers
        self.read = [
            (consumer, TopicPartition(topic, p))
            for consumer, topics in readers.topics.items()
            for topic in topics
            for p in range(PARTITIONS)
        ]
        self._reader: AIOKafkaConsumer | None = None
        self._lock = asyncio.Lock()

    async def wait(self, seconds: float) -> dict[str, Any]:
        """The state once nothing is under way, or after so many seconds."""
        until = asyncio.get_running_loop().time() + seconds
        pause = FIRST_PAUSE_SECONDS
        while True:
            state = await self.look()
            if state["drained"] or asyncio.get_running_loop().time() >= until:
                return state
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)

    async def look(self) -> dict[str, Any]:
        """The state now.

        Returns:
            drained: nothing is under way. head: positions in the event table. unread: records by consumer and
            partition. unsent_facts, unsent_receipts: not with Kafka yet. waking: parked submissions that are
            ready or overdue. unprojected: facts that the slowest read model lacks.
        """
        ends = await self.ends()
        state = await asyncio.to_thread(self._state, ends)
        return {"service": self._service, "drained": not any(state[name] for name in _COUNTS), **state}

    async def ends(self) -> dict[TopicPartition, int]:
        """The offset behind the last record of each partition that is read. Raises: KafkaError."""
        async with self._lock:
            if self._reader is None:
                self._reader = await self._started()
            partitions = list({partition for _, partition in self.read})
            found: dict[TopicPartition, int] = (
                await self._reader.end_offsets(partitions) if partitions else {}
            )
            return found

    async def _started(self) -> AIOKafkaConsumer:
        reader = self._kafka.reader()
        try:
            await reader.start()
        except BaseException:
            await reader.stop()
            raise
        return reader

    async def close(self) -> None:
        """Lets the reader go."""
        if self._reader is not None:
            await self._reader.stop()

    def _state(self, ends: dict[TopicPartition, int]) -> dict[str, Any]:
        with self._engine.begin() as connection:
            row = connection.execute(_LOOK, {"topic": facts_topic(self._service)}).one()
        head, cursor, receipts, waking, rows = row
        offsets = {(consumer, TopicPartition(topic, p)): offset + 1 for consumer, topic, p, _, offset in rows}
        followed = {consumer: position for consumer, topic, _, position, _ in rows if topic == EVENTS}
        unread = {
            f"{consumer} {partition.topic}/{partition.partition}": behind
            for consumer, partition in self.read
            if (behind := ends[partition] - offsets.get((consumer, partition), 0)) > 0
        }
        lags = [head - followed.get(follower, 0) for follower in self._readers.followers]
        return {
            "head": head,
            "unread": unread,
            "unsent_facts": head - cursor + self._readers.unsent(),
            "unsent_receipts": receipts,
            "waking": waking,
            "unprojected": max([self._readers.lag(), *lags]),
        }
