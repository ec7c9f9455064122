"""How old the first unread record of a partition is, by the broker's clock: that record is fetched and looked at."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from itertools import islice

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.messaging.connect import KafkaAccess

AT_ONCE = 6
"""Partitions of one fetch: the broker answers with a whole batch of each, up to 1 MiB, which is kept meanwhile."""
FETCH_MS = 500


class FirstUnread:
    """Looks at records without a group: no offset moves. One look at a time."""

    def __init__(self, kafka: KafkaAccess) -> None:
        self._kafka = kafka
        self._reader: AIOKafkaConsumer | None = None

    async def taken_in(
        self, unread: Mapping[TopicPartition, int], seconds: float
    ) -> dict[TopicPartition, float]:
        """When the broker took in the records at these offsets (Unix time, LogAppendTime), as far as time allows.

        Where retention has removed a record, the first that is left counts. Raises: KafkaError.
        """
        found: dict[TopicPartition, float] = {}
        if not unread:
            return found
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                reader = await self._started()
                places = iter(unread.items())
                while some := dict(islice(places, AT_ONCE)):
                    await _look(reader, some, found)
        return found

    async def _started(self) -> AIOKafkaConsumer:
        if self._reader is None:
            reader = self._kafka.glancing()
            try:
                await reader.start()
            except BaseException:
                await reader.stop()
                raise
            self._reader = reader
        return self._reader

    async def close(self) -> None:
        """Lets the reader go; the next look makes another."""
        if self._reader is not None:
            reader, self._reader = self._reader, None
            await reader.stop()


async def _look(
    reader: AIOKafkaConsumer, unread: Mapping[TopicPartition, int], found: dict[TopicPartition, float]
) -> None:
    """Adds to `found` as records come. A partition with something in hand is not fetched again: each comes once."""
    reader.assign(list(unread))
    try:
        for partition, offset in unread.items():
            reader.seek(partition, offset)
        while left := unread.keys() - found.keys():
            for partition, records in (
                await reader.getmany(*left, timeout_ms=FETCH_MS, max_records=1)
            ).items():
                found[partition] = records[0].timestamp / 1000
    finally:
        reader.unsubscribe()
