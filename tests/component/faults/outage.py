"""Servers taken away under load, and what must hold once they are back."""

from __future__ import annotations

import json
import secrets
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import count
from types import TracebackType
from typing import Any, LiteralString, Self

import psutil  # type: ignore[import-untyped]
import psycopg
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from shared.telemetry.seen import HEAD, LAG_OFFSETS, MEMORY, READY, SOURCE_UP, WAITING
from tests.component.faults.sending import DECIDING, Party, Town
from zeren.stack import whole
from zeren.stack.client import ServiceRefused, ServiceUnreachable
from zeren.stack.days import business_date
from zeren.stack.kafka import KafkaEndpoint
from zeren.stack.paths import CHECKOUT
from zeren.stack.scrape import Scrape
from zeren.stack.supervisor import ProcessSpec, Supervisor

EVERYWHERE = (*DECIDING, "audit")
PARTITIONS = 6
SETTLE_SECONDS = 240.0
"""How long the machine may take to come to rest; only a deadline."""
PAUSE = 0.03
READ_SECONDS = 60.0
SEND_EVERY = 0.25
SECOND = "enrolment-second"
_HOLDERS = """
    SELECT a.client_port FROM pg_locks l JOIN pg_stat_activity a USING (pid)
    WHERE l.granted AND l.relation = 'events'::regclass AND l.mode = 'ExclusiveLock'
"""


def class_application(sender: Party, held_on: date) -> bytes:
    """A class application that is accepted, under names never used before."""
    # Letters only: eleven digits in a row are taken for a telephone number, which no id may hold.
    name = secrets.token_hex(8).translate(str.maketrans("0123456789", "ghijklmnop"))
    session = {
        "session_ref": f"s-{name}", "held_on": held_on.isoformat(), "starts_at": "09:00", "ends_at": "11:00",
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
    """An institution that sends class applications all the while, each until it is acknowledged.

    Attributes:
        refusals: names of broker errors after which it hands a record over again; any other one is a failure.
    """

    town: Town
    refusals: frozenset[str] = frozenset()
    sent: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        settings = {**self.town.servers.kafka.settings(), "enable.idempotence": True, "linger.ms": 1}
        self._producer = Producer({**settings, "message.timeout.ms": 300_000})
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._send, name="load")
        self._before = self.town.head("enrolment")
        # Other tests of the town may have opened days: a class that has begun already is refused.
        self._held_on = (business_date(self.town.local) or date.min) + timedelta(days=1)

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
            value = class_application(school, self._held_on)
            self._produce(value, number % PARTITIONS, list(school.signed(value)))
            self.sent.append(json.loads(value)["id"])
            self._producer.poll(0)
            if self._over.wait(SEND_EVERY):
                break
        left = self._producer.flush(SETTLE_SECONDS)
        self.failed += ["not acknowledged"] * left

    def _produce(self, value: bytes, partition: int, headers: list[tuple[str, bytes]]) -> None:
        def delivered(error: Any, _message: Any) -> None:
            if error and error.name() in self.refusals:
                self._produce(value, partition, headers)
            elif error:
                self.failed.append(error.name())

        self._producer.produce(
            "zeren.enrolment.intake.v1",
            value,
            b"case",
            partition,
            headers=headers,  # type: ignore[arg-type]
            on_delivery=delivered,
        )

    def assert_each_was_decided_once(self) -> None:
        """One receipt each, in the order of its partition; and the same facts everywhere, each once."""
        assert self.failed == []
        await_rest(self.town)
        mine = set(self.sent)
        answers = [one for one in self.town.answers("enrolment", self._before) if one.submission_id in mine]
        found = Counter(one.submission_id for one in answers)
        parked = "SELECT submission_id || ' awaits ' || awaited FROM parked"
        with self.town.servers.postgres.connect("enrolment") as connection:
            waiting = [row[0] for row in connection.execute(parked)]
        assert {one: found[one] for one in self.sent if found[one] != 1} == {}, waiting
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
        recorded = _column(town, name, "SELECT notification_id FROM events")
        entries = "SELECT position FROM entries WHERE topic = %s"
        assert sorted(_column(town, "audit", entries, facts_topic(name))) == sorted(recorded), name
        published = _published(town, facts_topic(name))
        assert sorted({one for places in published for one in places}) == sorted(recorded), name
        for positions in published:
            first = list(dict.fromkeys(positions))
            assert first == sorted(first), name


