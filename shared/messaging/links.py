"""The position chains of one consumer: which records of a batch are next, and the positions that move with them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias

from aiokafka import TopicPartition

from shared.eventstore.changes import Move, Position, PositionKey
from shared.messaging.chain import Chain, ChainBroken, Linked
from shared.messaging.consumer import Batches, Next, ReadAgain, Record, Stopped
from shared.messaging.topics import FactHeaders, fact_headers

Link: TypeAlias = tuple[PositionKey, Linked[Record]]

HELD_SECONDS = 5.0
"""How long a missing link is looked for ahead, before it is looked for behind. A clock of machines, not of rules."""

_SOURCE = re.compile(r"[\x21-\x7e]+", re.ASCII)
MAX_SOURCE = 128
"""Characters of a source's name."""


@dataclass(slots=True)
class Taken:
    """What a batch of one partition comes to.

    Attributes:
        links: records whose turn it is, in the order in which they are to be taken.
        repeats: records at positions that were taken before: passed over, or compared with what was taken.
        broken: why the partition must stop, or be read again, once `links` are written; None: it goes on.
    """

    links: list[Link] = field(default_factory=list)
    repeats: list[tuple[FactHeaders, Record]] = field(default_factory=list)
    broken: Stopped | ReadAgain | None = None


