"""Batch consumers on real Kafka: nothing skipped, nothing let out, partitions stopped one by one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

import pytest
from aiokafka import TopicPartition
from confluent_kafka import Producer

from shared.eventstore.store import PositionMoved, Unavailable
from shared.messaging import consumer as consumer_module
from shared.messaging import links as links_module
from shared.messaging.connect import KafkaAccess
from shared.messaging.consumer import BatchConsumer, Batches, Next, ReadAgain, Stopped
from shared.messaging.links import Links
from shared.messaging.topics import FactHeaders
from shared.telemetry.outages import Outages


class Recorder:
    """A worker that keeps what it is given and fails as it is told."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, int]] = []
        self.values: list[bytes | None] = []
        self.forgotten = 0
        self.fail: list[Exception] = []
        self.stop_at: bytes | None = None
        self.ends: list = []
        self.other_log: list[ReadAgain] = []
        self.away: list[Exception] = []

    def decide(self, batches: Batches) -> dict[TopicPartition, Next]:
        if self.fail:
            raise self.fail.pop(0)
        return {partition: self.take(partition, records) for partition, records in batches.items()}

    def take(self, partition: TopicPartition, records: Sequence) -> Next:
        for record in records:
            if self.stop_at is not None and record.value == self.stop_at:
                return Stopped(partition, record.offset, "told to")
            self.seen.append((record.partition, record.offset))
            self.values.append(record.value)
        return records[-1].offset + 1

    def forget(self) -> None:
        self.forgotten += 1

    def resume(self, _partition) -> int:
        return 1 << 40

    def overdue(self) -> list:
        return []

    def other_logs(self, ends) -> list:
        self.ends.append(ends)
        if self.away:
            raise self.away.pop()
        return [self.other_log.pop()] if self.other_log and ends else []


@pytest.fixture
def kafka(servers) -> KafkaAccess:
    return KafkaAccess(servers.kafka.bootstrap, servers.kafka.user, servers.kafka.password)


@pytest.fixture
def produce(servers):
    producer = Producer(servers.kafka.settings())

    def send(topic: str, *rows: tuple, partition: int = 0) -> None:
        for value, headers in rows:
            producer.produce(topic, value, b"k", partition, headers=headers)
        assert producer.flush(20) == 0

    return send


@contextlib.asynccontextmanager
async def consuming(kafka: KafkaAccess, group: str, topic: str, worker: Recorder, *, watched: bool = False):
    consumer, broker = BatchConsumer(group, [topic], worker), kafka.broker()
    consumer.subscribe(broker)
    async with broker:
        await broker.start()
        watching = asyncio.create_task(consumer.watch()) if watched else None
        yield consumer
        if watching is not None:
            watching.cancel()


