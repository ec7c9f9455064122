"""Clients wait an outage out: the same request under the same key, the same records in the same order."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, NotLeaderForPartitionError

from zeren.institution import client
from zeren.institution.client import KafkaUnreachable, Publisher
from zeren.institution.profile import Profile
from zeren.institution.records import Record
from zeren.stack.client import Local, ServiceRefused
from zeren.stack.state import StateFolder

BEARER = "a.b.c"


class Office(HTTPServer):
    """Answers what its script says, the last of it for ever."""

    def __init__(self, *script: int) -> None:
        super().__init__(("127.0.0.1", 0), Desk)
        self.script = list(script)
        self.keys: list[str] = []


class Desk(BaseHTTPRequestHandler):
    """One request after another."""

    def do_POST(self) -> None:
        office: Any = self.server
        self.rfile.read(int(self.headers["Content-Length"]))
        office.keys.append(self.headers["Idempotency-Key"])
        status = office.script.pop(0) if len(office.script) > 1 else office.script[0]
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Nothing goes to the terminal."""


@pytest.fixture
def state(tmp_path: Path) -> StateFolder:
    return StateFolder(tmp_path / "state")


def _office(monkeypatch: pytest.MonkeyPatch, *script: int) -> Iterator[Office]:
    office = Office(*script)
    monkeypatch.setenv("ZEREN_PAYMENT_PORT", str(office.server_port))
    thread = threading.Thread(target=office.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield office
    finally:
        office.shutdown()
        thread.join()
        office.server_close()


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    """Not available, then too busy, then there."""
    yield from _office(monkeypatch, 503, 429, 200)


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    """Never available."""
    yield from _office(monkeypatch, 503)


def test_a_command_is_repeated_under_its_key_until_it_is_decided(busy: Office, state: StateFolder) -> None:
    """503 and 429 say that nothing was decided: the same request goes again, with the same Idempotency-Key."""
    with Local(state, patience_seconds=30) as local:
        assert local.post("payment", "/claims", {}, bearer=BEARER) == {}
    assert len(busy.keys) == 3
    assert len(set(busy.keys)) == 1


def test_patience_has_an_end(closed: Office, state: StateFolder) -> None:
    """Then the refusal is the caller's; without patience it is so at once."""
    for patience, least in ((0.3, 2), (0.0, 1)):
        with Local(state, patience_seconds=patience) as local, pytest.raises(ServiceRefused) as refused:
            local.post("payment", "/claims", {}, bearer=BEARER)
        assert refused.value.status == 503
        assert len(closed.keys) >= least
        closed.keys.clear()


class Broker:
    """Acknowledges records in the order of their coming, but for those that its script fails.

    Attributes:
        taken: (party, value) of everything acknowledged.
        failing: how many records fail before the first is acknowledged.
        away: how many connections fail after the first ones.
    """

    def __init__(self) -> None:
        self.taken: list[tuple[str, bytes]] = []
        self.failing: dict[bytes, int] = {}
        self.away = 0
        self.connections = 0

    def producer(self, **settings: Any) -> Producer:
        return Producer(self, settings["sasl_plain_username"])


class Producer:
    """What the client sees of aiokafka's producer."""

    def __init__(self, broker: Broker, party: str) -> None:
        self._broker, self._party = broker, party

    async def start(self) -> None:
        self._broker.connections += 1
        if self._broker.connections > 2 and self._broker.away:
            self._broker.away -= 1
            raise KafkaConnectionError

    async def stop(self) -> None:
        """Nothing is open."""

    async def send(self, _topic: str, *, value: bytes, **_: object) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self._broker.failing.get(value, 0):
            self._broker.failing[value] -= 1
            future.set_exception(NotLeaderForPartitionError())
        else:
            self._broker.taken.append((self._party, value))
            future.set_result(SimpleNamespace(partition=0, offset=len(self._broker.taken) - 1))
        return future


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    made = Broker()
    monkeypatch.setattr(client, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(client, "AIOKafkaProducer", made.producer)
    return made


PARTIES = ("A", "B")


def _profiles() -> dict[str, Profile]:
    return {
        party: Profile(
            uscc=party, name=party, kind="TRAINING", bootstrap="127.0.0.1:1", user=party, password="p",
            security_protocol="SASL_PLAINTEXT", receipts_topic="r", key_id="k", key_file="f",
        )
        for party in PARTIES
    }  # fmt: skip


RECORDS = [
    Record(service="enrolment", key=None, headers=(), value=b"%d" % number, party=PARTIES[number % 2])
    for number in range(10)
]


def _of(broker: Broker, party: str) -> list[bytes]:
    """What came from a party, without repeats, in the order of first coming."""
    return list(dict.fromkeys(value for sender, value in broker.taken if sender == party))


async def test_records_that_failed_are_sent_again_in_order(broker: Broker) -> None:
    """Everything of the party behind the failure goes again; another party's order stays its own."""
    broker.failing, broker.away = {b"4": 2, b"6": 1}, 2
    told: list[bytes] = []
    publisher = Publisher(_profiles(), acknowledged=lambda record, _p, _o: told.append(record.value))
    assert await publisher.send(RECORDS) == len(RECORDS)
    assert set(told) == {record.value for record in RECORDS}
    assert _of(broker, "B") == [b"1", b"3", b"5", b"7", b"9"]
    again = [value for sender, value in broker.taken if sender == "A"]
    assert again[again.index(b"4") :] == [b"4", b"6", b"8"]
    assert [value for sender, value in broker.taken if sender == "B"] == _of(broker, "B")


async def test_a_sender_gives_up_when_kafka_stays_away(broker: Broker) -> None:
    """With a message that names the party and says what to do."""
    broker.failing = {b"0": 1_000}
    with pytest.raises(KafkaUnreachable, match=r"A .*NotLeaderForPartition.*zeren up"):
        await Publisher(_profiles(), patience_seconds=0.5).send(RECORDS)


async def test_the_first_connection_is_not_waited_for(broker: Broker) -> None:
    """Who sends to a stack that is down is told at once."""
    broker.connections, broker.away = 2, 1_000
    with pytest.raises(KafkaUnreachable):
        await Publisher(_profiles()).send(RECORDS)
    assert broker.away >= 998
