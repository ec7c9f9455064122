"""The raw limit, as a process of its own, see `zeren.stack.child`: `python -m bench.hop STATE`.

The same bytes as the product's through aiokafka in, binary COPY into a table of the event table's layout, aiokafka
out; or through Kafka alone. Nothing is decoded, decided or checked. Clients are built as the services build theirs,
records leave as the relay sends them.

{"read": {"facts": N}}              {"facts": N, "bytes": N}: the newest of the facts topics, looked through once
{"hop": {"batch": N, "copy": B}}    {"facts": N, "seconds": S, "began": T, "batches": N}
"""

from __future__ import annotations

import asyncio
import gc
import logging
import secrets
import sys
import time
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from uuid import UUID

import psycopg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from bench.topics import RAW_DATABASE, RAW_TOPIC
from shared.contracts.fact import SERVICES, header
from shared.eventstore.recorder import copy_rows
from shared.messaging.connect import FACTS_COMPRESSION, KafkaAccess
from shared.messaging.topics import PARTITIONS, facts_topic
from zeren.stack.child import answer_lines
from zeren.stack.local import Servers, running_servers
from zeren.stack.state import StateFolder

UNDER_WAY = 4
"""Batches that are sent and not acknowledged yet, at most."""
_COPY = "COPY events (originator_id, originator_version, topic, state) FROM STDIN (FORMAT BINARY)"

Row = tuple[bytes, int, bytes]
"""Stream, version, type: what the event table has besides the bytes."""


class Fewer(Exception):
    """The topics hold fewer facts than were asked for, or none."""


@dataclass(slots=True)
class Partition:
    """A part of what is read.

    Attributes:
        first: offset of its first record.
        rows: by record.
    """

    first: int
    end: int
    rows: list[Row] = field(default_factory=list)