async def until(condition, seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


async def test_whatever_headers_and_bodies_hold_every_record_reaches_the_worker(
    kafka, produce, fresh_topic, unique
):
    """Null and non-UTF-8 headers, no headers, empty and null bodies: FastStream's own parser loses some of them."""
    topic, worker = fresh_topic(), Recorder()
    rows = [
        (b"plain", [("a", b"1")]),
        (b"null header", [("a", None)]),
        (b"broken header", [("a", b"\xff\xfe")]),
        (b"", None),
        (None, None),
        (b"twice", [("a", b"1"), ("a", b"2")]),
        (b"last", None),
    ]
    produce(topic, *rows)
    async with consuming(kafka, unique("reader"), topic, worker):
        await until(lambda: len(worker.seen) == len(rows))
    assert worker.values == [value for value, _ in rows]


async def test_an_outage_is_waited_for_and_the_same_batch_decided_then(kafka, produce, fresh_topic, unique):
    """The database is away three times: nothing is lost, nothing comes twice."""
    topic, worker = fresh_topic(), Recorder()
    worker.fail = [Unavailable("away")] * 3
    produce(topic, *[(b"%d" % n, None) for n in range(20)])
    async with consuming(kafka, unique("reader"), topic, worker):
        await until(lambda: len(worker.seen) == 20)
    assert worker.seen == [(0, n) for n in range(20)]


async def test_a_batch_that_waits_too_long_is_given_back_and_comes_again(
    kafka, produce, fresh_topic, unique, monkeypatch
):
    """After a minute Kafka has it back, well within the poll interval; here it is given back after each try."""
    monkeypatch.setattr(consumer_module, "RETRY_FOR_SECONDS", -1.0)
    topic, worker = fresh_topic(), Recorder()
    worker.fail = [Unavailable("away")] * 3
    produce(topic, *[(b"%d" % n, None) for n in range(20)])
    async with consuming(kafka, unique("reader"), topic, worker):
        await until(lambda: len(worker.seen) == 20)
    assert worker.seen == [(0, n) for n in range(20)]
    assert worker.forgotten >= 3


async def test_a_batch_that_another_worker_decided_is_read_again(kafka, produce, fresh_topic, unique):
    """A lost compare-and-set: positions are forgotten, the batch comes again from its start."""
    topic, worker = fresh_topic(), Recorder()
    worker.fail = [PositionMoved("elsewhere")]
    produce(topic, *[(b"%d" % n, None) for n in range(5)])
    async with consuming(kafka, unique("reader"), topic, worker):
        await until(lambda: len(worker.seen) == 5)
    assert worker.seen == [(0, n) for n in range(5)]
    assert worker.forgotten >= 1


async def test_an_unforeseen_fault_is_given_back_and_not_passed_over(kafka, produce, fresh_topic, unique):
    """FastStream swallows what a handler raises and moves on; this handler seeks back first."""
    topic, worker = fresh_topic(), Recorder()
    worker.fail = [RuntimeError("fault")]
    produce(topic, *[(b"%d" % n, None) for n in range(5)])
    async with consuming(kafka, unique("reader"), topic, worker):
        await until(lambda: len(worker.seen) == 5)
    assert worker.seen == [(0, n) for n in range(5)]


async def test_a_stopped_partition_alarms_and_the_others_flow_on(kafka, produce, fresh_topic, unique):
    """What can't be handled stops its own partition at its own record."""
    topic, worker, group = fresh_topic(partitions=2), Recorder(), unique("reader")
    worker.stop_at = b"poison"
    produce(topic, (b"poison", None), (b"behind it", None), partition=0)
    produce(topic, *[(b"%d" % n, None) for n in range(5)], partition=1)
    async with consuming(kafka, group, topic, worker) as consumer:
        await until(lambda: len(worker.seen) == 5 and consumer.stopped)
        produce(topic, (b"more", None), partition=1)
        await until(lambda: len(worker.seen) == 6)
        assert consumer.stopped == {TopicPartition(topic, 0): "told to"}
    assert all(partition == 1 for partition, _ in worker.seen)
    worker.stop_at = None
    async with consuming(kafka, group, topic, worker):
        await until(lambda: b"behind it" in worker.values)
    assert [seen for seen in worker.seen if seen[0] == 0] == [(0, 0), (0, 1)]


async def test_offsets_are_committed_explicitly_after_the_worker(kafka, produce, fresh_topic, unique):
    """A new member of the group reads on where the last batch ended."""
    topic, group = fresh_topic(), unique("reader")
    produce(topic, *[(b"%d" % n, None) for n in range(10)])
    first = Recorder()
    async with consuming(kafka, group, topic, first, watched=True) as consumer:
        partition = TopicPartition(topic, 0)
        async with asyncio.timeout(30):
            while await consumer.consumer.committed(partition) != 10:
                await asyncio.sleep(0.02)
    produce(topic, (b"next", None))
    second = Recorder()
    async with consuming(kafka, group, topic, second):
        await until(lambda: len(second.seen) >= 1)
    assert second.values == [b"next"]


async def test_a_partition_of_another_log_is_read_again_from_where_the_worker_says(
    kafka, produce, fresh_topic, unique
):
    """The worker is told where each log ends, as far as that is known."""
    topic, worker = fresh_topic(), Recorder()
    partition = TopicPartition(topic, 0)
    produce(topic, *[(b"%d" % n, None) for n in range(3)])
    worker.other_log = [ReadAgain(partition, 1, "another log")]
    async with consuming(kafka, unique("reader"), topic, worker, watched=True):
        await until(lambda: len(worker.seen) == 5)
    assert worker.values == [b"0", b"1", b"2", b"1", b"2"]
    assert worker.ends[-1][partition] == 3


async def test_a_look_at_the_ends_that_found_no_database_is_told_as_an_outage_and_as_over(
    kafka, produce, fresh_topic, unique
):
    """Once the next look gets through."""
    topic, worker, outages = fresh_topic(), Recorder(), Outages()
    worker.away = [Unavailable("away")]
    produce(topic, (b"one", None))
    consumer, broker = BatchConsumer(unique("reader"), [topic], worker, outages=outages), kafka.broker()
    consumer.subscribe(broker)
    async with broker:
        await broker.start()
        watching = asyncio.create_task(consumer.watch())
        await until(outages.away)
        await until(lambda: not outages.away())
        watching.cancel()
    assert worker.away == []


async def test_a_partition_whose_link_is_missing_is_read_again_once_and_then_stops(
    kafka, produce, fresh_topic, unique, monkeypatch
):
    """The committed offset lies past a fact that was never decided: it is found behind. One that is nowhere stops."""
    monkeypatch.setattr(links_module, "HELD_SECONDS", 1.0)
    topic, group = fresh_topic(), unique("reader")
    facts = [(1, 0), (2, 1), (3, 2)]
    rows = [
        (b"fact %d" % at, FactHeaders("t", "enrolment@1", at, previous).encode()) for at, previous in facts
    ]
    produce(topic, *rows)
    async with consuming(kafka, group, topic, passer := Recorder()):
        await until(lambda: len(passer.seen) == 3)
    worker = Chained()
    async with consuming(kafka, group, topic, worker, watched=True) as consumer:
        produce(topic, (b"fact 4", FactHeaders("t", "enrolment@1", 4, 3).encode()))
        await until(lambda: worker.positions == [1, 2, 3, 4])
        produce(topic, (b"fact 9", FactHeaders("t", "enrolment@1", 9, 8).encode()))
        await until(lambda: bool(consumer.stopped))
        assert "after position 4" in consumer.stopped[TopicPartition(topic, 0)]
    assert worker.positions == [1, 2, 3, 4]


class Chained(Recorder):
    """A worker that takes records by their chain and keeps the positions in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.positions: list[int] = []
        self.rows: dict = {}
        self.links = Links("test", lambda _consumer: dict(self.rows))

    def decide(self, batches: Batches) -> dict[TopicPartition, Next]:
        taken = self.links.take_all(batches)
        links = [link for one in taken.values() for link in one.links]
        moves = self.links.moves(links)
        self.rows.update({move.key: move.new for move in moves})
        self.links.settle(moves)
        self.positions += [link.headers.position for _, link in links]
        return self.links.after(batches, taken)

    def resume(self, _partition) -> int:
        return 1 << 40

    def overdue(self) -> list:
        return self.links.overdue()

    def other_logs(self, _ends) -> tuple[()]:
        return ()