class Links:
    """The chains of one consumer, in memory between batches. Not safe in threads: its worker owns it."""

    def __init__(self, consumer: str, stored: Callable[[str], Mapping[PositionKey, Position]]) -> None:
        """Chains that start at the stored positions.

        Args:
            consumer: the name of the position rows, "payment.policies".
            stored: reads them: `Store.positions`.
        """
        self._consumer = consumer
        self._stored = stored
        self._chains: dict[PositionKey, Chain[Record]] | None = None
        self._waiting_since: dict[PositionKey, float] = {}
        self._read_again: set[tuple[PositionKey, int]] = set()

    def forget(self) -> None:
        """What is in memory may be old, or was not written: the database says where to go on.

        Records that were held are gone with it; the gap that they leave is read again.
        """
        self._chains = None
        self._waiting_since.clear()

    def resume(self, partition: TopicPartition) -> int:
        """See `Decide`."""
        name = partition.topic, partition.partition
        offsets = [
            chain.stored.kafka_offset + 1
            for key, chain in self._stored_chains().items()
            if (key.topic, key.partition) == name and chain.stored is not None
        ]
        return max(offsets, default=0)

    def take_all(self, batches: Batches) -> dict[TopicPartition, Taken]:
        """See `take`, for every partition."""
        return {partition: self.take(partition, records) for partition, records in batches.items()}

    def take(self, partition: TopicPartition, records: Sequence[Record]) -> Taken:
        """Offers a partition's records to their chains, up to the first that breaks one."""
        taken = Taken()
        key = chain = None
        for record in records:
            headers = fact_headers(record.headers)
            if headers is None or record.value is None or not _makes_sense(headers):
                why = f"unreadable headers or no value at offset {record.offset}"
                taken.broken = Stopped(partition, record.offset, why)
                return taken
            if key is None or chain is None or key.source != headers.source:
                key = PositionKey(self._consumer, headers.source, record.topic, record.partition)
                chain = self._chain(key)
            try:
                links = chain.offer(headers, record.offset, record.value, record)
            except ChainBroken as error:
                why = f"{error} at offset {record.offset}"
                taken.broken = (
                    self._gap(key) if error.why == "gap" else Stopped(partition, record.offset, why)
                )
                return taken
            if chain.held or self._waiting_since:
                self._note(key, chain)
            for link in links:
                taken.links.append((key, link))
            if not links and headers.position <= chain.at:
                taken.repeats.append((headers, record))
        return taken

    def _note(self, key: PositionKey, chain: Chain[Record]) -> None:
        if chain.held:
            self._waiting_since.setdefault(key, time.monotonic())
        else:
            self._waiting_since.pop(key, None)

    def overdue(self) -> list[Stopped | ReadAgain]:
        """Partitions whose missing link did not come ahead in time."""
        until = time.monotonic() - HELD_SECONDS
        return [self._gap(key) for key, since in list(self._waiting_since.items()) if since <= until]

    def _gap(self, key: PositionKey) -> Stopped | ReadAgain:
        """The missing link is not ahead: it is looked for once from the stored offset on, then the partition stops."""
        chain = self._chain(key)
        at = chain.stored.position if chain.stored else 0
        partition = TopicPartition(key.topic, key.partition)
        first = min(link.offset for link in chain.held.values())
        self._waiting_since.pop(key, None)
        chain.rewind(chain.stored)
        if (key, at) in self._read_again:
            return Stopped(partition, first, f"gap: {key.source} is missing its link after position {at}")
        self._read_again.add((key, at))
        offset = chain.stored.kafka_offset + 1 if chain.stored else 0
        return ReadAgain(partition, offset, f"gap after position {at} of {key.source}")

    def _chain(self, key: PositionKey) -> Chain[Record]:
        chains = self._stored_chains()
        return chains.get(key) or chains.setdefault(key, Chain(None))

    def _stored_chains(self) -> dict[PositionKey, Chain[Record]]:
        if self._chains is None:
            self._chains = {name: Chain(at) for name, at in self._stored(self._consumer).items()}
        return self._chains

    def moves(self, links: Sequence[Link]) -> list[Move]:
        """The compare-and-sets that belong to these links: to be written in their transaction."""
        return [
            Move(key, stored.position if (stored := self._chain(key).stored) else None, _position(link))
            for key, link in dict(links).items()
        ]

    def passed_over(self, taken: Iterable[Taken]) -> list[Move]:
        """Moves the Kafka offset of chains whose newest records were repeats: they too have been read.

        Without them a topic that ends in repeats would never count as read to its end. Where a chain broke, nothing
        moves.
        """
        newest = {
            PositionKey(self._consumer, headers.source, record.topic, record.partition): int(record.offset)
            for one in taken
            if one.broken is None
            for headers, record in one.repeats
        }
        return [
            Move(key, stored.position, stored._replace(kafka_offset=offset))
            for key, offset in newest.items()
            if (stored := self._chain(key).stored) is not None and stored.kafka_offset < offset
        ]

    def settle(self, moves: Iterable[Move]) -> None:
        """These moves are committed."""
        for move in moves:
            self._chain(move.key).settle(move.new)

    def after(self, batches: Batches, taken: Mapping[TopicPartition, Taken]) -> dict[TopicPartition, Next]:
        """What follows in each partition once its links are written; a broken one's chains hold nothing any more."""
        following: dict[TopicPartition, Next] = {}
        for partition, records in batches.items():
            broken = taken[partition].broken
            following[partition] = self.following(partition, records) if broken is None else broken
            if broken is not None:
                self._rewind(partition)
        return following

    def _rewind(self, partition: TopicPartition) -> None:
        for key, chain in self._stored_chains().items():
            if (key.topic, key.partition) == (partition.topic, partition.partition):
                chain.rewind(chain.stored)
                self._waiting_since.pop(key, None)

    def following(self, partition: TopicPartition, records: Sequence[Record]) -> int:
        """The offset to commit: never past a record that is held for a missing link."""
        held = [
            link.offset
            for key, chain in (self._chains or {}).items()
            if (key.topic, key.partition) == (partition.topic, partition.partition)
            for link in chain.held.values()
        ]
        return min([int(records[-1].offset) + 1, *held])


def _makes_sense(headers: FactHeaders) -> bool:
    return (
        0 <= headers.previous < headers.position < 1 << 63
        and len(headers.source) <= MAX_SOURCE
        and _is_source(headers.source)
    )


@lru_cache(maxsize=64)
def _is_source(text: str) -> bool:
    return _SOURCE.fullmatch(text) is not None


def _position(link: Linked[Record]) -> Position:
    return Position(link.headers.position, link.digest, link.offset)
