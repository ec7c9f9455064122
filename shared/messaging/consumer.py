"""Batch consumers: one thread call a poll, offsets committed after the database, no exception let out.

FastStream swallows what a handler raises and moves on; so the handler here retries outages itself, seeks back when
another worker was there first, and stops a partition, alarmed, when a record can't be handled.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol, TypeAlias

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from faststream.kafka import KafkaBroker, KafkaMessage

from shared.eventstore.businessdate import NoBusinessDayYet
from shared.eventstore.store import PositionMoved, StoreError, Unavailable
from shared.messaging.connect import HEARTBEAT_MS, MAX_POLL_INTERVAL_MS, SESSION_TIMEOUT_MS
from shared.telemetry.counted import GIVEN_BACK, RECORDS
from shared.telemetry.metrics import Metrics
from shared.telemetry.outages import DATABASE, KAFKA, Outages

log = logging.getLogger(__name__)

Record: TypeAlias = Any
"""aiokafka's ConsumerRecord."""
Batches: TypeAlias = Mapping[TopicPartition, Sequence[Record]]
"""The records of one topic in a poll, in order within each partition."""

WATCH_SECONDS = 1.0
COMMIT_SECONDS = 0.5
"""Offsets are committed to Kafka no oftener: they are a hint, and each commit is a record in the broker."""
POSITION_SECONDS = 5.0
ENDS_SECONDS = 10.0
"""How often the ends of the logs are looked at; that a topic was made anew may be noticed so late."""
FAULT_SECONDS = 1.0
"""The pause after a fault of our own: the same records come again at once, and would keep a core busy."""
MAX_RECORDS = 2_000
"""Records of a poll at most."""
IDLE_MS = 1_000
"""How long a poll waits for a record; the first one that comes ends it."""
FETCH_WAIT_MS = 100
"""How long the broker holds a fetch that finds nothing. The client has one on its way to a broker at a time, and
leaves out of it the partitions whose records are not polled yet: while the others are silent, new records of the
busy ones wait as long."""
RETRY_FOR_SECONDS = 60.0
"""How long one batch is tried before it is given back to Kafka; well within the poll interval."""


class Stopped(Exception):
    """A partition must not go on. The records before `offset` are decided and written.

    Attributes:
        why: for the operator; names ids only.
    """

    def __init__(self, partition: TopicPartition, offset: int, why: str) -> None:
        super().__init__(why)
        self.partition = partition
        self.offset = offset
        self.why = why


class ReadAgain(Exception):
    """A partition must be read again from `offset`: a link is missing that may stand there.

    Attributes:
        why: for the log; names ids only.
    """

    def __init__(self, partition: TopicPartition, offset: int, why: str) -> None:
        super().__init__(why)
        self.partition = partition
        self.offset = offset
        self.why = why


Next: TypeAlias = int | ReadAgain | Stopped
"""What follows in a partition: the offset to go on from; or why not, once what stands before it is written."""


class Decide(Protocol):
    """What a consumer does with the records of a topic in a poll. Blocks; runs in a thread."""

    def decide(self, batches: Batches) -> Mapping[TopicPartition, Next]:
        """Decides and writes them all, in as few transactions as hold them. Returns what follows in each partition.

        Raises: PositionMoved, Unavailable, NoBusinessDayYet: the same batches may be tried again.
        """

    def forget(self) -> None:
        """Positions in memory may be old: read them again from the database."""

    def resume(self, partition: TopicPartition) -> int:
        """The offset behind the last record that is decided, by the database; 0 where none is. Blocks."""

    def overdue(self) -> Sequence[ReadAgain | Stopped]:
        """What to do about partitions that have waited too long for a missing link."""

    def other_logs(self, ends: Mapping[TopicPartition, int]) -> Sequence[ReadAgain]:
        """What to do about partitions whose log ends before what is decided: it is not the one that was decided.

        A topic was made anew, or the broker lost its end. Blocks. Raises: StoreError.
        """


