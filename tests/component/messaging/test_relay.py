"""The relay on real Kafka: what is appended is published, in chain order, whatever crashes in between."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from uuid import UUID, uuid4

import pytest
from aiokafka.record import MemoryRecords

from shared.eventstore.changes import Changes, Reads, SendReceipt
from shared.eventstore.sql import SqlStore, make_engine
from shared.eventstore.tables import receipt_outbox
from shared.eventstore.tables import relay as relay_table
from shared.messaging.chain import Chain
from shared.messaging.connect import FACTS_COMPRESSION, KafkaAccess
from shared.messaging.receipts import ReceiptSender
from shared.messaging.relay import Relay, StoreBehindKafka
from shared.messaging.topics import fact_headers, facts_topic, partition_of
from shared.messaging.wakeup import POLL_SECONDS, WakeUp
from shared.runtime.migrate import create_kernel
from tests.component.eventstore.test_store_behaviours import fact

TOPIC = facts_topic("enrolment")
RECEIVER = "91350100MA3000011B"


@pytest.fixture
def store(fresh_database):
    engine = make_engine(fresh_database())
    with engine.begin() as connection:
        create_kernel(connection)
    yield SqlStore(engine)
    engine.dispose()


@pytest.fixture
def kafka(servers) -> KafkaAccess:
    return KafkaAccess(servers.kafka.bootstrap, servers.kafka.user, servers.kafka.password)


def append(store: SqlStore, count: int) -> None:
    store.commit(Changes(store.head(), Reads(), [fact(str(uuid4())) for _ in range(count)]))


@contextlib.asynccontextmanager
async def relaying(store: SqlStore, kafka: KafkaAccess):
    """A relay that runs until the block ends, as a process that is killed then."""
    wakeup = WakeUp(store.engine)
    relay = Relay("enrolment", store, store.engine, kafka, wakeup)
    tasks = [asyncio.create_task(relay.run()), asyncio.create_task(wakeup.run())]
    try:
        yield relay
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(condition, seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def published(store: SqlStore, kafka: KafkaAccess) -> dict[int, list]:
    """Every record of this store's own, by partition, in offset order."""
    source = f"enrolment@{store.incarnation()}"
    found = defaultdict(list)
    reader = kafka.reader(TOPIC)
    await reader.start()
    try:
        left = {tp: end for tp, end in (await reader.end_offsets(reader.assignment())).items() if end}
        while left:
            for tp, records in (await reader.getmany(timeout_ms=500)).items():
                if tp in left and records[-1].offset + 1 >= left[tp]:
                    del left[tp]
                for record in records:
                    headers = fact_headers(record.headers)
                    if headers is not None and headers.source == source:
                        found[tp.partition].append((headers, record))
    finally:
        await reader.stop()
    return found


def taken_by_the_chain(found: dict[int, list]) -> list[int]:
    """The positions that a reader takes: duplicates dropped, nothing missing."""
    positions = []
    for records in found.values():
        chain = Chain(None)
        for headers, record in records:
            positions += [
                link.headers.position for link in chain.offer(headers, record.offset, record.value, record)
            ]
        assert not chain.held
    return sorted(positions)


def codecs(servers, topic: str) -> set[str]:
    """How the record batches of a topic are compressed, as the broker keeps them."""
    names = {0: "none", 1: "gzip", 2: "snappy", 3: "lz4", 4: "zstd"}
    found = set()
    for segment in (servers.state.path / "kafka").rglob(f"{topic}-*/*.log"):
        kept = MemoryRecords(segment.read_bytes())
        while (batch := kept.next_batch()) is not None:
            found.add(names[batch.compression_type])
    return found


async def test_what_was_appended_is_published_as_the_same_bytes(store, kafka):
    """The record's value is the event table's state; its partition follows from its key."""
    append(store, 500)
    async with relaying(store, kafka) as relay:
        await until(lambda: relay.cursor == 500)
    found = await published(store, kafka)
    states = {row.position: row.state for row in store.page(0, 500)}
    for partition, records in found.items():
        for headers, record in records:
            assert record.value == states[headers.position]
            assert partition == partition_of(record.key.decode())
    assert taken_by_the_chain(found) == list(range(1, 501))


async def test_a_crash_between_append_and_publish_still_publishes(store, kafka):
    """Facts that were committed while no relay ran go out when the next one starts."""
    append(store, 50)
    async with relaying(store, kafka) as relay:
        await until(lambda: relay.cursor == 50)
    append(store, 70)
    async with relaying(store, kafka) as relay:
        await until(lambda: relay.cursor == 120)
    assert taken_by_the_chain(await published(store, kafka)) == list(range(1, 121))


