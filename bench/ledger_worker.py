"""The ledger alone, as a process of its own, see `zeren.stack.child`: `python -m bench.ledger_worker STATE GROUP`.

Audit's own consumer of the facts topics, with its signing and its tables, on an empty database: every topic from its
start. Only the publisher of checkpoints is away: these are of a log that nobody may take for the ledger.

{"append": {"leaves": N}}       {"leaves": N, "seconds": S, "began": T}: from the first record decided to the last
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from sqlalchemy import Engine

from bench.topics import LEDGER_DATABASE
from services import audit
from services.audit.consumers import LEDGERED
from services.audit.ledger.append import open_ledger
from services.audit.ledger.reading import ledger_size
from services.audit.ledger.worker import LedgerWorker
from shared.eventstore.sql import SqlStore, make_engine
from shared.messaging.connect import KafkaAccess
from shared.messaging.consumer import BatchConsumer, Batches, Next, ReadAgain, Stopped
from shared.runtime.migrate import migrate
from shared.runtime.process import keep_memory_small
from shared.tlog.notes import Signer
from zeren.stack.child import answer_lines
from zeren.stack.local import Servers, running_servers
from zeren.stack.state import StateFolder

PRINCIPAL = "svc-audit"
LOG_NAME = "zeren.bench/ledger"
LOOK_SECONDS = 0.05
STALL_SECONDS = 60.0
MIGRATIONS = Path(audit.__file__).parent / "migrations"


class StandsStill(Exception):
    """A partition stopped, or nothing was appended for long."""


class Timed:
    """A ledger worker whose first and last moments are known.

    Attributes:
        began, ended: monotonic seconds: the start of the first batch, the end of the last.
    """

    def __init__(self, worker: LedgerWorker) -> None:
        self.began = self.ended = 0.0
        self._worker = worker

    def decide(self, batches: Batches) -> Mapping[TopicPartition, Next]:
        """See `shared.messaging.consumer.Decide`."""
        self.began = self.began or time.monotonic()
        following = self._worker.decide(batches)
        self.ended = time.monotonic()
        return following

    def forget(self) -> None:
        """See `Decide`."""
        self._worker.forget()

    def resume(self, partition: TopicPartition) -> int:
        """See `Decide`."""
        return self._worker.resume(partition)

    def other_logs(self, ends: Mapping[TopicPartition, int]) -> Sequence[ReadAgain]:
        """See `Decide`."""
        return self._worker.other_logs(ends)

    def overdue(self) -> Sequence[ReadAgain | Stopped]:
        """See `Decide`."""
        return self._worker.overdue()


class Ledger:
    """Answers what is asked on standard input."""

    def __init__(self, servers: Servers, group: str) -> None:
        endpoint = servers.kafka_as(PRINCIPAL)
        self._kafka = KafkaAccess(endpoint.bootstrap, endpoint.user, endpoint.password)
        self._engine = make_engine(servers.postgres.url(LEDGER_DATABASE))
        self._group = group

    async def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Raises: KafkaError, StandsStill."""
        match asked:
            case {"append": {"leaves": leaves}}:
                return await self._append(leaves)
        return {"error": "无此请求 / no such request"}

    async def _append(self, leaves: int) -> dict[str, Any]:
        migrate(self._engine, MIGRATIONS)
        signer = Signer.from_seed(LOG_NAME, secrets.token_bytes(32))
        open_ledger(self._engine, signer)
        timed = Timed(LedgerWorker(self._engine, signer, SqlStore(self._engine).positions))
        consumer = BatchConsumer(self._group, LEDGERED, timed)
        broker = self._kafka.broker()
        consumer.subscribe(broker)
        async with broker:
            await broker.start()
            await self._until(leaves, consumer)
        size = _size(self._engine)
        return {"leaves": size, "seconds": timed.ended - timed.began, "began": timed.began}

    async def _until(self, leaves: int, consumer: BatchConsumer) -> None:
        size, moved = 0, time.monotonic()
        while size < leaves:
            await asyncio.sleep(LOOK_SECONDS)
            before, size = size, await asyncio.to_thread(_size, self._engine)
            moved = moved if size == before else time.monotonic()
            if consumer.stopped or time.monotonic() - moved > STALL_SECONDS:
                raise StandsStill(f"{size} of {leaves}, {sorted(consumer.stopped.values())}")

    def close(self) -> None:
        """Lets the connections go."""
        self._engine.dispose()


def _size(engine: Engine) -> int:
    with engine.connect() as connection:
        return ledger_size(connection)


async def _serve(servers: Servers, group: str) -> None:
    ledger = Ledger(servers, group)
    try:
        await answer_lines(ledger.answer, KafkaError, StandsStill)
    finally:
        ledger.close()


if __name__ == "__main__":
    keep_memory_small()
    logging.getLogger("aiokafka").setLevel(logging.ERROR)
    asyncio.run(_serve(running_servers(StateFolder.named(sys.argv[1])), sys.argv[2]))
