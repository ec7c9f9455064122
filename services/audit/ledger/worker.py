"""The ledger's consumer: every record of every facts topic becomes a leaf, exactly once, in chain order."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from aiokafka import TopicPartition
from psycopg.errors import UniqueViolation
from sqlalchemy import Engine

from services.audit.ledger.append import append, lock_head, make_leaf, transaction
from services.audit.ledger.reading import entries_at
from shared.contracts.audit import SERVICE
from shared.eventstore import write
from shared.eventstore.changes import Position, PositionKey
from shared.eventstore.store import PositionMoved
from shared.messaging.consumer import Batches, Next, ReadAgain, Record, Stopped
from shared.messaging.links import Link, Links, Taken
from shared.messaging.topics import FactHeaders
from shared.telemetry.conventions import BATCH, FACTS, PARTITION, committing, processing
from shared.telemetry.counted import LEAVES, TRANSACTION_SECONDS
from shared.telemetry.metrics import Metrics
from shared.telemetry.tracing import OFF, Batch, Tracing
from shared.telemetry.wire import Shape
from shared.tlog.notes import Signer
from shared.tlog.tiles import MAX_ENTRY_BYTES
from shared.tlog.tree import Edge

log = logging.getLogger(__name__)

CONSUMER = "audit.ledger"
LEDGER = "ledger"
"""The kind of its transactions, among those that are timed."""
MAX_LEAVES = 2_000
MAX_BYTES = 4_000_000
"""Caps of one transaction."""


class LedgerWorker:
    """The worker of the ledger's `BatchConsumer`. Two at once are correct: the head's row lock orders them.

    A record is ledgered whatever it says; its bytes are looked into for an id and a type only.
    """

    def __init__(
        self,
        engine: Engine,
        signer: Signer,
        stored: Callable[[str], dict[PositionKey, Position]],
        *,
        tracing: Tracing = OFF,
        metrics: Metrics | None = None,
    ) -> None:
        """Appends to the log in this database.

        Args:
            engine: of audit's database.
            signer: the log's key.
            stored: reads the position rows: `Store.positions`.
            tracing: records a span for each trace whose records become leaves.
            metrics: where it counts; some of its own where none is given.
        """
        self._engine = engine
        self._tracing = tracing
        self._metrics = metrics or Metrics(SERVICE)
        self._metrics.expect(TRANSACTION_SECONDS, LEDGER)
        self._signer = signer
        self._links = Links(CONSUMER, stored)
        self._edge: Edge | None = None

    def forget(self) -> None:
        """See `Decide`."""
        self._links.forget()
        self._edge = None

    def resume(self, partition: TopicPartition) -> int:
        """See `Decide`."""
        return self._links.resume(partition)

    def overdue(self) -> list[Stopped | ReadAgain]:
        """See `Decide`."""
        return self._links.overdue()

    def other_logs(self, _ends: Mapping[TopicPartition, int]) -> tuple[()]:
        """See `Decide`. The chain says what was taken, whatever the offsets."""
        return ()

    def decide(self, batches: Batches) -> Mapping[TopicPartition, Next]:
        """See `Decide`. Whatever fails after links were taken drops them: the database says where to go on."""
        try:
            return self._decide(batches)
        except UniqueViolation:
            self.forget()
            return self._decide_apart(batches)
        except BaseException:
            self.forget()
            raise

    def _decide_apart(self, batches: Batches) -> Mapping[TopicPartition, Next]:
        """A place is ledgered that was taken for new: partition after partition, so that only its own stops."""
        following: dict[TopicPartition, Next] = {}
        for partition, records in batches.items():
            try:
                following |= self._decide({partition: records})
            except UniqueViolation:
                self.forget()
                offset = self.resume(partition)
                why = f"a position is ledgered already, from offset {offset} on"
                following[partition] = Stopped(partition, offset, why)
        return following

    def _decide(self, batches: Batches) -> Mapping[TopicPartition, Next]:
        cut = {partition: _within_the_limit(partition, records) for partition, records in batches.items()}
        taken = self._links.take_all({partition: fitting for partition, (fitting, _) in cut.items()})
        for links in _batches([link for one in taken.values() for link in one.links]):
            with Batch(self._tracing, *_shapes(links[0][0].topic)) as batch:
                self._append(links)
                _tell(batch, links)
        for partition, one in taken.items():
            one.broken = self._compared(partition, one.repeats) or one.broken or cut[partition][1]
        self._pass_over(taken.values())
        return self._links.after(batches, taken)

    def _append(self, links: Sequence[Link]) -> None:
        leaves = [
            make_leaf(key.source, key.topic, key.partition, link.headers.position, link.record.value)
            for key, link in links
        ]
        began = time.monotonic()
        moves = self._links.moves(links)
        with transaction(self._engine) as cursor:
            edge = lock_head(cursor, self._edge)
            if not write.move(cursor, moves):
                raise PositionMoved(CONSUMER)
            edge = append(cursor, edge, leaves, self._signer)
        self._edge = edge
        self._links.settle(moves)
        self._metrics.observe(TRANSACTION_SECONDS, time.monotonic() - began, LEDGER)
        self._metrics.add(LEAVES, len(leaves))

    def _pass_over(self, taken: Iterable[Taken]) -> None:
        """Repeats at a topic's end count as read: their offset moves, no position does."""
        moves = self._links.passed_over(taken)
        if not moves:
            return
        with transaction(self._engine) as cursor:
            lock_head(cursor, self._edge)
            if not write.move(cursor, moves):
                raise PositionMoved(CONSUMER)
        self._links.settle(moves)

    def _compared(
        self, partition: TopicPartition, repeats: Sequence[tuple[FactHeaders, Record]]
    ) -> Stopped | None:
        """A repeat must be the bytes that were ledgered: other ones are an alarm, never a duplicate."""
        if not repeats:
            return None
        wanted = [(headers.source, partition.partition, headers.position) for headers, _ in repeats]
        with self._engine.begin() as connection:
            ledgered = entries_at(connection, wanted)
        for place, (headers, record) in zip(wanted, repeats, strict=True):
            if ledgered.get(place) != record.value:
                why = f"other bytes than ledgered at position {headers.position}, offset {record.offset}"
                return Stopped(partition, record.offset, why)
        return None