async def test_a_crash_between_publish_and_cursor_repeats_and_readers_drop_the_repeats(store, kafka):
    """At-least-once: the cursor lags, the chain makes it once."""
    append(store, 40)
    async with relaying(store, kafka) as relay:
        await until(lambda: relay.cursor == 40)
    with store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE relay SET cursor = 10")
    append(store, 5)
    async with relaying(store, kafka) as relay:
        await until(lambda: relay.cursor == 45)
    found = await published(store, kafka)
    assert sum(len(records) for records in found.values()) == 75
    assert taken_by_the_chain(found) == list(range(1, 46))


async def test_two_relays_at_once_heal_by_the_chain(store, kafka):
    """The advisory lock keeps the second out; should both run, their records interleave and nothing is lost."""
    append(store, 30)
    async with relaying(store, kafka) as first:
        await until(lambda: first.cursor == 30)
        async with relaying(store, kafka) as second:
            append(store, 30)
            await until(lambda: first.cursor == 60)
            assert second.cursor == 0
    found = await published(store, kafka)
    doubled = {
        partition: sorted(records * 2, key=lambda row: row[1].offset) for partition, records in found.items()
    }
    assert taken_by_the_chain(doubled) == list(range(1, 61))


async def test_a_cursor_ahead_of_what_kafka_holds_is_rewound(store, kafka):
    """The topic lost its end: what it lacks is sent again."""
    append(store, 20)
    with store.engine.begin() as connection:
        connection.execute(relay_table.insert().values(topic=TOPIC, cursor=20))
    async with relaying(store, kafka) as relay:
        await until(lambda: relay.cursor == 20)
    assert taken_by_the_chain(await published(store, kafka)) == list(range(1, 21))


async def test_a_database_that_was_put_back_refuses_to_publish(store, kafka):
    """Kafka holds positions that the table does not: appending would use them twice."""
    append(store, 20)
    async with relaying(store, kafka) as relay:
        await until(lambda: relay.cursor == 20)
    with store.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM events WHERE notification_id > 10")
    relay = Relay("enrolment", store, store.engine, kafka, WakeUp(store.engine))
    with pytest.raises(StoreBehindKafka):
        async with asyncio.timeout(20):
            await relay.run()


async def test_what_an_operator_wants_again_is_sent_again_and_readers_drop_the_repeats(store, kafka):
    """Kafka lost records that the table has: everything from a position on is sent once more, by whoever relays."""
    append(store, 20)
    async with relaying(store, kafka) as relay:
        await until(lambda: relay.cursor == 20)
        asker = Relay("enrolment", store, store.engine, kafka, WakeUp(store.engine))
        assert await asyncio.to_thread(asker.rewind, 5) == 20
        async with asyncio.timeout(30):
            while sum(len(records) for records in (await published(store, kafka)).values()) < 36:
                await asyncio.sleep(0.05)
        append(store, 5)
        await until(lambda: relay.cursor == 25)
    found = await published(store, kafka)
    assert sum(len(records) for records in found.values()) == 41
    assert taken_by_the_chain(found) == list(range(1, 26))


async def test_a_receipt_that_is_sent_again_is_noticed_though_no_fact_is_written(store):
    """The sender is woken at once: it would look by itself only after the poll interval."""
    append(store, 1)
    receipt = store.page(0, 1)[0]
    wakeup = WakeUp(store.engine)
    task = asyncio.create_task(wakeup.run())
    try:
        await asyncio.wait_for(wakeup.bell().wait(), 20)  # it listens
        bell = wakeup.bell()
        again = SendReceipt(RECEIVER, receipt.stream, receipt.version)
        await asyncio.to_thread(store.commit, Changes(store.head(), Reads(), [], [again]))
        await asyncio.wait_for(bell.wait(), POLL_SECONDS - 1)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_receipt_is_sent_only_once_its_fact_stands_in_kafka(store, kafka, servers):
    """What an institution holds survives the loss of the database: the relay's cursor is first, the receipt second."""
    access = servers.onboard(RECEIVER)
    append(store, 3)
    receipt = store.page(2, 1)[0]
    with store.engine.begin() as connection:
        row = {"institution": RECEIVER, "receipt_id": UUID(receipt.stream), "version": receipt.version}
        connection.execute(receipt_outbox.insert().values(row))
        connection.execute(relay_table.insert().values(topic=TOPIC, cursor=2))
    sender = ReceiptSender("enrolment", store.engine, kafka, WakeUp(store.engine))
    sending = asyncio.create_task(sender.run())
    reader = kafka.reader(access.receipts_topic)
    await reader.start()
    try:
        assert await reader.getmany(timeout_ms=2_500) == {}
        async with relaying(store, kafka) as relay:
            await until(lambda: relay.cursor == 3)
            record = await asyncio.wait_for(reader.getone(), 20)
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await reader.stop()
    assert record.value == receipt.state
    assert ("content-type", b"application/cloudevents+json") in record.headers
    assert codecs(servers, access.receipts_topic) == {"none"}, "an institution's client may lack the codec"
    assert FACTS_COMPRESSION in codecs(servers, TOPIC), "other tests send to it too, but only relays compress"
