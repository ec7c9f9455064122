"""Servers taken away under load, and what must hold once they are back."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from types import TracebackType
from typing import Any, Self

import psutil  # type: ignore[import-untyped]
from confluent_kafka import Consumer, Producer, TopicPartition

from tests.component.faults.sending import DECIDING, Party, Town
from zeren.stack.client import ServiceRefused, ServiceUnreachable
from zeren.stack.supervisor import Supervisor

EVERYWHERE = (*DECIDING, "audit")
PARTITIONS = 6
SETTLE_SECONDS = 240.0
"""How long the machine may take to come to rest; only a deadline."""
PAUSE = 0.03


def class_application(sender: Party) -> bytes:
    """A class application that is accepted, under names never used before."""
    name = secrets.token_hex(8)
    session = {
        "session_ref": f"s-{name}", "held_on": "2024-05-15", "starts_at": "09:00", "ends_at": "11:00",
        "teacher_ref": "t-1",
    }  # fmt: skip
    data = {
        "class_ref": f"c-{name}", "region": "350100", "occupation_id": "elder-carer", "level": "5",
        "training_kind": "EMPLOYMENT_SKILL", "programme_tags": [], "max_trainees": 30, "sessions": [session],
    }  # fmt: skip
    document = {
        "specversion": "1.0", "id": f"plan-{name}", "source": f"urn:uscc:{sender.uscc}",
        "type": "zeren.submission.ApplyClass.v1", "time": "2024-05-14T09:00:00+08:00",
        "nonce": secrets.token_urlsafe(16), "datacontenttype": "application/json", "data": data,
    }  # fmt: skip
    return json.dumps(document).encode()


def until(condition: Callable[[], Any], what: str, seconds: float = SETTLE_SECONDS) -> None:
    """Waits for a condition, and says what did not come about."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(PAUSE)


@dataclass
class Load:
    """An institution that sends class applications all the while, each until it is acknowledged."""

    town: Town
    sent: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        settings = {**self.town.servers.kafka.settings(), "enable.idempotence": True, "linger.ms": 1}
        self._producer = Producer({**settings, "message.timeout.ms": 300_000})
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._send, name="load")
        self._before = self.town.head("enrolment")

    def __enter__(self) -> Self:
        self._thread.start()
        until(lambda: len(self.sent) >= 10, "the load begins")
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _send(self) -> None:
        school = self.town.parties["school"]
        for number in count():
            value = class_application(school)
            self._producer.produce(
                "zeren.enrolment.intake.v1",
                value,
                b"case",
                number % PARTITIONS,
                headers=list(school.signed(value)),  # type: ignore[arg-type]
                on_delivery=self._delivered,
            )
            self.sent.append(json.loads(value)["id"])
            self._producer.poll(0)
            if self._over.wait(PAUSE):
                break
        left = self._producer.flush(SETTLE_SECONDS)
        self.failed += ["not acknowledged"] * left

    def _delivered(self, error: Any, _message: Any) -> None:
        if error:
            self.failed.append(error.name())

    def assert_each_was_decided_once(self) -> None:
        """One receipt each, in the order of its partition; and the same facts everywhere, each once."""
        assert self.failed == []
        await_rest(self.town)
        mine = set(self.sent)
        answers = [one for one in self.town.answers("enrolment", self._before) if one.submission_id in mine]
        assert Counter(one.submission_id for one in answers) == Counter(self.sent)
        assert {one.verdict for one in answers} == {"accepted"}
        places = defaultdict(list)
        for one in answers:
            places[one.origin["partition"]].append(one.origin["offset"])
        assert all(offsets == sorted(set(offsets)) for offsets in places.values())
        assert self.town.stopped() == {}
        assert_facts_are_the_same_everywhere(self.town)
        assert set(receipts_held(self.town)) >= mine


def await_rest(town: Town) -> None:
    """Waits until nothing is under way in any service."""
    deadline = time.monotonic() + SETTLE_SECONDS
    for name in EVERYWHERE * 2:
        while not (state := _drain(town, name)).get("drained"):
            assert time.monotonic() < deadline, f"{name} does not come to rest: {state}"


def _drain(town: Town, name: str) -> dict[str, Any]:
    try:
        state: dict[str, Any] = town.local.get(name, "/drain", params={"wait": 5})
    except (ServiceUnreachable, ServiceRefused) as error:
        time.sleep(PAUSE)
        return {"why": str(error)}
    return state