def _shapes(topic: str) -> tuple[Shape, Shape]:
    return committing(topic, CONSUMER), processing(topic, CONSUMER)


def _tell(batch: Batch, links: Sequence[Link]) -> None:
    """Tells the spans of a transaction how many leaves it has, by the records' headers alone."""
    partitions = {key.partition for key, _ in links}
    if len(partitions) == 1:
        batch.each[PARTITION] = batch.attributes[PARTITION] = str(*partitions)
    batch.add({BATCH: len(links), FACTS: len(links)})
    batch.count(link.headers.hop for _, link in links)


def _within_the_limit(
    partition: TopicPartition, records: Sequence[Record]
) -> tuple[Sequence[Record], Stopped | None]:
    for number, record in enumerate(records):
        if len(record.value or b"") > MAX_ENTRY_BYTES:
            why = f"{len(record.value)} bytes at offset {record.offset}, the ledger's limit is {MAX_ENTRY_BYTES}"
            return records[:number], Stopped(partition, record.offset, why)
    return records, None


def _batches(links: Sequence[Link]) -> Iterator[Sequence[Link]]:
    """The links in order, each batch within the caps of a transaction."""
    start = size = 0
    for number, (_, link) in enumerate(links):
        size += len(link.record.value)
        if number - start >= MAX_LEAVES or (size > MAX_BYTES and number > start):
            yield links[start:number]
            start, size = number, len(link.record.value)
    if start < len(links):
        yield links[start:]
