"""Payment with all that is around its deciders but servers: intake, foreign facts, HTTP; its store fails when told."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import httpx
from aiokafka import TopicPartition
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.payment.policies import POLICIES, effects
from services.payment.submissions import handlers
from shared.access.actor import Actor
from shared.contracts.fact import Envelope, Fact, decode, encode, registered
from shared.eventstore.businessdate import business_day_reads
from shared.eventstore.changes import KnowKey
from shared.eventstore.execute import Executor
from shared.eventstore.store import Unavailable
from shared.intake.evidence import SealedIntake
from shared.intake.receipt import PARKING
from shared.intake.worker import IntakeWorker, ParkedRow
from shared.messaging.foreign import learn
from shared.runtime.effects import beside_kernel
from tests.book import BOOK
from tests.deciding import decide
from tests.domain.kernel.crashing import CrashingStore
from tests.domain.payment import facts as f
from tests.domain.payment.conftest import NOW, World

TOPIC = TopicPartition("zeren.payment.intake.v1", 0)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
SCHOOLS = ("91350100MA3000011B", "91350100MA3000022F")
BANK = "91350100MA3000033K"
SENDERS = {**dict.fromkeys(SCHOOLS, "TRAINING"), BANK: "BANK"}
DUTIES = frozenset(("D8", "D9", "D10", "D11", "D12", "D14"))
PARKING_DAYS = 3


class Bodies:
    """Sealed submissions in memory; none of payment's names a person."""

    def __init__(self) -> None:
        self._bodies: dict[str, bytes] = {}

    def resolve(self, _batch: Any) -> dict[str, Any]:
        """Nobody."""
        return {}

    def seal(self, rows: Any) -> None:
        """By digest."""
        self._bodies.update({digest: body for digest, body, _ in rows})

    def open(self, digest: str) -> bytes | None:
        """The body of a digest."""
        return self._bodies.get(digest)


@dataclass(frozen=True, slots=True)
class Command:
    """An HTTP command, to be asked again as it was."""

    actor: Actor
    path: str
    body: dict[str, Any]
    key: str