def assert_facts_are_the_same_everywhere(town: Town) -> None:
    """The event tables, their topics in first appearance, and the ledger: the same positions, in order, each once."""
    for name in EVERYWHERE:
        head = town.head(name)
        with town.servers.postgres.connect("audit") as connection:
            query = "SELECT position FROM entries WHERE source LIKE %s"
            ledgered = [row[0] for row in connection.execute(query, (f"{name}@%",))]
        assert sorted(ledgered) == list(range(1, head + 1)), name
        published = _published(town, f"zeren.{name}.facts.v1")
        assert sorted({one for places in published for one in places}) == list(range(1, head + 1)), name
        for positions in published:
            first = list(dict.fromkeys(positions))
            assert first == sorted(first), name


def _published(town: Town, topic: str) -> list[list[int]]:
    """The positions of a facts topic by partition, as they lie there."""
    return [
        [int(dict(record.headers() or ())["position"]) for record in records]
        for records in records_of(town, topic, PARTITIONS)
    ]


def receipts_held(town: Town) -> list[str]:
    """The submissions of which the school holds a receipt; a receipt that came twice is the same bytes."""
    topic = f"zeren.receipts.{town.parties['school'].uscc}.v1"
    (records,) = records_of(town, topic, 1)
    by_id: dict[str, set[bytes]] = defaultdict(set)
    for record in records:
        by_id[json.loads(record.value())["data"]["submission_id"]].add(record.value())
    assert all(len(bodies) == 1 for bodies in by_id.values())
    return list(by_id)


def records_of(town: Town, topic: str, partitions: int) -> list[list[Any]]:
    """Every record of a topic, by partition."""
    settings = {**town.servers.kafka.settings(), "group.id": "nobody", "enable.auto.commit": False}
    consumer = Consumer(settings)
    found: list[list[Any]] = []
    try:
        for number in range(partitions):
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=30)
            consumer.assign([TopicPartition(topic, number, low)])
            records: list[Any] = []
            while len(records) < high - low:
                batch = consumer.consume(min(high - low - len(records), 10_000), timeout=30)
                assert batch, f"{topic}/{number} gives nothing"
                records += batch
            found.append(records)
    finally:
        consumer.close()
    return found


def pid_of(town: Town, name: str) -> int:
    """The process of this name."""
    return next(one.pid for one in Supervisor(town.state).status() if one.name == name)


def services_running(town: Town) -> dict[str, int]:
    """The pids of the services that run."""
    return {
        one.name: one.pid for one in Supervisor(town.state).status() if one.running and one.name in EVERYWHERE
    }


@contextmanager
def paused(pid: int) -> Iterator[None]:
    """SIGSTOP to a process and all of its children, and SIGCONT whatever happens."""
    parent = psutil.Process(pid)
    stopped = [parent]
    parent.suspend()
    try:
        for child in parent.children(recursive=True):
            child.suspend()
            stopped.append(child)
        yield
    finally:
        for one in stopped:
            one.resume()


def ready_says(town: Town, service: str, what: str) -> Any:
    """What /health/ready says of one thing; None where nothing answers."""
    try:
        return town.local.ready(service).get(what)
    except ServiceUnreachable:
        return None


def all_ready(town: Town) -> bool:
    """Whether every service is ready."""
    return all(ready_says(town, name, "ready") for name in EVERYWHERE)


class Said:
    """What the services' logs say from now on."""

    def __init__(self, town: Town) -> None:
        self._logs = {name: town.state.log(name) for name in EVERYWHERE}
        self._from = {name: path.stat().st_size for name, path in self._logs.items()}

    def lines(self, name: str) -> list[dict[str, Any]]:
        """Of one service, parsed."""
        with self._logs[name].open("rb") as file:
            file.seek(self._from[name])
            return [json.loads(line) for line in file if line.startswith(b"{")]

    def assert_told_once(self, what: str) -> None:
        """Each service says when it began and when it was over, with how long; and not at every try."""
        for name in EVERYWHERE:
            told = [line for line in self.lines(name) if line.get("waits_for") == what]
            began = [line for line in told if "seconds" not in line]
            ended = [line for line in told if "seconds" in line]
            assert len(began) == len(ended), (name, told)
            assert 1 <= len(began) <= 3, (name, told)
            assert " / " in began[0]["message"]
            assert max(line["seconds"] for line in ended) > 0
            complaints = [line for line in self.lines(name) if line["level"] in ("WARNING", "ERROR")]
            assert len(complaints) < 60, (name, Counter(line["message"] for line in complaints))
