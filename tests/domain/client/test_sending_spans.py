"""An institution's side of a trace: a span a submission, its context in the record's header."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import NotLeaderForPartitionError

from shared.telemetry.tracing import OFF, Tracing
from tests.domain.telemetry.recorded import PARENT, all_attributes, recording
from zeren.institution import client
from zeren.institution.client import Publisher
from zeren.institution.profile import Profile
from zeren.institution.records import Record

NAME = "send zeren.enrolment.intake.v1"
RECORD = Record(service="enrolment", key=b"k", headers=(("jws", b"s"),), value=b"v", party="A")


class Producer:
    """Keeps the headers of what it acknowledges; the first `failing` records it does not."""

    headers: list[list[tuple[str, bytes]]]
    failing = 0

    def __init__(self, **_: object) -> None:
        Producer.headers = []

    async def start(self) -> None:
        """Nothing is opened."""

    async def stop(self) -> None:
        """Nothing is open."""

    async def send(self, _topic: str, *, headers: list[tuple[str, bytes]], **_: object) -> Any:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if Producer.failing:
            Producer.failing -= 1
            future.set_exception(NotLeaderForPartitionError())
        else:
            Producer.headers.append(headers)
            future.set_result(SimpleNamespace(partition=3, offset=41))
        return future


@pytest.fixture(autouse=True)
def broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "AIOKafkaProducer", Producer)
    monkeypatch.setattr(client, "FIRST_PAUSE_SECONDS", 0.01)


async def _send(tracing: Tracing, *records: Record) -> list[list[tuple[str, bytes]]]:
    profile = Profile(
        uscc="A", name="A", kind="TRAINING", bootstrap="127.0.0.1:1", user="A", password="p",
        security_protocol="SASL_PLAINTEXT", receipts_topic="r", key_id="k", key_file="f",
    )  # fmt: skip
    async with Publisher({"A": profile}, tracing=tracing) as publisher:
        await publisher.send(records)
        return Producer.headers


async def test_a_record_carries_the_context_of_its_span() -> None:
    """The span ends with the acknowledgement, and tells where the record lies, not what is in it."""
    tracing, recorded = recording()
    (headers,) = await _send(tracing, RECORD)
    span = recorded.one(NAME)
    assert headers == [("jws", b"s"), ("traceparent", span.context.encode())]
    assert span.parent == ""
    assert all_attributes(span) == {
        "messaging.system": "kafka", "messaging.operation.name": "send", "messaging.operation.type": "send",
        "messaging.destination.name": "zeren.enrolment.intake.v1", "messaging.destination.partition.id": "3",
        "messaging.kafka.offset": 41,
    }  # fmt: skip


async def test_a_record_with_a_context_of_its_own_is_sent_as_it_stands() -> None:
    """It belongs to a trace of its sender's."""
    tracing, recorded = recording()
    own = replace(RECORD, headers=(*RECORD.headers, ("traceparent", PARENT.encode())))
    assert await _send(tracing, own) == [list(own.headers)]
    assert recorded.spans == []


async def test_without_an_exporter_a_record_is_sent_as_it_stands() -> None:
    """No header is added."""
    assert await _send(OFF, RECORD) == [list(RECORD.headers)]


async def test_a_record_that_is_sent_again_has_a_span_a_try() -> None:
    """The one that failed says why."""
    tracing, recorded = recording()
    Producer.failing = 1
    (headers,) = await _send(tracing, RECORD)
    failed, went = recorded.named(NAME)
    assert (failed.error, went.error) == ("NotLeaderForPartitionError", "")
    assert headers[-1] == ("traceparent", went.context.encode())