def facts_topic(service: str) -> str:
    """A service's facts."""
    return f"zeren.{service}.facts.v1"


def _column(town: Town, database: str, query: LiteralString, *values: str) -> list[int]:
    with town.servers.postgres.connect(database) as connection:
        return [row[0] for row in connection.execute(query, values)]


def _published(town: Town, topic: str) -> list[list[int]]:
    """The positions of a facts topic by partition, as they lie there."""
    return [
        [int(dict(record.headers() or ())["position"]) for record in records]
        for records in records_of(town.servers.kafka, topic, PARTITIONS)
    ]


def receipts_held(town: Town) -> list[str]:
    """The submissions of which the school holds a receipt; a receipt that came twice is the same bytes."""
    topic = f"zeren.receipts.{town.parties['school'].uscc}.v1"
    (records,) = records_of(town.servers.kafka, topic, 1)
    by_id: dict[str, set[bytes]] = defaultdict(set)
    for record in records:
        by_id[json.loads(record.value())["data"]["submission_id"]].add(record.value())
    assert all(len(bodies) == 1 for bodies in by_id.values())
    return list(by_id)


def records_of(endpoint: KafkaEndpoint, topic: str, partitions: int) -> list[list[Any]]:
    """Every record of a topic, by partition."""
    consumer = Consumer({**endpoint.settings(), "group.id": "nobody", "enable.auto.commit": False})
    found: list[list[Any]] = [[] for _ in range(partitions)]
    deadline = time.monotonic() + READ_SECONDS
    try:
        ends = [_ends_of(consumer, TopicPartition(topic, number), deadline) for number in range(partitions)]
        wanted = sum(high - low for low, high in ends)
        consumer.assign([TopicPartition(topic, n, low) for n, (low, _) in enumerate(ends)])
        while sum(map(len, found)) < wanted:
            assert time.monotonic() < deadline, f"{topic} gives {list(map(len, found))} of {ends}"
            for record in consumer.consume(1_000, timeout=1):
                if not record.error():
                    found[record.partition()].append(record)
    finally:
        consumer.close()
    return found


def _ends_of(consumer: Consumer, place: TopicPartition, deadline: float) -> tuple[int, int]:
    """The first and the next offset; a broker that has just started may not know yet that it leads."""
    while True:
        try:
            low, high = consumer.get_watermark_offsets(place, timeout=10)
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            time.sleep(PAUSE)
        else:
            return low, high


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

    def outages(self, name: str, what: str) -> list[dict[str, Any]]:
        """The lines of a service that say that this went away, or was back."""
        return [line for line in self.lines(name) if line.get("waits_for") == what]

    def _all_over(self, name: str, what: str) -> bool:
        """Whether each loop that said that it began has said that it is over: some wait longer for their next try."""
        told = self.outages(name, what)
        return bool(told) and 2 * sum("seconds" in line for line in told) == len(told)

    def assert_told_once(self, what: str) -> None:
        """Each service says when it began and when it was over, with how long; and not at every try."""
        for name in EVERYWHERE:
            until(lambda name=name: self._all_over(name, what), f"{name} says that it is over")
            told = self.outages(name, what)
            began = [line for line in told if "seconds" not in line]
            ended = [line for line in told if "seconds" in line]
            assert 1 <= len(began) <= 3, (name, told)
            assert " / " in began[0]["message"]
            assert max(line["seconds"] for line in ended) > 0
            complaints = [line for line in self.lines(name) if line["level"] in ("WARNING", "ERROR")]
            assert len(complaints) < 60, (name, Counter(line["message"] for line in complaints))


