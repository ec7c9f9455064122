"""One of two payment workers of a race: a process of its own, on a partition of its own, held before the lock."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing.synchronize import Barrier
from threading import BrokenBarrierError
from typing import Any

import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition

from services.payment.api.router import router
from services.payment.policies import effects
from services.payment.submissions import handlers
from shared.access.actor import Actor
from shared.eventstore.businessdate import business_day_reads
from shared.eventstore.execute import Executor
from shared.eventstore.sql import SqlStore, make_engine
from shared.eventstore.store import StoreError
from shared.identity import derive_id
from shared.intake.evidence import SealedIntake
from shared.intake.worker import IntakeWorker
from shared.messaging.connect import KafkaAccess
from shared.runtime.effects import beside_kernel
from shared.testing.web import NOWHERE, mounted
from tests.book import BOOK

HOLD_SECONDS = 60
ACCOUNT = {"number": "6222000000000001", "holder": "某某", "bank": "某某银行"}


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
        beside_kernel(effects),
        always=business_day_reads(),
    )


@dataclass(frozen=True)
class PersonsClaim:
    """What a person claims over HTTP."""

    person_id: str
    certificate_id: str


@dataclass(frozen=True)
class Race:
    """What one worker is told; sent to its process.

    Attributes:
        rounds: for each race the number of lists in one batch, or the person's claim.
    """

    url: str
    kafka: KafkaAccess
    topic: str
    rounds: Sequence[int | PersonsClaim]


@dataclass(frozen=True)
class Raced:
    """What a worker saw.

    Attributes:
        conflicts: re-checks that failed under the lock.
        answers: to people, by HTTP status.
    """

    conflicts: int
    answers: Counter[int]


def run_worker(race: Race, partition: int, barrier: Barrier, answers: Any) -> None:
    """Runs its side of every race; puts what it saw, or the error."""
    try:
        answers.put(asyncio.run(_run(race, TopicPartition(race.topic, partition), Held(barrier))))
    except (OSError, RuntimeError, ValueError, StoreError, BrokenBarrierError, TimeoutError) as error:
        barrier.abort()
        answers.put(repr(error))


async def _run(race: Race, partition: TopicPartition, held: Held) -> Raced:
    executor = executor_on(race.url, held)
    vault = NoPersons()
    worker = IntakeWorker(
        executor, handlers(BOOK), SealedIntake(vault, vault), lambda day: day + timedelta(days=3)
    )
    people = People(executor)
    reader = race.kafka.reader()
    await reader.start()
    try:
        reader.assign([partition])
        await reader.seek_to_beginning(partition)
        for side in race.rounds:
            records = await _records(reader, partition, side) if isinstance(side, int) else []
            held.armed = True
            if isinstance(side, PersonsClaim):
                await people.claim(side)
            else:
                await asyncio.to_thread(worker.decide, {partition: records})
    finally:
        await reader.stop()
    return Raced(executor.conflicts, people.answers)


async def _records(reader: AIOKafkaConsumer, partition: TopicPartition, count: int) -> list[Any]:
    return [await asyncio.wait_for(reader.getone(partition), HOLD_SECONDS) for _ in range(count)]


class People:
    """People who claim over HTTP, each with their own token, of the application that payment serves."""

    def __init__(self, executor: Executor) -> None:
        self.answers: Counter[int] = Counter()
        self._asking = ""
        routes = router(
            executor,
            NOWHERE,
            book=BOOK,
            authenticate=lambda: Actor("person", self._asking, frozenset()),
            register_account=lambda person, account: derive_id("account", person, account.number),
        )
        transport = httpx.ASGITransport(app=mounted("payment", routes))
        self._http = httpx.AsyncClient(transport=transport, base_url="http://payment")

    async def claim(self, claim: PersonsClaim) -> None:
        """Files it."""
        self._asking = claim.person_id
        body = {"application_ref": "SQ-1", "certificate_id": claim.certificate_id, "account": ACCOUNT}
        answer = await self._http.post("/claims", json=body, headers={"Idempotency-Key": claim.person_id})
        self.answers[answer.status_code] += 1
