"""One of two payment workers of a race: a process of its own, on a partition of its own, held before the lock."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing.synchronize import Barrier
from threading import BrokenBarrierError
from typing import Any

from aiokafka import TopicPartition

from services.payment.policies import effects
from services.payment.submissions import handlers
from shared.eventstore.businessdate import business_day_reads
from shared.eventstore.execute import Executor
from shared.eventstore.sql import SqlStore, make_engine
from shared.eventstore.store import StoreError
from shared.intake.evidence import SealedIntake
from shared.intake.receipt import receipt_effects
from shared.intake.worker import IntakeWorker
from shared.messaging.connect import KafkaAccess
from tests.book import BOOK

HOLD_SECONDS = 20


class NoPersons:
    """Claim lists name nobody; their bodies are kept in memory."""

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}

    def resolve(self, _batch: Any) -> dict[str, Any]:
        return {}

    def seal(self, rows: Any) -> None:
        self.bodies.update({digest: body for digest, body, _ in rows})

    def open(self, digest: str) -> bytes | None:
        return self.bodies.get(digest)


@dataclass
class Held:
    """Waits for the rival once a round, between deciding and locking."""

    barrier: Barrier
    armed: bool = field(default=False)

    def __call__(self) -> None:
        if self.armed:
            self.armed = False
            self.barrier.wait(HOLD_SECONDS)


def executor_on(url: str, before_lock: Any = None) -> Executor:
    """Payment's executor on a database."""
    return Executor(
        "payment",
        SqlStore(make_engine(url), before_lock=before_lock),
        lambda fact: [*receipt_effects(fact), *effects(fact)],
        always=business_day_reads(),
    )


@dataclass(frozen=True)
class Race:
    """What both workers are told; sent to their processes."""

    url: str
    kafka: KafkaAccess
    topic: str
    rounds: int


def run_worker(race: Race, partition: int, barrier: Barrier, answers: Any) -> None:
    """Decides one record a round; puts how many re-checks under the lock failed, or the error."""
    try:
        answers.put(asyncio.run(_decide(race, TopicPartition(race.topic, partition), Held(barrier))))
    except (OSError, RuntimeError, ValueError, StoreError, BrokenBarrierError, TimeoutError) as error:
        barrier.abort()
        answers.put(repr(error))


async def _decide(race: Race, partition: TopicPartition, held: Held) -> int:
    executor = executor_on(race.url, held)
    vault = NoPersons()
    worker = IntakeWorker(
        executor, handlers(BOOK), SealedIntake(vault, vault), lambda day: day + timedelta(days=3)
    )
    reader = race.kafka.reader()
    await reader.start()
    try:
        reader.assign([partition])
        await reader.seek_to_beginning(partition)
        for _ in range(race.rounds):
            record = await asyncio.wait_for(reader.getone(partition), HOLD_SECONDS)
            held.armed = True
            await asyncio.to_thread(worker.decide, partition, [record])
    finally:
        await reader.stop()
    return executor.conflicts
