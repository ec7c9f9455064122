"""Checkpoints on their own topic, in the order of their sizes, so that everyone sees the same log.

Each record also tells where the leaves since the checkpoint before came from: with the facts topics, that is the
log's order, kept outside the database.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise

from aiokafka import AIOKafkaProducer
from sqlalchemy import Connection, Engine, func, select, update

from services.audit.ledger.published import RUNS, SIZE, Run, encode_runs
from services.audit.ledger.tables import checkpoints, entries
from shared.messaging.connect import KafkaAccess
from shared.messaging.topics import CHECKPOINTS_TOPIC
from shared.messaging.wakeup import WakeUp

PAGE = 500


class CheckpointPublisher:
    """Sends checkpoints that are not yet acknowledged by the broker. At-least-once: readers take the largest."""

    def __init__(self, engine: Engine, kafka: KafkaAccess, wakeup: WakeUp) -> None:
        self._engine = engine
        self._kafka = kafka
        self._wakeup = wakeup

    async def run(self) -> None:
        """Publishes for ever. Raises: KafkaError, DBAPIError: whoever keeps it up begins again."""
        async with self._kafka.producing() as producer:
            while True:
                bell = self._wakeup.bell()
                if not await self.publish_some(producer):
                    await self._wakeup.wait(bell)

    async def publish_some(self, producer: AIOKafkaProducer) -> int:
        """Sends one page. Returns how many checkpoints it had."""
        page = await asyncio.to_thread(self._unpublished)
        sending = [
            await producer.send(
                CHECKPOINTS_TOPIC,
                note.encode(),
                partition=0,
                headers=[(SIZE, b"%d" % size), (RUNS, encode_runs(runs))],
            )
            for size, note, runs in page
        ]
        await asyncio.gather(*sending)
        if page:
            await asyncio.to_thread(self._mark, [size for size, _, _ in page])
        return len(page)

    def _unpublished(self) -> Sequence[tuple[int, str, Sequence[Run]]]:
        wanted = select(checkpoints.c.size, checkpoints.c.note).where(~checkpoints.c.published)
        with self._engine.begin() as connection:
            rows = connection.execute(wanted.order_by(checkpoints.c.size).limit(PAGE)).all()
            if not rows:
                return []
            before = select(func.max(checkpoints.c.size)).where(checkpoints.c.size < rows[0].size)
            sizes = [connection.scalar(before) or 0, *(size for size, _ in rows)]
            runs = [_runs(connection, first, end) for first, end in pairwise(sizes)]
            return [(size, note, run) for (size, note), run in zip(rows, runs, strict=True)]

    def _mark(self, sizes: Sequence[int]) -> None:
        with self._engine.begin() as connection:
            connection.execute(
                update(checkpoints).where(checkpoints.c.size.in_(sizes)).values(published=True)
            )


def _runs(connection: Connection, first: int, end: int) -> list[Run]:
    """Where the entries with an index in [first, end) came from, in order."""
    place = entries.c.source, entries.c.topic, entries.c.partition
    nth = func.row_number().over(partition_by=place, order_by=entries.c.index)
    among = (entries.c.index >= first) & (entries.c.index < end)
    # Within a run the index and the entry's number among those of its place grow alike.
    placed = select(entries.c.index, *place, (entries.c.index - nth).label("run")).where(among).subquery()
    of_run = placed.c.source, placed.c.topic, placed.c.partition
    query = select(*of_run, func.count()).group_by(*of_run, placed.c.run).order_by(func.min(placed.c.index))
    return [Run(*row) for row in connection.execute(query)]
