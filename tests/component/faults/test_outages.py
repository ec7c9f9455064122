"""Outages: PostgreSQL or Kafka goes away under load and comes back; services wait, say so, and go on by themselves.

How long a server is away here passes every bound that changes how services wait: the pause between tries (5 s), when
an answer counts as old (10 s), the consumers' session (6 s), when a relay counts as stale (15 s), a request's
timeout (20 s). That a batch is given back after a minute is tested in `tests/component/messaging/test_consumer.py`.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import httpx
import pytest

from shared.telemetry.seen import SOURCE_UP
from tests.component.faults.outage import (
    EVERYWHERE,
    Load,
    Said,
    all_ready,
    assert_scraped_without,
    paused,
    pid_of,
    ready_says,
    scraped,
    services_running,
    until,
)
from tests.component.faults.sending import Town
from zeren.stack import whole
from zeren.stack.local import start_servers
from zeren.stack.supervisor import Supervisor

pytestmark = pytest.mark.timeout(600)

AWAY_SECONDS = 12.0
PAST_REQUEST_TIMEOUT = 22.0


@pytest.fixture
def harbour(town: Town) -> Iterator[Town]:
    """The town, ready; and whole again afterwards for whoever comes next."""
    whole.start(town.state)
    until(lambda: all_ready(town), "every service is ready")
    yield town
    whole.start(town.state)


def stays_away(seconds: float) -> None:
    """The outage itself: nothing is waited for but time."""
    time.sleep(seconds)


def assert_nobody_went(town: Town, before: dict[str, int]) -> None:
    """Every service is the process that it was, and is ready again."""
    until(lambda: all_ready(town), "every service is ready again")
    assert services_running(town) == before


def refused_meanwhile(town: Town) -> httpx.Response:
    """The answer to a read that needs the database."""
    return httpx.get(f"{town.local.url('enrolment')}/keys/nobody", trust_env=False, timeout=60)


def test_postgresql_stopped_for_a_while(harbour: Town) -> None:
    """Requests are answered 503 with the code, readiness says what is away; afterwards all goes on."""
    before, said = services_running(harbour), Said(harbour)
    with Load(harbour) as load:
        Supervisor(harbour.state).stop("postgres")
        for name in EVERYWHERE:
            until(lambda name=name: ready_says(harbour, name, "database") is False, f"{name} says so", 30)
            assert ready_says(harbour, name, "ready") is False
        answer = refused_meanwhile(harbour)
        assert_scraped_without(harbour, "database")
        stays_away(AWAY_SECONDS)
        later = refused_meanwhile(harbour)
        start_servers(harbour.state)
        assert_nobody_went(harbour, before)
    for one in (answer, later):
        assert (one.status_code, one.json()["code"]) == (503, "service.unavailable")
        assert one.headers["Retry-After"] == "1"
    load.assert_each_was_decided_once()
    said.assert_told_once("database")


def test_the_broker_stopped_and_started_again(harbour: Town) -> None:
    """Past the consumers' session; the relay is told as stale, and what was decided meanwhile is sent afterwards."""
    before, said = services_running(harbour), Said(harbour)
    with Load(harbour) as load:
        Supervisor(harbour.state).stop("kafka")
        for name in EVERYWHERE:
            until(lambda name=name: ready_says(harbour, name, "kafka") is False, f"{name} says so", 60)
            assert ready_says(harbour, name, "ready") is False
        assert ready_says(harbour, "enrolment", "database") is True
        assert_scraped_without(harbour, "kafka")
        stays_away(AWAY_SECONDS)
        start_servers(harbour.state)
        assert_nobody_went(harbour, before)
    load.assert_each_was_decided_once()
    said.assert_told_once("kafka")


def test_the_broker_paused_past_every_timeout(harbour: Town) -> None:
    """SIGSTOP: connections stay open and say nothing. The probe finds it, and all goes on after SIGCONT."""
    before, said = services_running(harbour), Said(harbour)
    with Load(harbour) as load:
        with paused(pid_of(harbour, "kafka")):
            for name in EVERYWHERE:
                until(lambda name=name: ready_says(harbour, name, "kafka") is False, f"{name} says so", 60)
            stays_away(PAST_REQUEST_TIMEOUT)
        assert_nobody_went(harbour, before)
    load.assert_each_was_decided_once()
    said.assert_told_once("kafka")


def test_both_servers_killed_at_once(harbour: Town) -> None:
    """Kill -9 of the broker and of PostgreSQL, in mid-load; an operator starts them again."""
    before = services_running(harbour)
    with Load(harbour) as load:
        for name in ("kafka", "postgres"):
            os.kill(pid_of(harbour, name), signal.SIGKILL)
        start_servers(harbour.state)
        assert_nobody_went(harbour, before)
    load.assert_each_was_decided_once()


def test_postgresql_paused_past_every_timeout(harbour: Town) -> None:
    """SIGSTOP of the whole server: nothing answers and nothing fails. No request is left hanging; the relay is told."""
    before, said = services_running(harbour), Said(harbour)
    with Load(harbour) as load:
        with paused(pid_of(harbour, "postgres")):
            for name in EVERYWHERE:
                until(lambda name=name: ready_says(harbour, name, "relay") is False, f"{name} says so", 60)
                assert ready_says(harbour, name, "database") is False
                until(
                    lambda name=name: ready_says(harbour, name, "projector") is False, f"{name} says so", 60
                )
            assert scraped(harbour, "audit").total(SOURCE_UP, source="database") == 0
            answer = refused_meanwhile(harbour)
        assert_nobody_went(harbour, before)
    assert (answer.status_code, answer.json()["code"]) == (503, "service.unavailable")
    assert answer.elapsed.total_seconds() < 5
    load.assert_each_was_decided_once()
    said.assert_told_once("database")
