"""Taking the leaves that were published in their published order again, after the database was put back.

Each checkpoint's record says where its leaves came from. The facts topics hold the leaves; the signed root proves
that they are the same ones in the same order. Nothing that differs is written.
"""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaTimeoutError
from sqlalchemy import Engine

from services.audit.ledger.append import append, lock_head, make_leaf, open_ledger, transaction
from services.audit.ledger.published import Published, open_published, read_topic
from services.audit.ledger.runs import Run
from services.audit.ledger.worker import CONSUMER
from shared.eventstore import write
from shared.eventstore.changes import Position, PositionKey
from shared.messaging.connect import KafkaAccess
from shared.messaging.links import Link, Links
from shared.messaging.replay import SILENT_SECONDS, RecoverRefused
from shared.messaging.topics import PARTITIONS
from shared.tlog.notes import Signer
from shared.tlog.tree import Edge

TELL_SECONDS = 2.0

Progress = Callable[[str], None]


async def recover_ledger(
    engine: Engine, kafka: KafkaAccess, signer: Signer, topics: Sequence[str], progress: Progress
) -> tuple[int, int]:
    """Appends what was published and is missing. Returns the log's size before and after.

    Raises: RecoverRefused: the order is not known, or leaves don't give the published root; also Unavailable.
    """
    before = open_ledger(engine, signer)
    missing = await missing_checkpoints(kafka, signer, above=before)
    if not missing:
        return before, before
    leaves = _Leaves(kafka, topics, lambda _consumer: _stored(engine))
    size, told = before, time.monotonic()
    try:
        await leaves.start()
        for checkpoint in missing:
            links = [link for run in checkpoint.runs for link in await leaves.take(run)]
            if len(links) != checkpoint.size - size:
                raise RecoverRefused(
                    f"检查点 {checkpoint.size} 未载明 {size} 条之后的次序，账本不再续写；请保留现场",
                    f"the checkpoint of {checkpoint.size} does not tell the order of the entries after {size}: "
                    "the ledger goes no further, keep everything as it is",
                )
            _append(engine, signer, checkpoint, leaves.links, links)
            size = checkpoint.size
            if time.monotonic() - told > TELL_SECONDS:
                told = time.monotonic()
                progress(f"账本 {size}/{missing[-1].size} / ledger {size} of {missing[-1].size}")
    finally:
        await leaves.stop()
    return before, size


async def missing_checkpoints(kafka: KafkaAccess, signer: Signer, *, above: int) -> list[Published]:
    """The published checkpoints of more than `above` entries, by size, each once. Raises: RecoverRefused."""
    found: dict[int, Published] = {}
    for record in await read_topic(kafka):
        one = open_published(record, signer.vkey)
        if one is None or one.size <= above:
            continue
        if found.setdefault(one.size, one).root != one.root:
            raise RecoverRefused(
                f"已发布两个互相矛盾的检查点（{one.size} 条）；请保留两者作为证据",
                f"two published checkpoints of {one.size} entries contradict each other: keep both as evidence",
            )
    return [found[size] for size in sorted(found)]


def _append(
    engine: Engine, signer: Signer, checkpoint: Published, chains: Links, links: Sequence[Link]
) -> None:
    """One published batch as one transaction, as it was the first time; rolled back unless the root is the same."""
    leaves = [
        make_leaf(key.source, key.topic, key.partition, link.headers.position, link.record.value)
        for key, link in links
    ]
    moves = chains.moves(links)
    with transaction(engine) as cursor:
        edge: Edge = lock_head(cursor)
        if not write.move(cursor, moves):
            raise RecoverRefused("账本正被另一进程续写", "another process appends to the ledger")
        if append(cursor, edge, leaves, signer).root() != checkpoint.root:
            raise RecoverRefused(
                f"重放的记录与已发布的检查点（{checkpoint.size} 条）不符；请保留现场并联系开发者",
                f"the entries read again do not give the published root of {checkpoint.size} entries: "
                "keep everything as it is",
            )
        cursor.execute("UPDATE checkpoints SET published = true WHERE size = %s", (checkpoint.size,))
    chains.settle(moves)


def _stored(engine: Engine) -> dict[PositionKey, Position]:
    query = """SELECT consumer, source, topic, partition, position, digest, kafka_offset
               FROM positions WHERE consumer = %s"""
    with transaction(engine) as cursor:
        rows = cursor.execute(query, (CONSUMER,))
        return {PositionKey(*row[:4]): Position(*row[4:]) for row in rows}


class _Leaves:
    """The records of the facts topics behind the ledger's positions, given out place by place in chain order."""

    def __init__(
        self,
        kafka: KafkaAccess,
        topics: Sequence[str],
        stored: Callable[[str], dict[PositionKey, Position]],
    ) -> None:
        self.links = Links(CONSUMER, stored)
        self._places = [TopicPartition(topic, p) for topic in topics for p in range(PARTITIONS)]
        self._reader: AIOKafkaConsumer = kafka.reader()
        self._ends: dict[TopicPartition, int] = {}
        self._at: dict[TopicPartition, int] = {}
        self._ready: dict[tuple[str, str, int], deque[Link]] = defaultdict(deque)

    async def start(self) -> None:
        await self._reader.start()
        self._ends = await self._reader.end_offsets(self._places)
        self._reader.assign(self._places)
        for place in self._places:
            self._at[place] = self.links.resume(place)
            self._reader.seek(place, self._at[place])

    async def stop(self) -> None:
        await self._reader.stop()

    async def take(self, run: Run) -> list[Link]:
        """The next leaves of a place; fewer where its topic has no more."""
        ready, place = (
            self._ready[run.source, run.topic, run.partition],
            TopicPartition(run.topic, run.partition),
        )
        while len(ready) < run.leaves and self._at.get(place, 0) < self._ends.get(place, 0):
            await self._read(place)
        return [ready.popleft() for _ in range(min(run.leaves, len(ready)))]

    async def _read(self, place: TopicPartition) -> None:
        until = time.monotonic() + SILENT_SECONDS
        while not (records := (await self._reader.getmany(place, timeout_ms=1_000)).get(place)):
            if time.monotonic() > until:
                raise KafkaTimeoutError(f"{place} answers nothing for {SILENT_SECONDS:g} s")
        self._at[place] = records[-1].offset + 1
        taken = self.links.take(place, records)
        if taken.broken is not None:
            raise RecoverRefused(
                f"{place} 的位置链断裂：{taken.broken}", f"the chain of {place} is broken: {taken.broken}"
            )
        for key, link in taken.links:
            self._ready[key.source, key.topic, key.partition].append((key, link))
