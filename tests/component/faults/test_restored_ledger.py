"""Audit's database was put back: what was published of the ledger is taken again in the same order, or not at all."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from confluent_kafka import Producer
from psycopg import sql
from sqlalchemy import Engine

from services.audit.ledger.append import open_ledger
from services.audit.ledger.key import create_ledger_key, read_ledger_key
from services.audit.ledger.published import LedgerContradicted, compare_with_published
from services.audit.ledger.publisher import CheckpointPublisher
from services.audit.ledger.recover import recover_ledger
from services.audit.ledger.tables import metadata as ledger_tables
from services.audit.ledger.worker import LedgerWorker
from shared.eventstore.sql import SqlStore, make_engine
from shared.messaging.connect import KafkaAccess
from shared.messaging.relay import StoreBehindKafka
from shared.messaging.replay import RecoverRefused
from shared.messaging.topics import CHECKPOINTS_TOPIC, PARTITIONS, FactHeaders
from shared.messaging.wakeup import WakeUp
from shared.runtime.migrate import create_kernel
from shared.tlog.checkpoint import Checkpoint, sign_checkpoint
from shared.tlog.notes import Signer
from tests.component.audit.story import fact_like
from tests.deciding import decide

SOURCES = ("enrolment@one", "payment@two")
TABLES = {"entries": "index", "tiles": "level, index", "head": "one", "positions": "topic, partition"}


class Ledger:
    """A ledger on two facts topics of its own, and the way back to an earlier point."""

    def __init__(self, servers, url: str, signer: Signer, topics: list[str]) -> None:
        self.kafka = KafkaAccess(servers.kafka.bootstrap, servers.kafka.user, servers.kafka.password)
        self.servers = servers
        self.signer = signer
        self.topics = topics
        self.url = url
        self.copies: list[str] = []
        self.engine = make_engine(url)
        with self.engine.begin() as connection:
            create_kernel(connection)
            ledger_tables.create_all(connection)
        open_ledger(self.engine, signer)
        self._produce()
        self.records = asyncio.run(self._read())

    def _produce(self) -> None:
        """Facts of two services over all partitions, chained as relays do."""
        producer, chance = Producer(self.servers.kafka.settings()), random.Random(7)  # noqa: S311 - a fixed order
        for topic, source in zip(self.topics, SOURCES, strict=True):
            tails = [0] * PARTITIONS
            for position in range(1, 201):
                partition = chance.randrange(PARTITIONS)
                headers = FactHeaders("zeren.x.Y.v1", source, position, tails[partition]).encode()
                value = fact_like(position, len(topic) + position % 300)
                producer.produce(topic, value, b"k", partition, headers=headers)
                tails[partition] = position
        assert producer.flush(20) == 0

    async def _read(self) -> dict[TopicPartition, list]:
        places = [TopicPartition(topic, p) for topic in self.topics for p in range(PARTITIONS)]
        reader = self.kafka.reader()
        await reader.start()
        try:
            left = sum((await reader.end_offsets(places)).values())
            reader.assign(places)
            await reader.seek_to_beginning(*places)
            found: dict[TopicPartition, list] = {place: [] for place in places}
            while left:
                for place, records in (await reader.getmany(timeout_ms=1_000)).items():
                    found[place] += records
                    left -= len(records)
            return found
        finally:
            await reader.stop()

    def grow(self, seed: int, batches: int) -> None:
        """Takes records as they happen to arrive: the order across partitions is chance."""
        worker = LedgerWorker(self.engine, self.signer, SqlStore(self.engine).positions)
        chance, at = random.Random(seed), self._at()  # noqa: S311
        for _ in range(batches):
            place = chance.choice([one for one, rows in self.records.items() if at[one] < len(rows)])
            rows = self.records[place][at[place] :][: chance.randint(1, 12)]
            decide(worker, place, rows)
            at[place] += len(rows)

    def _at(self) -> dict[TopicPartition, int]:
        stored = SqlStore(self.engine).positions("audit.ledger")
        done = {TopicPartition(key.topic, key.partition): row.kafka_offset + 1 for key, row in stored.items()}
        return {place: done.get(place, 0) for place in self.records}

    def publish(self) -> None:
        async def published() -> None:
            producer = self.kafka.producer()
            await producer.start()
            try:
                publisher = CheckpointPublisher(self.engine, self.kafka, WakeUp(self.engine))
                while await publisher.publish_some(producer):
                    pass
            finally:
                await producer.stop()

        asyncio.run(published())

    def copy(self) -> str:
        """The database as it is now, under another name."""
        self.engine.dispose()
        name = self.url.rpartition("/")[2]
        copy = f"{name}_copy{len(self.copies)}"
        with self.servers.postgres.connect() as connection:
            wanted = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
            connection.execute(wanted.format(sql.Identifier(copy), sql.Identifier(name)))
        self.copies.append(copy)
        return self.servers.postgres.url(copy)

    def close(self) -> None:
        self.engine.dispose()
        with self.servers.postgres.connect() as connection:
            for copy in self.copies:
                dropped = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(copy))
                connection.execute(dropped)

    def compare(self) -> None:
        asyncio.run(compare_with_published(self.engine, self.kafka, self.signer.vkey))

    def recover(self) -> tuple[int, int]:
        return asyncio.run(
            recover_ledger(self.engine, self.kafka, self.signer, self.topics, lambda _line: None)
        )


@pytest.fixture
def ledger(servers, fresh_database, fresh_topic: Callable[..., str], tmp_path: Path) -> Iterator[Ledger]:
    create_ledger_key(tmp_path / "ledger.key")
    signer = read_ledger_key(tmp_path / "ledger.key", "zeren.restored.example/ledger")
    topics = [fresh_topic(partitions=PARTITIONS) for _ in SOURCES]
    made = Ledger(servers, fresh_database(), signer, topics)
    yield made
    made.close()


def rows(engine: Engine, table: str) -> list[tuple]:
    with engine.connect() as connection:
        query = f"SELECT * FROM {table} ORDER BY {TABLES[table]}"  # noqa: S608 - our own table names
        return [tuple(row) for row in connection.exec_driver_sql(query)]


def checkpoints(engine: Engine) -> list[tuple]:
    with engine.connect() as connection:
        return [
            tuple(row)
            for row in connection.exec_driver_sql("SELECT size, root, note FROM checkpoints ORDER BY 1")
        ]


def test_a_restored_ledger_takes_the_published_leaves_in_their_published_order(ledger):
    """It refuses to start, is recovered to the same entries, tiles and signed checkpoints, and grows on from there."""
    ledger.grow(1, 12)
    ledger.publish()
    backup = ledger.copy()
    ledger.grow(2, 30)
    ledger.publish()
    lost, promised = ledger.engine, checkpoints(ledger.engine)
    ledger.engine = make_engine(backup)
    with pytest.raises(StoreBehindKafka, match="zeren recover audit"):
        ledger.compare()
    before, after = ledger.recover()
    assert before < after == promised[-1][0]
    for table in TABLES:
        assert rows(ledger.engine, table) == rows(lost, table), table
    assert checkpoints(ledger.engine) == promised
    ledger.compare()
    assert ledger.recover() == (after, after)
    ledger.grow(3, 5)
    assert len(rows(ledger.engine, "entries")) > after
    lost.dispose()


def test_a_restored_ledger_that_went_another_way_is_refused(ledger):
    """As many entries in another order: a contradiction with what auditors hold is never signed over."""
    ledger.grow(1, 4)
    backup = ledger.copy()
    ledger.grow(2, 20)
    ledger.publish()
    lost, ledger.engine = ledger.engine, make_engine(backup)
    ledger.grow(5, 40)
    with pytest.raises(LedgerContradicted, match="contradicts the checkpoint published"):
        ledger.compare()
    lost.dispose()


def test_a_checkpoint_that_does_not_tell_the_order_stops_the_recovery(ledger):
    """Nothing is guessed: the ledger stays at the last size whose order is known."""
    ledger.grow(1, 4)
    ledger.publish()
    backup = ledger.copy()
    ledger.grow(2, 1)
    size, root, _ = checkpoints(ledger.engine)[-1]
    note = sign_checkpoint(Checkpoint(ledger.signer.vkey.name, size, root), [ledger.signer])
    producer = Producer(ledger.servers.kafka.settings())
    producer.produce(CHECKPOINTS_TOPIC, note.encode(), partition=0)
    assert producer.flush(20) == 0
    lost, ledger.engine = ledger.engine, make_engine(backup)
    before = rows(ledger.engine, "head")
    with pytest.raises(RecoverRefused, match="does not tell the order"):
        ledger.recover()
    assert rows(ledger.engine, "head") == before
    lost.dispose()


def test_another_key_under_the_same_name_is_refused(ledger, tmp_path):
    """The key file was lost and made anew: it could only sign another log."""
    ledger.grow(1, 2)
    ledger.publish()
    create_ledger_key(tmp_path / "other.key")
    ledger.signer = read_ledger_key(tmp_path / "other.key", ledger.signer.vkey.name)
    with pytest.raises(LedgerContradicted, match="key file back"):
        ledger.compare()
