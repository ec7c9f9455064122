"""A service's own facts, read back from its topic: each once, in the order of their positions, the chain whole."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaTimeoutError

from shared.eventstore.changes import Position
from shared.messaging.chain import Chain, ChainBroken, Linked
from shared.messaging.connect import KafkaAccess
from shared.messaging.consumer import Record
from shared.messaging.topics import PARTITIONS, fact_headers, facts_topic

PAGE = 1_000
SILENT_SECONDS = 60.0
"""How long a partition may answer nothing before its end, until Kafka counts as away."""

Known = tuple[int, bytes]
"""A position that the event table has as well, and SHA-256 of what Kafka holds there."""

Compare = Callable[[Sequence[Known]], None]
"""Raises where the event table has other bytes at one of these positions."""


class RecoverRefused(RuntimeError):
    """It can't be done, and why; what was put back before stays, and doing it again goes on from there."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(f"{zh} / {en}")


@dataclass(slots=True)
class _Partition:
    """One partition on its way to the end that it had at the beginning.

    Attributes:
        at: the next offset. end: where to stop.
        ready: facts whose turn it is in their partition.
    """

    place: TopicPartition
    at: int
    end: int
    chain: Chain[bytes]
    ready: deque[Linked[bytes]] = field(default_factory=deque)


class OwnTopic:
    """The facts of one source on its service's topic.

    Attributes:
        records: of that source read so far.
        repeated: facts above the table's head that came again; to be compared once they are put back.
    """

    def __init__(self, kafka: KafkaAccess, service: str, source: str) -> None:
        self.records = 0
        self.repeated: list[Known] = []
        self._kafka = kafka
        self._topic = facts_topic(service)
        self._source = source

    async def missing(
        self, head: int, tails: Sequence[int], compare: Compare
    ) -> AsyncIterator[Linked[bytes]]:
        """The facts above the table's head, whose bytes are each link's `record`.

        Args:
            head: the table's highest position; up to it the table is whole.
            tails: by partition: the highest position up to `head` that belongs there.
            compare: called with what the table should have too.

        Raises: ChainBroken, and what `compare` raises.
        """
        async with self._kafka.reading() as reader:
            partitions = await self._open(reader, tails)
            while True:
                for one in partitions:
                    await self._fill(reader, one, head, compare)
                waiting = [one for one in partitions if one.ready]
                if not waiting:
                    break
                yield min(waiting, key=lambda one: one.ready[0].headers.position).ready.popleft()

    async def _open(self, reader: AIOKafkaConsumer, tails: Sequence[int]) -> list[_Partition]:
        places = [TopicPartition(self._topic, p) for p in range(PARTITIONS)]
        starts, ends = await reader.beginning_offsets(places), await reader.end_offsets(places)
        reader.assign(places)
        for place in places:
            reader.seek(place, starts[place])
            if starts[place] >= ends[place]:
                reader.pause(place)
        return [
            _Partition(place, starts[place], ends[place], Chain(Position(tail, b"", -1) if tail else None))
            for place, tail in zip(places, tails, strict=True)
        ]

    async def _fill(self, reader: AIOKafkaConsumer, one: _Partition, head: int, compare: Compare) -> None:
        """Reads on until a fact's turn has come, or the partition is at its end."""
        silent = 0.0
        while not one.ready and one.at < one.end:
            found = await reader.getmany(one.place, timeout_ms=1_000, max_records=PAGE)
            records = found.get(one.place, [])
            silent = 0.0 if records else silent + 1.0
            if silent >= SILENT_SECONDS:
                raise KafkaTimeoutError(f"{one.place} answers nothing for {SILENT_SECONDS:g} s")
            compare([known for record in records if (known := self._take(one, record, head)) is not None])
            if one.at >= one.end:
                reader.pause(one.place)
        if one.at >= one.end and not one.ready and one.chain.held:
            raise ChainBroken("gap", min(link.headers.position for link in one.chain.held.values()))

    def _take(self, one: _Partition, record: Record, head: int) -> Known | None:
        """Puts a record where it belongs; answers it where the table should have it."""
        value = record.value or b""
        one.at = record.offset + 1
        headers = fact_headers(record.headers)
        if headers is None or headers.source != self._source:
            return None
        self.records += 1
        known = headers.position, hashlib.sha256(value).digest()
        if headers.position <= head:
            return known
        if headers.position <= one.chain.at:
            self.repeated.append(known)
        one.ready += one.chain.offer(headers, record.offset, value, value)
        return None