class BatchConsumer:
    """One group on some topics.

    Attributes:
        stopped: partitions that stopped, with why. An operator's alarm; a restart tries again.
    """

    def __init__(
        self,
        group: str,
        topics: Sequence[str],
        worker: Decide,
        *,
        rest: float = 0.0,
        outages: Outages | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        """Starts nothing yet, see `subscribe`.

        Args:
            group: its name.
            topics: what it reads.
            worker: decides what a poll brings.
            rest: seconds at least from one poll that brought something to the next, unless it was full: how long a
                record may wait so that others share its transaction.
            outages: where it tells that a server is away.
            metrics: where it counts.
        """
        self._outages = outages or Outages()
        self._metrics = metrics or Metrics(group.partition(".")[0])
        self.group = group
        self.topics = tuple(topics)
        self.stopped: dict[TopicPartition, str] = {}
        self._worker = worker
        self._rest = rest
        self._next_poll = 0.0
        self._subscriber: Any = None
        self._busy = asyncio.Lock()
        self._uncommitted: dict[TopicPartition, int] = {}
        self._committed_at = 0.0
        self._looked_at = -ENDS_SECONDS
        self._resumed: frozenset[TopicPartition] = frozenset()
        for topic in topics:
            self._metrics.expect(RECORDS, group, topic)
        self._metrics.expect(GIVEN_BACK, group)

    def subscribe(self, broker: KafkaBroker) -> None:
        """Wires the group into the broker; starts with it."""

        async def parse(records: Sequence[Record], _original: Any = None) -> KafkaMessage:
            first = records[0]
            return KafkaMessage(
                body=b"",
                raw_message=tuple(records),
                headers={},
                batch_headers=[],
                correlation_id=None,
                message_id=f"{first.topic}-{first.partition}-{first.offset}",
                consumer=self._subscriber.consumer,
            )

        async def decode(message: KafkaMessage, _original: Any = None) -> Any:
            return message.raw_message

        self._subscriber = broker.subscriber(
            *self.topics,
            group_id=self.group,
            batch=True,
            max_records=MAX_RECORDS,
            batch_timeout_ms=20,
            auto_offset_reset="earliest",
            parser=parse,
            decoder=decode,
            session_timeout_ms=SESSION_TIMEOUT_MS,
            heartbeat_interval_ms=HEARTBEAT_MS,
            max_poll_interval_ms=MAX_POLL_INTERVAL_MS,
            max_partition_fetch_bytes=1 << 20,
            fetch_max_wait_ms=FETCH_WAIT_MS,
        )
        self._subscriber(self._handle)

    def wait_in_polls(self) -> None:
        """Has each poll wait for records, and rest; call it once the broker has started.

        FastStream polls shortly and sleeps after each empty poll: short waits cost an idle service most of its CPU,
        long ones keep a record waiting. A poll ends at once when a record comes.
        """
        assert self.consumer is not None
        self.consumer.getmany = partial(self._poll, self.consumer.getmany)

    async def _poll(self, poll: Any, *, timeout_ms: int, max_records: int) -> Any:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(self._next_poll - loop.time(), 0.0))
        found = await poll(timeout_ms=max(timeout_ms, IDLE_MS), max_records=max_records)
        records = sum(map(len, found.values()))
        self._next_poll = loop.time() + self._rest if 0 < records < max_records else 0.0
        return found

    @property
    def consumer(self) -> AIOKafkaConsumer | None:
        """The running consumer, or None before the start."""
        return self._subscriber.consumer if self._subscriber is not None else None

    def assigned(self) -> frozenset[TopicPartition]:
        """The partitions that this process reads now."""
        return frozenset(self.consumer.assignment()) if self.consumer is not None else frozenset()

    async def _handle(self, records: Sequence[Record]) -> None:
        async with self._busy:
            flowing = self._flowing(records)
            try:
                for batches in _by_topic(flowing):
                    await self._handle_batches(batches)
            except Exception:
                log.exception("batch given back", extra={"group": self.group})
                for batches in _by_topic(flowing):
                    self._give_back(batches)
                await asyncio.sleep(FAULT_SECONDS)

    def _flowing(self, records: Sequence[Record]) -> Sequence[Record]:
        if not self.stopped:
            return records
        return [one for one in records if TopicPartition(one.topic, one.partition) not in self.stopped]

    async def watch(self) -> None:
        """Looks for ever after partitions that wait for a missing link: nothing may come on them any more."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            async with self._busy:
                await self._resume_assigned()
                for order in self._worker.overdue():
                    self._obey(order)
                await self._look_for_other_logs()
                await self._commit()

    async def _resume_assigned(self) -> None:
        """Kafka's committed offset is only a hint: where the database stands behind it, it is read from there.

        So nothing is passed over when a database was put back to an earlier point, not even on a silent topic.
        """
        self._resumed &= self.assigned()
        for partition in self.assigned() - self._resumed:
            try:
                await self._resume(partition)
            except StoreError as error:
                self._outages.failed(f"{self.group} look", DATABASE, error)
                return
            except (KafkaError, TimeoutError) as error:
                self._outages.failed(f"{self.group} look", KAFKA, error)
                return
            self._outages.went(f"{self.group} look")
            self._resumed |= {partition}

    async def _resume(self, partition: TopicPartition) -> None:
        resume = await asyncio.to_thread(self._worker.resume, partition)
        consumer = self.consumer
        if consumer is None or partition not in consumer.assignment():
            return
        at = await asyncio.wait_for(consumer.position(partition), POSITION_SECONDS)
        if at > resume:
            self._obey(ReadAgain(partition, resume, f"Kafka's hint {at} is ahead of the database"))

    async def _look_for_other_logs(self) -> None:
        """The broker is asked: what a fetch said last may be old, or be from a leader that had not caught up."""
        now, mine = asyncio.get_running_loop().time(), self.assigned()
        if self.consumer is None or not mine or now - self._looked_at < ENDS_SECONDS:
            return
        try:
            ends = await asyncio.wait_for(self.consumer.end_offsets(list(mine)), POSITION_SECONDS)
            orders = await asyncio.to_thread(self._worker.other_logs, ends)
        except StoreError as error:
            self._outages.failed(f"{self.group} ends", DATABASE, error)
            return
        except (KafkaError, TimeoutError) as error:
            self._outages.failed(f"{self.group} ends", KAFKA, error)
            return
        self._outages.went(f"{self.group} ends")
        self._looked_at = now
        for order in orders:
            self._obey(order)

    def _obey(self, order: ReadAgain | Stopped) -> None:
        if isinstance(order, Stopped):
            self._stop(order)
            return
        log.warning(
            "partition read again", extra={"group": self.group, "why": order.why, "offset": order.offset}
        )
        if self.consumer is not None and order.partition in self.consumer.assignment():
            self.consumer.seek(order.partition, order.offset)

    async def _handle_batches(self, batches: Batches) -> None:
        try:
            following = await self._with_retries(batches)
        except (PositionMoved, Unavailable, NoBusinessDayYet) as error:
            log.warning("batch read again", extra={"group": self.group, "why": type(error).__name__})
            self._worker.forget()
            self._give_back(batches)
            return
        for partition, then in following.items():
            if not isinstance(then, int):
                self._obey(then)
            offset = then if isinstance(then, int) else then.offset
            done = max(offset - batches[partition][0].offset, 0)
            self._metrics.add(RECORDS, done, self.group, partition.topic)
            self._uncommitted[partition] = offset
        await self._commit()

    async def _with_retries(self, batches: Batches) -> Mapping[TopicPartition, Next]:
        loop = asyncio.get_running_loop()
        until, pause, waited = loop.time() + RETRY_FOR_SECONDS, 0.05, False
        while True:
            try:
                following = await asyncio.to_thread(self._worker.decide, batches)
            except (Unavailable, NoBusinessDayYet) as error:
                self._tell_waiting(error, first=not waited)
                waited = True
                if loop.time() > until:
                    raise
                self._worker.forget()
                await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
                pause = min(pause * 2, 2.0)
            else:
                self._outages.went(self.group)
                return following

    def _tell_waiting(self, error: Exception, *, first: bool) -> None:
        if isinstance(error, Unavailable):
            self._outages.failed(self.group, DATABASE, error)
        elif first:
            log.warning("waiting", extra={"group": self.group, "why": str(error) or type(error).__name__})

    def _stop(self, stop: Stopped) -> None:
        self.stopped[stop.partition] = stop.why
        log.error(
            "partition stopped",
            extra={"group": self.group, "partition": str(stop.partition), "why": stop.why},
        )
        if self.consumer is not None and stop.partition in self.consumer.assignment():
            self.consumer.pause(stop.partition)
            self.consumer.seek(stop.partition, stop.offset)

    async def resume_stopped(self) -> list[TopicPartition]:
        """Has stopped partitions read again from where the database stands. Returns which; an operator's way on."""
        async with self._busy:
            stopped, self.stopped = list(self.stopped), {}
            await asyncio.to_thread(self._worker.forget)
            for partition in stopped:
                resume = await asyncio.to_thread(self._worker.resume, partition)
                if self.consumer is not None and partition in self.consumer.assignment():
                    self.consumer.seek(partition, resume)
                    self.consumer.resume(partition)
            return stopped

    def _give_back(self, batches: Batches) -> None:
        """Seeks to each batch's start: the records come again, duplicates fall out by position."""
        self._metrics.add(GIVEN_BACK, 1, self.group)
        if self.consumer is None:
            return
        for partition, records in batches.items():
            if partition in self.consumer.assignment() and partition not in self.stopped:
                self.consumer.seek(partition, records[0].offset)

    async def _commit(self) -> None:
        """Tells Kafka now and then where to read on: a hint, the position row decides. Lost partitions may refuse."""
        loop = asyncio.get_running_loop()
        if self.consumer is None or loop.time() - self._committed_at < COMMIT_SECONDS:
            return
        mine = self.consumer.assignment()
        offsets = {at: offset for at, offset in self._uncommitted.items() if at in mine}
        self._uncommitted.clear()
        if not offsets:
            return
        self._committed_at = loop.time()
        try:
            await self.consumer.commit(offsets)
        except (CommitFailedError, IllegalStateError, KafkaError) as error:
            log.info("offsets not committed", extra={"group": self.group, "why": type(error).__name__})


def _by_topic(records: Sequence[Record]) -> Iterable[Batches]:
    """A poll's records; those of a partition mostly stand together there."""
    topics: dict[str, dict[TopicPartition, list[Record]]] = {}
    here, batch = None, []
    for record in records:
        if here is None or record.partition != here.partition or record.topic != here.topic:
            here = TopicPartition(record.topic, record.partition)
            batch = topics.setdefault(here.topic, {}).setdefault(here, [])
        batch.append(record)
    return topics.values()