def shares(lengths: Mapping[TopicPartition, int], facts: int) -> dict[TopicPartition, int]:
    """How many of each partition's records are taken, in proportion, so many in all. Raises: Fewer."""
    whole = sum(lengths.values())
    if not 0 < facts <= whole:
        raise Fewer(f"{facts} of {whole}")
    taken = {one: length * facts // whole for one, length in lengths.items()}
    for one in sorted(lengths, key=lambda one: taken[one] - lengths[one]):
        if sum(taken.values()) == facts:
            break
        taken[one] += min(facts - sum(taken.values()), lengths[one] - taken[one])
    return {one: count for one, count in taken.items() if count}


class Hop:
    """Answers what is asked on standard input."""

    def __init__(self, servers: Servers) -> None:
        endpoint = servers.kafka
        self._kafka = KafkaAccess(endpoint.bootstrap, endpoint.user, endpoint.password)
        self._connection = servers.postgres.connect(RAW_DATABASE)
        self._partitions: dict[TopicPartition, Partition] = {}
        self._facts = 0

    async def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Raises: KafkaError, Fewer."""
        match asked:
            case {"read": {"facts": facts}}:
                return await self._read(facts)
            case {"hop": {"batch": batch, "copy": copy}}:
                return await self._hop(batch, copy=copy)
        return {"error": "无此请求 / no such request"}

    async def _read(self, facts: int) -> dict[str, Any]:
        """Looks through the newest facts once: their streams must not be looked for while the clock runs."""
        size, seen = 0, set[tuple[bytes, int]]()
        async with self._kafka.reading() as reader:
            await self._choose(reader, facts)
            self._seek(reader)
            left = facts
            while left:
                for one, records in (await reader.getmany(timeout_ms=1_000)).items():
                    partition = self._partitions[one]
                    for record in records[: partition.end - partition.first - len(partition.rows)]:
                        partition.rows.append(_row(record.value, seen))
                        size += len(record.value)
                        left -= 1
        self._facts = facts
        gc.collect()
        gc.freeze()
        gc.set_threshold(200_000, 50, 100)
        return {"facts": facts, "bytes": size}

    async def _choose(self, reader: AIOKafkaConsumer, facts: int) -> None:
        places = [
            TopicPartition(facts_topic(service), number)
            for service in SERVICES
            for number in range(PARTITIONS)
        ]
        starts, ends = await reader.beginning_offsets(places), await reader.end_offsets(places)
        taken = shares({one: ends[one] - starts[one] for one in places}, facts)
        self._partitions = {one: Partition(ends[one] - count, ends[one]) for one, count in taken.items()}

    def _seek(self, reader: AIOKafkaConsumer) -> None:
        reader.assign(list(self._partitions))
        for one, partition in self._partitions.items():
            reader.seek(one, partition.first)

    async def _hop(self, batch: int, *, copy: bool) -> dict[str, Any]:
        self._connection.execute("TRUNCATE events")
        under_way: deque[Sequence[Any]] = deque()
        batches, left = 0, self._facts
        sending = self._kafka.producing(compression=FACTS_COMPRESSION)
        async with self._kafka.reading() as reader, sending as producer:
            self._seek(reader)
            began = time.monotonic()
            while left:
                found = await reader.getmany(timeout_ms=1_000, max_records=min(batch, left))
                records = [record for rows in found.values() for record in rows]
                if not records:
                    continue
                if copy:
                    await asyncio.to_thread(self._copy, records)
                under_way.append(await _send(producer, records))
                if len(under_way) > UNDER_WAY:
                    await asyncio.gather(*under_way.popleft())
                batches, left = batches + 1, left - len(records)
            for rest in under_way:
                await asyncio.gather(*rest)
            seconds = time.monotonic() - began
        return {"facts": self._facts, "seconds": seconds, "began": began, "batches": batches}

    def _copy(self, records: Sequence[Any]) -> None:
        """One transaction, as the product's: a server that acknowledges it has it on its disk."""
        rows = copy_rows((*self._row_of(record), record.value) for record in records)
        with self._connection.transaction(), self._connection.cursor() as cursor, cursor.copy(_COPY) as copy:
            copy.write(rows)

    def _row_of(self, record: Any) -> Row:
        partition = self._partitions[TopicPartition(record.topic, record.partition)]
        row: Row = partition.rows[record.offset - partition.first]
        return row

    def close(self) -> None:
        """Lets the connection go."""
        self._connection.close()


def _row(value: bytes, seen: set[tuple[bytes, int]]) -> Row:
    """A fact's row. One that was sent twice gets a stream of its own: the table's key allows each once."""
    known = header(value)
    stream = UUID(known.subject).bytes
    if (stream, known.streamversion) in seen:
        stream = secrets.token_bytes(16)
    seen.add((stream, known.streamversion))
    return stream, known.streamversion, _type(known.type)


@cache
def _type(name: str) -> bytes:
    return name.encode()


async def _send(producer: AIOKafkaProducer, records: Sequence[Any]) -> Sequence[Any]:
    """One batch a partition, as the relay sends a page; the answer is the acknowledgements to come."""
    by_partition = defaultdict(list)
    for record in records:
        by_partition[record.partition].append(record)
    sent = []
    for partition, rows in by_partition.items():
        batch = producer.create_batch()
        for record in rows:
            content = {"key": record.key, "value": record.value, "timestamp": None}
            headers = list(record.headers)
            if batch.append(**content, headers=headers) is None:
                sent.append(await _close(producer, batch, partition))
                batch = producer.create_batch()
                batch.append(**content, headers=headers)
        sent.append(await _close(producer, batch, partition))
    return sent


async def _close(producer: AIOKafkaProducer, batch: Any, partition: int) -> Any:
    batch.close()
    return await producer.send_batch(batch, RAW_TOPIC, partition=partition)


async def _serve(servers: Servers) -> None:
    hop = Hop(servers)
    try:
        await answer_lines(hop.answer, KafkaError, Fewer, psycopg.Error)
    finally:
        hop.close()


if __name__ == "__main__":
    logging.getLogger("aiokafka").setLevel(logging.ERROR)
    asyncio.run(_serve(running_servers(StateFolder.named(sys.argv[1]))))