class PaymentUnderFire:
    """Payment from the day of the claims on. Whoever asks asks again after an outage, in the same words.

    Args:
        store: a `Store`; what looks into its tables needs the one in memory.
        bodies: the vault's, where another process has them too.

    Attributes:
        answered: commands that were answered with yes, and the answers.
    """

    def __init__(self, store: Any = None, bodies: Bodies | None = None) -> None:
        self.store: Any = store or CrashingStore()
        self.world = World(self.store)
        self.bodies = bodies or Bodies()
        self.log: list[Any] = []
        self.answered: list[tuple[Command, Any]] = []
        self.restart()
        self.world.moves_to(f.CLAIM_DAY)
        for uscc, kind in SENDERS.items():
            raw, since = KEY.public_key().public_bytes_raw(), datetime(2020, 1, 1, tzinfo=UTC)
            key = KnowKey(f"key-{uscc}", uscc, kind, f.XIAMEN, raw, since, None)
            self.world.run(lambda draft, key=key: draft.stage(key))
        for fact in (*map(f.account_of, SCHOOLS), f.registered(BANK)):
            self.learn(fact)

    def restart(self) -> None:
        """The process dies and another takes its place: nothing is in its memory."""
        self.world.executor = Executor(
            "payment",
            self.store,
            beside_kernel(effects),
            always=business_day_reads(),
            clock=lambda: NOW,
        )
        sealed = SealedIntake(self.bodies, self.bodies)
        due = timedelta(days=PARKING_DAYS)
        self.worker = IntakeWorker(self.world.executor, handlers(BOOK), sealed, lambda day: day + due)

    @property
    def today(self) -> date:
        """The business date."""
        assert self.world.today is not None
        return self.world.today

    def patiently(self, action: Callable[[], Any]) -> Any:
        """Again after each outage."""
        while True:
            try:
                return action()
            except Unavailable:
                self.worker.forget()

    def learn(self, fact: Fact, stream: str = "") -> None:
        """A foreign fact arrives, perhaps once more; from a stream of its kind unless one is named."""
        source = next(entry.service for entry in registered() if entry.cls is type(fact))
        given = self.world.given(f.CLAIM_DAY)
        state = encode(
            source, fact, stream=stream or f.stream_of(fact), version=1, given=given, now=NOW
        ).state
        policy = POLICIES[type(fact)]
        self.patiently(lambda: self.world.run(lambda draft: learn(draft, decode(state), state, policy)))

    def send(self, uscc: str, kind: str, name: str, *, key_id: str = "", **data: Any) -> None:
        """A signed document is appended to the topic; its key is the sender's own unless another is named."""
        document = {
            "specversion": "1.0",
            "id": name,
            "source": f"urn:uscc:{uscc}",
            "type": f"zeren.submission.{kind}.v1",
            "time": "2024-06-04T09:00:00+08:00",
            "nonce": "n" * 22,
            "data": data,
        }
        value = json.dumps(document).encode()
        self._append(value, _sign(value, key_id or f"key-{uscc}"))

    def send_again(self, record: Any) -> None:
        """The same bytes once more."""
        self._append(record.value, record.headers[0][1])

    def _append(self, value: bytes, jws: bytes) -> None:
        timestamp = int(NOW.timestamp() * 1000)
        self.log.append(
            SimpleNamespace(
                topic=TOPIC.topic,
                partition=0,
                offset=len(self.log),
                key=b"k",
                value=value,
                timestamp=timestamp,
                headers=(("jws", jws),),
            )
        )

    def read(self, count: int, *, back: int = 0) -> None:
        """The worker gets the next records, after some that it decided already."""
        start = max(0, self.worker.resume(TOPIC) - back)
        if records := self.log[start : start + count]:
            self.patiently(lambda: decide(self.worker, TOPIC, records))

    def wake(self) -> int:
        """What the parking loop does."""
        tables = self.store.tables
        rows = []
        for (receipt_id, digest), waiting in tables.parked.items():
            overdue = tables.deadlines.get((PARKING, f"{receipt_id}/{digest}"), (None, False))[1]
            if waiting.ready or overdue:
                row = waiting.row
                origin = (row.topic, row.partition, row.kafka_offset, row.logged_at, row.traceparent)
                rows.append(ParkedRow(receipt_id, digest, row.awaited, row.jws, *origin, overdue))  # type: ignore[arg-type]
        return int(self.patiently(lambda: self.worker.wake(rows))) if rows else 0

    def settle(self) -> None:
        """Everything is read and woken."""
        self.read(len(self.log))
        while self.wake():
            pass

    def next_day(self) -> None:
        """The next business day, opened as it may be: when nothing is under way."""
        self.settle()
        tomorrow = self.today + timedelta(days=1)
        self.patiently(lambda: self.world.moves_to(tomorrow))
        self.settle()

    def ask(self, command: Command) -> httpx.Response:
        """A command over HTTP, again with its key after each outage."""
        client = self.world.client(command.actor)
        while True:
            answer = asyncio.run(client.post(command.path, command.body, key=command.key))
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                break
        assert answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR, answer.text
        if answer.is_success:
            self.answered.append((command, answer.json()))
        return answer

    def facts(self, after: int = 0) -> Sequence[Envelope[Any]]:
        """Facts of the event table behind a position."""
        return [decode(row.state) for row in self.store.page(after, self.store.head())]


def _sign(value: bytes, key_id: str) -> bytes:
    header = json.dumps({"alg": "Ed25519", "b64": False, "crit": ["b64"], "kid": key_id}).encode()
    protected = _base64url(header)
    return protected + b".." + _base64url(KEY.sign(protected + b"." + value))


def _base64url(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")
