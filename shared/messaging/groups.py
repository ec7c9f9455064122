"""Setting a consumer group back to where its service's database says it is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence

from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError, IllegalGenerationError, UnknownMemberIdError

from shared.eventstore.changes import Position, PositionKey
from shared.messaging.connect import KafkaAccess
from shared.messaging.topics import PARTITIONS

EMPTY_SECONDS = 30.0
"""How long a group may still count a killed member; more than its session timeout."""
AGAIN_SECONDS = 0.5


def offsets_of(positions: Mapping[PositionKey, Position], topics: Iterable[str]) -> dict[TopicPartition, int]:
    """By partition, the offset behind the last record that is decided; 0 where none is.

    Args:
        positions: a consumer's rows.
        topics: that it reads.
    """
    offsets = {TopicPartition(topic, p): 0 for topic in topics for p in range(PARTITIONS)}
    for key, at in positions.items():
        place = TopicPartition(key.topic, key.partition)
        if place in offsets:
            offsets[place] = max(offsets[place], at.kafka_offset + 1)
    return offsets


async def set_back(kafka: KafkaAccess, group: str, offsets: Mapping[TopicPartition, int]) -> None:
    """Commits these offsets for a group without members; a killed member's session is waited for.

    Raises: KafkaError: also where the group has a living member.
    """
    reader = kafka.reader(group=group)
    await reader.start()
    try:
        reader.assign(list(offsets))
        until = time.monotonic() + EMPTY_SECONDS
        while True:
            try:
                await reader.commit(dict(offsets))
            except (CommitFailedError, IllegalGenerationError, UnknownMemberIdError):
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(AGAIN_SECONDS)
            else:
                return
    finally:
        await reader.stop()


Groups = Mapping[str, Sequence[str]]
"""By group, whose name is that of its position rows, the topics that it reads."""