def scraped(town: Town, service: str) -> Scrape:
    """A service's metrics now."""
    return Scrape(town.local.get_bytes(service, "/metrics", bearer="", params={}).decode())


def assert_scraped_without(town: Town, what: str) -> None:
    """Every service still tells its metrics, and that it can't look there; what comes from there is absent."""
    for name in EVERYWHERE:
        until(lambda name=name: scraped(town, name).total(WAITING, what=what), f"{name} waits for {what}", 60)
        found = scraped(town, name)
        assert found.total(SOURCE_UP, source=what) == 0
        assert found.total(READY, part=what) == 0
        assert found.total(LAG_OFFSETS) is None
        assert (found.total(HEAD) is None) == (what == "database")
        assert found.total(MEMORY)


class SecondWorker:
    """A further process of enrolment's worker beside the town's own: the same program in one role.

    Attributes:
        port: where it serves its health and metrics.
    """

    def __init__(self, town: Town) -> None:
        self._town = town
        self._supervisor = Supervisor(town.state)
        self._log = town.state.log(SECOND)
        self._from = self._log.stat().st_size if self._log.exists() else 0

    def __enter__(self) -> Self:
        state = self._town.state
        self.port = state.secure_port(SECOND)
        extra = {
            "METRICS_PORT": str(self.port),
            "MASTER_KEY_FILE": str(state.path / "keys" / "vault-master.key"),
            "ISSUER_JWKS_FILE": str(whole.jwks_file(state)),
            "POLICY_FOLDER": str(whole.POLICY_FOLDER),
        }
        spec = ProcessSpec(
            name=SECOND,
            argv=(sys.executable, "-m", "services.enrolment", "--roles", "worker"),
            environment=self._town.servers.service_environment("enrolment", extra),
            cwd=CHECKOUT,
        )
        self._supervisor.start(spec)
        self.process = psutil.Process(pid_of(self._town, SECOND))
        return self

    def __exit__(self, *_error: object) -> None:
        if self.process.is_running() and self.process.status() == psutil.STATUS_STOPPED:
            self.process.resume()
        self._supervisor.stop(SECOND)

    def lines(self) -> list[dict[str, Any]]:
        """What its log says, parsed."""
        with self._log.open("rb") as file:
            file.seek(self._from)
            return [json.loads(line) for line in file if line.startswith(b"{")]

    def decided(self) -> int:
        """How many batches it has written."""
        return sum(line["message"] == "facts recorded" for line in self.lines())

    def await_deciding(self) -> None:
        """Waits until it has written something more: partitions have come to it."""
        before = self.decided()
        until(lambda: self.decided() > before, "the second worker decides")

    def stop_inside_transaction(self) -> None:
        """SIGSTOP while it holds the lock of the events table and has not committed. Tried until it is so.

        A lock on the position rows holds up whichever worker writes next, behind the events-table lock.
        """
        deadline = time.monotonic() + SETTLE_SECONDS
        with self._town.servers.postgres.connect("enrolment") as look:
            while not self._stopped_behind_positions(look):
                assert time.monotonic() < deadline, "never caught inside a transaction"

    def _stopped_behind_positions(self, look: psycopg.Connection) -> bool:
        with self._town.servers.postgres.connect("enrolment") as barrier, barrier.transaction():
            barrier.execute("SELECT FROM positions WHERE consumer = 'enrolment.intake' FOR UPDATE")
            until(lambda: look.execute(_HOLDERS, prepare=True).fetchall(), "somebody writes")
            if self._holds(look):
                self.process.suspend()
        if self.process.status() != psutil.STATUS_STOPPED:
            return False
        time.sleep(PAUSE)  # A statement on its way comes to its end.
        if self._holds(look):
            return True
        self.process.resume()
        return False

    def _holds(self, connection: psycopg.Connection) -> bool:
        holders = [row[0] for row in connection.execute(_HOLDERS, prepare=True)]
        if not holders:
            return False
        ports = {one.laddr.port for one in self.process.net_connections("tcp")}
        return any(port in ports for port in holders)
