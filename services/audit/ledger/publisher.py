"""Checkpoints on their own topic, in the order of their sizes, so that everyone sees the same log.

Each record also tells where the leaves since the checkpoint before came from: with the facts topics, that is the
log's order, kept outside the database.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from aiokafka import AIOKafkaProducer
from sqlalchemy import Engine, select, update

from services.audit.ledger.published import RUNS, SIZE
from services.audit.ledger.tables import checkpoints
from shared.eventstore.sql import single_statements
from shared.messaging.connect import KafkaAccess
from shared.messaging.topics import CHECKPOINTS_TOPIC
from shared.messaging.wakeup import REST_SECONDS, WakeUp

PAGE = 500


class CheckpointPublisher:
    """Sends checkpoints that are not yet acknowledged by the broker. At-least-once: readers take the largest."""

    def __init__(self, engine: Engine, kafka: KafkaAccess, wakeup: WakeUp) -> None:
        self._single = single_statements(engine)
        self._kafka = kafka
        self._wakeup = wakeup

    async def run(self) -> None:
        """Publishes for ever. Raises: KafkaError, DBAPIError: whoever keeps it up begins again."""
        async with self._kafka.producing() as producer:

            async def look() -> bool:
                return await self.publish_some(producer) == PAGE

            await self._wakeup.keep_looking(look, rest=REST_SECONDS)

    async def publish_some(self, producer: AIOKafkaProducer) -> int:
        """Sends one page. Returns how many checkpoints it had."""
        page = await asyncio.to_thread(self._unpublished)
        sending = [
            await producer.send(
                CHECKPOINTS_TOPIC,
                note.encode(),
                partition=0,
                headers=[(SIZE, b"%d" % size), (RUNS, runs.encode())],
            )
            for size, note, runs in page
        ]
        await asyncio.gather(*sending)
        if page:
            await asyncio.to_thread(self._mark, [size for size, _, _ in page])
        return len(page)

    def _unpublished(self) -> list[tuple[int, str, str]]:
        wanted = select(checkpoints.c.size, checkpoints.c.note, checkpoints.c.runs).where(
            ~checkpoints.c.published
        )
        with self._single.connect() as connection:
            rows = connection.execute(wanted.order_by(checkpoints.c.size).limit(PAGE))
            return [(size, note, runs) for size, note, runs in rows]

    def _mark(self, sizes: Sequence[int]) -> None:
        with self._single.connect() as connection:
            connection.execute(
                update(checkpoints).where(checkpoints.c.size.in_(sizes)).values(published=True)
            )
