"""How a process waits: what it says of an outage, how its loops begin again, and how often an actor may ask."""

import asyncio
import logging
from typing import Annotated

import pytest
from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaConnectionError, KafkaError
from fastapi import APIRouter, Depends
from fastapi.testclient import TestClient

from shared.access.rate import MOST_ACTORS, Rate, TooManyRequests
from shared.eventstore.store import Unavailable
from shared.runtime import health
from shared.runtime.health import kept_up, missing_of
from shared.telemetry.logs import SELDOM_SECONDS, HealthyStart, Seldom
from shared.telemetry.outages import DATABASE, FILES, KAFKA, VAULT, Outages
from shared.testing.web import mounted
from shared.vault.errors import VaultUnavailable


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What was logged about outages."""
    caplog.set_level(logging.INFO, "shared.telemetry.outages")
    return caplog


def test_an_outage_is_told_once_when_it_begins_and_once_when_the_last_loop_goes_on(
    told: pytest.LogCaptureFixture,
) -> None:
    """However many loops wait, and however often each tries."""
    clock = Clock()
    outages = Outages(clock)
    for _ in range(50):
        outages.failed("relay", DATABASE, Unavailable("away"))
        outages.failed("projector", DATABASE, Unavailable("away"))
        clock.now += 1
    outages.went("relay")
    assert outages.away() == {DATABASE}
    outages.went("projector")
    assert outages.away() == frozenset()
    assert [record.waits_for for record in told.records] == [DATABASE, DATABASE]
    assert told.records[-1].seconds == 50.0
    assert all(" / " in record.getMessage() for record in told.records)


def test_two_outages_at_once_are_told_apart(told: pytest.LogCaptureFixture) -> None:
    """A loop that waits for another thing now no longer waits for the first."""
    outages = Outages()
    outages.failed("relay", DATABASE, Unavailable("away"))
    outages.failed("relay", KAFKA, KafkaConnectionError())
    outages.went("relay")
    assert [(record.waits_for, hasattr(record, "seconds")) for record in told.records] == [
        (DATABASE, False), (DATABASE, True), (KAFKA, False), (KAFKA, True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (KafkaConnectionError(), KAFKA),
        (TimeoutError(), KAFKA),
        (Unavailable("x"), DATABASE),
        (VaultUnavailable("x"), VAULT),
        (OSError(28, "No space left on device"), FILES),
    ],
)
def test_what_is_missing_is_told_from_the_error(error: Exception, what: str) -> None:
    """A full disk under our own files is neither the database nor Kafka."""
    assert missing_of(error) == what


async def test_the_pause_between_tries_grows_and_is_short_again_after_a_good_stretch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One bad hour must not make the next blip cost seconds."""
    monkeypatch.setattr(health, "GOOD_SECONDS", 0.05)
    slept: list[float] = []
    sleep = asyncio.sleep

    async def noted(seconds: float) -> None:
        slept.append(seconds)
        await sleep(0)

    tries = iter([0.0] * 8 + [0.1] + [0.0])

    async def loop() -> str:
        if (lasts := next(tries, None)) is None:
            return "done"
        await sleep(lasts)
        raise Unavailable("away")

    monkeypatch.setattr(health.asyncio, "sleep", noted)
    assert await kept_up("loop", loop, Outages()) == "done"
    assert health.LONGEST_PAUSE * 0.5 <= slept[7] <= health.LONGEST_PAUSE
    assert slept[8] <= health.FIRST_PAUSE


async def test_what_is_no_outage_ends_the_process() -> None:
    """A fault of ours is not tried again and again."""

    async def loop() -> None:
        raise ValueError("a fault")

    with pytest.raises(ValueError, match="a fault"):
        await kept_up("loop", loop, Outages())


def test_a_library_says_each_thing_once_a_minute() -> None:
    """Ours are always said."""
    clock = Clock()
    seldom = Seldom(clock)
    theirs = logging.makeLogRecord({"name": "aiokafka.conn", "msg": "Unable connect to %s"})
    ours = logging.makeLogRecord({"name": "shared.messaging.relay", "msg": "Unable connect to %s"})
    assert [seldom.filter(theirs), seldom.filter(theirs), seldom.filter(ours), seldom.filter(ours)] == [
        True, False, True, True,
    ]  # fmt: skip
    clock.now += SELDOM_SECONDS
    assert seldom.filter(theirs)


@pytest.mark.parametrize(
    ("logger", "error", "level"),
    [
        ("aiokafka.consumer.group_coordinator", GroupCoordinatorNotAvailableError(), "INFO"),
        ("aiokafka.consumer.group_coordinator", KafkaConnectionError(), "ERROR"),
        ("shared.messaging.consumer", GroupCoordinatorNotAvailableError(), "ERROR"),
    ],
)
def test_a_group_without_a_coordinator_yet_is_no_error(logger: str, error: KafkaError, level: str) -> None:
    """A broker that has just started answers so; it is said all the same, and other errors stay errors."""
    record = logging.LogRecord(
        logger, logging.ERROR, __file__, 1, "Group Coordinator Request failed: %s", (error,), None
    )
    assert HealthyStart().filter(record)
    assert (record.levelname, record.levelno) == (level, logging.getLevelName(level))


def test_an_actor_may_ask_in_bursts_and_steadily_but_no_more() -> None:
    """A bucket an actor: one who is over it leaves the others what is theirs."""
    clock = Clock()
    rate = Rate(10, 20, clock=clock)
    for _ in range(20):
        rate.take("handler:a")
    with pytest.raises(TooManyRequests):
        rate.take("handler:a")
    rate.take("handler:b")
    clock.now += 0.5
    for _ in range(5):
        rate.take("handler:a")
    with pytest.raises(TooManyRequests):
        rate.take("handler:a")


def test_the_table_of_actors_is_bounded() -> None:
    """Whoever has not asked for longest is forgotten."""
    rate = Rate(1, 1)
    for number in range(MOST_ACTORS + 10):
        rate.take(f"person:{number}")
    assert len(rate._buckets) == MOST_ACTORS


def test_a_caller_over_the_bound_is_told_so_and_when_to_come_back() -> None:
    """429 with its code; nothing was done."""
    rate, routes = Rate(0.001, 1), APIRouter()

    def counted() -> str:
        rate.take("handler:a")
        return "handler:a"

    @routes.get("/thing")
    def thing(actor: Annotated[str, Depends(counted)]) -> str:
        return actor

    client = TestClient(mounted("enrolment", routes))
    assert client.get("/thing").status_code == 200
    answer = client.get("/thing")
    assert (answer.status_code, answer.json()["code"]) == (429, "request.too_many")
    assert answer.headers["Retry-After"] == "1"
