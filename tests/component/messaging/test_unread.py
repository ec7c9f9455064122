"""How long the first unread record has waited, by the broker's clock; and a consumer that was given nothing to read."""

from __future__ import annotations

import asyncio
import contextlib
from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition
from confluent_kafka import Producer

from shared.messaging.connect import KafkaAccess
from shared.messaging.consumer import BatchConsumer
from shared.messaging.unread import AT_ONCE, FirstUnread
from shared.runtime.readiness import ASSIGNED, Readiness
from shared.telemetry.metrics import Metrics
from tests.component.messaging.test_consumer import Recorder, until

PARTITIONS = AT_ONCE + 2
SECONDS = 30.0


@pytest.fixture
def kafka(servers) -> KafkaAccess:
    return KafkaAccess(servers.kafka.bootstrap, servers.kafka.user, servers.kafka.password)


def produce(servers, topic: str) -> None:
    """Three batches on each partition, of one, two and one records."""
    producer = Producer(servers.kafka.settings())
    for batch in (1, 2, 1):
        for partition in range(PARTITIONS):
            for _ in range(batch):
                producer.produce(topic, b"x" * 1_000, b"k", partition)
        assert producer.flush(20) == 0


async def taken_in(kafka: KafkaAccess, topic: str) -> dict[tuple[int, int], float]:
    """When the broker took in each record, by partition and offset."""
    reader = kafka.reader(topic)
    await reader.start()
    found = {}
    try:
        while len(found) < PARTITIONS * 4:
            for partition, records in (await reader.getmany(timeout_ms=500)).items():
                found.update({(partition.partition, one.offset): one.timestamp / 1000 for one in records})
    finally:
        await reader.stop()
    return found


async def test_the_first_unread_record_is_dated_by_the_broker(servers, kafka, fresh_topic):
    """More partitions than are looked at at once, at offsets within and between batches, again and again."""
    topic = fresh_topic(partitions=PARTITIONS)
    produce(servers, topic)
    known = await taken_in(kafka, topic)
    looking = FirstUnread(kafka)
    try:
        for offset in range(4):
            unread = {TopicPartition(topic, number): offset for number in range(PARTITIONS)}
            found = await looking.taken_in(unread, SECONDS)
            assert {at.partition: when for at, when in found.items()} == {
                number: known[number, offset] for number in range(PARTITIONS)
            }
        assert await looking.taken_in({}, SECONDS) == {}
        one = {TopicPartition(topic, 0): 0}
        assert await looking.taken_in(one, 0.0) == {}
        assert len(await looking.taken_in(one, SECONDS)) == 1
    finally:
        await looking.close()


@contextlib.asynccontextmanager
async def reading(kafka: KafkaAccess, group: str, topic: str, metrics: Metrics):
    """A consumer with its part in readiness."""
    consumer = BatchConsumer(group, [topic], Recorder(), metrics=metrics)
    broker = kafka.broker()
    consumer.subscribe(broker)
    servers = SimpleNamespace(answers=lambda _what: True)
    context = SimpleNamespace(servers=servers, consumers=[consumer])
    async with broker:
        yield consumer, Readiness(context, ("worker",), None), broker


async def test_a_consumer_without_an_assignment_is_not_ready(servers, kafka, fresh_topic, unique):
    """Before it is given a partition, and while another process of its group has the only one; then it takes over."""
    topic, group = fresh_topic(), unique("payment.intake")
    metrics = Metrics("payment")
    async with contextlib.AsyncExitStack() as other, contextlib.AsyncExitStack() as mine:
        first, ready, broker = await other.enter_async_context(
            reading(kafka, group, topic, Metrics("payment"))
        )
        assert not ready.parts()[ASSIGNED]
        assert not ready.state()["ready"]
        await broker.start()
        await until(lambda: ready.parts()[ASSIGNED])
        second, idle, broker = await mine.enter_async_context(reading(kafka, group, topic, metrics))
        await broker.start()
        async with asyncio.timeout(SECONDS):
            while len(first.assigned()) + len(second.assigned()) != 1 or not (
                ready.parts()[ASSIGNED] or idle.parts()[ASSIGNED]
            ):
                await asyncio.sleep(0.01)
        assert sorted((ready.parts()[ASSIGNED], idle.parts()[ASSIGNED])) == [False, True]
        await other.aclose()
        await until(lambda: idle.parts()[ASSIGNED])
        assert idle.state() == {
            "ready": True,
            "database": True,
            "kafka": True,
            "assigned": True,
            "stopped": {},
        }
        producer = Producer(servers.kafka.settings())
        for _ in range(3):
            producer.produce(topic, b"v", b"k", 0)
        assert producer.flush(20) == 0
        shown = f'zeren_records_total{{group="{group}",service="payment",topic="{topic}"}} 3.0'
        await until(lambda: shown in metrics.text().decode())
