"""Checkpoints reach everyone by their own topic, in the order of their sizes, as they are kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError
from sqlalchemy import Engine, func, select

from services.audit.ledger import tables
from services.audit.ledger.publisher import CheckpointPublisher
from services.audit.ledger.runs import decode_runs
from services.audit.ledger.worker import LedgerWorker
from shared.messaging.connect import KafkaAccess
from shared.messaging.topics import CHECKPOINTS_TOPIC
from shared.messaging.wakeup import WakeUp
from shared.tlog.checkpoint import open_checkpoint
from shared.tlog.notes import Signer
from tests.component.audit.story import batches, junk, partition
from tests.deciding import decide

READ_SECONDS = 20


async def _read(access: KafkaAccess, start: int, count: int) -> list[Any]:
    reader = access.reader()
    await reader.start()
    try:
        place = TopicPartition(CHECKPOINTS_TOPIC, 0)
        reader.assign([place])
        reader.seek(place, start)
        found: list[Any] = []
        for _ in range(READ_SECONDS):
            found += (await reader.getmany(place, timeout_ms=1_000)).get(place, [])
            if len(found) >= count:
                break
        return found
    finally:
        await reader.stop()


async def _started(access: KafkaAccess) -> Any:
    """A reader. A broker that was just provisioned may know a principal's password a moment later."""
    until = time.monotonic() + READ_SECONDS
    while True:
        reader = access.reader()
        try:
            await reader.start()
        except KafkaConnectionError:
            await reader.stop()
            if time.monotonic() > until:
                raise
            await asyncio.sleep(0.2)
        else:
            return reader


async def _end(access: KafkaAccess) -> int:
    reader = await _started(access)
    try:
        place = TopicPartition(CHECKPOINTS_TOPIC, 0)
        return int((await reader.end_offsets([place]))[place])
    finally:
        await reader.stop()


def _places(engine: Engine) -> list[tuple[str, str, int]]:
    """Where each leaf came from, in the log's order."""
    columns = tables.entries.c
    query = select(columns.source, columns.topic, columns.partition).order_by(columns.index)
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(query)]


async def test_every_checkpoint_is_published_once_it_is_kept(
    servers: Any,
    engine: Engine,
    signer: Signer,
    worker: Callable[[], LedgerWorker],
) -> None:
    """As audit's own principal; the note is byte for byte the one that is kept, then marked as sent."""
    endpoint = servers.kafka_as("svc-audit")
    access = KafkaAccess(endpoint.bootstrap, endpoint.user, endpoint.password)
    one = worker()
    for batch in batches(junk(300, 31), 31, 40):
        decide(one, partition(batch[0]), batch)
    with engine.connect() as connection:
        kept = connection.execute(
            select(tables.checkpoints.c.size, tables.checkpoints.c.note).order_by(tables.checkpoints.c.size)
        ).all()
    start = await _end(access)
    publisher = CheckpointPublisher(engine, access, WakeUp(engine))
    producer = access.producer()
    await producer.start()
    try:
        assert await publisher.publish_some(producer) == len(kept)
        assert await publisher.publish_some(producer) == 0
    finally:
        await producer.stop()
    records = await _read(access, start, len(kept))
    assert [record.value.decode() for record in records] == [note for _, note in kept]
    assert [dict(record.headers)["size"] for record in records] == [b"%d" % size for size, _ in kept]
    runs = [run for record in records for run in decode_runs(dict(record.headers)["runs"])]
    assert [run[:3] for run in runs for _ in range(run.leaves)] == _places(engine)
    sizes = [open_checkpoint(record.value, [signer.vkey]).size for record in records]
    assert sizes == sorted(sizes)
    with engine.connect() as connection:
        unsent = select(func.count()).where(~tables.checkpoints.c.published)
        assert connection.scalar(unsent) == 0
