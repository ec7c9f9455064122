"""`zeren audit reconcile` on a running stack: clean as it stands, and each planted fault found and named.

`zeren doctor` looks at the same damage: partitions that stopped on it, each with a way out.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date
from typing import Any

import pytest
from confluent_kafka import Message, Producer, TopicPartition

from zeren.stack import whole
from zeren.stack.client import Local, ServiceRefused
from zeren.stack.days import open_days
from zeren.stack.facts import FactsTopic, facts_topic
from zeren.stack.local import Servers
from zeren.stack.paths import CHECKOUT
from zeren.stack.state import StateFolder
from zeren.stack.supervisor import Supervisor

pytestmark = pytest.mark.timeout(600)

DAYS = (date(2024, 3, 1), date(2024, 3, 8))
SECONDS = 30.0


@pytest.fixture(scope="module")
def stack(fresh_state: Callable[[], StateFolder]) -> Iterator[Servers]:
    """A whole stack whose days were opened: every service has facts, and all of them are ledgered."""
    state = fresh_state()
    with state.locked():
        servers = whole.start(state)
        with Local(state) as local:
            for day in DAYS:
                open_days(local, day)
        yield servers
        whole.stop(state)


def zeren(state: StateFolder, *arguments: str) -> tuple[int, Any]:
    """Runs a command with --json; its exit code and what it answers, None where it answers nothing."""
    command = (sys.executable, "-m", "zeren", *arguments, "--state", state.path.name, "--json")
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=100, check=False)
    return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr


def differences(answer: Any) -> dict[tuple[str, int], dict[str, Any]]:
    """What each partition tells, where it tells of a difference."""
    return {
        (service["service"], one["partition"]): one
        for service in answer["services"]
        for one in service["partitions"]
        if one["differences"]
    }


def records(servers: Servers, service: str) -> list[Message]:
    """Every record of the first partition of a service's facts that has any."""
    topic = FactsTopic(servers.kafka_as("svc-audit"), facts_topic(service))
    filled = next(place for place in topic.places() if place.end > place.first)
    return list(topic.records(filled))


def send(servers: Servers, like: Message, value: bytes, **headers: int) -> None:
    """A record as a stranger writes it: with another's headers, some of them changed."""
    known = dict(like.headers() or [])
    rows = [(name, str(headers[name]).encode() if name in headers else known[name]) for name in known]
    producer = Producer(servers.kafka.settings())
    producer.produce(
        like.topic() or "",
        value,
        key=like.key(),
        partition=like.partition() or 0,
        headers=rows if headers else [],
    )
    assert producer.flush(SECONDS) == 0


def position(message: Message) -> int:
    found = dict(message.headers() or [])["position"]
    return int(found or 0)


def execute(servers: Servers, database: str, statement: str) -> None:
    """Whoever holds the database may change a row."""
    with closing(servers.postgres.connect(database)) as connection:
        assert connection.execute(statement.encode()).rowcount == 1
        connection.commit()


def test_a_stack_that_nobody_touched_is_well(stack: Servers) -> None:
    """Exit code 0, nothing wrong, and the figures of each service: nothing lags, all facts are ledgered."""
    code, answer = zeren(stack.state, "status")
    assert (code, answer["wrong"], answer["well"], answer["missing"]) == (0, [], True, []), answer
    figures = {one["name"]: one["figures"] for one in answer["services"] if one["figures"]}
    assert figures["audit"]["ledger_size"] == sum(one["facts"] for one in figures.values()) > 30
    for one in figures.values():
        assert (one["lag_records"], one["unsent_facts"], one["projection_lag_facts"]) == (0, 0, 0)
        assert one["transaction_p99_ms"] >= one["transaction_p50_ms"] > 0
        assert one["memory_bytes"] > 0
    assert {one["running"] for one in answer["processes"]} == {True}


def test_a_stack_that_nobody_touched_reconciles(stack: Servers) -> None:
    """Every fact of every service stands in all three places; one service can be looked at alone."""
    code, answer = zeren(stack.state, "audit", "reconcile")
    assert (code, answer["same"], answer["settled"]) == (0, True, True), answer
    assert answer["ledger"]["size"] == sum(one["head"] for one in answer["services"])
    assert answer["ledger"]["unclaimed"] == 0
    facts = sum(one["kafka"] for service in answer["services"] for one in service["partitions"])
    assert facts == answer["ledger"]["size"] > 30
    code, answer = zeren(stack.state, "audit", "reconcile", "--service", "payment")
    assert (code, [one["service"] for one in answer["services"]]) == (0, ["payment"])


def test_what_is_compared_is_served_to_auditors_and_operators_alone(stack: Servers) -> None:
    """Nobody else learns how many facts there are, or where they stand."""
    with Local(stack.state) as local:
        leaves = {"source": "payment@x", "partition": 0}
        for service, path, params in (
            ("payment", "/events/digests", {}),
            ("audit", "/ledger/leaves", leaves),
        ):
            for duty in ("AUDITOR", "OPERATOR"):
                assert (
                    local.get(service, path, bearer=local.as_duty(duty), params=params)["positions"]
                    is not None
                )
            with pytest.raises(ServiceRefused) as refused:
                local.get(service, path, bearer=local.as_duty("D8"), params=params)
            assert refused.value.status == 403
            with pytest.raises(ServiceRefused) as unknown:
                local.get(service, path, params=params)
            assert unknown.value.status == 401


def test_each_planted_fault_is_found_and_named(stack: Servers) -> None:
    """Altered and missing in the event table, in Kafka and in the ledger: place, partition and position are told."""
    execute(stack, "enrolment", "UPDATE events SET state = state || ' '::bytea WHERE notification_id = 5")
    execute(
        stack,
        "audit",
        "UPDATE entries SET entry = entry || ' '::bytea WHERE position = 4 AND source LIKE 'certification@%'",
    )
    paid, certified, read = (records(stack, name) for name in ("payment", "certification", "audit"))
    send(stack, paid[1], (paid[1].value() or b"") + b" ", position=position(paid[1]))
    send(stack, certified[-1], b"{}", position=10_000, prev=position(certified[-1]))
    send(stack, records(stack, "enrolment")[0], b"junk")
    admin = stack.kafka.admin()
    behind = TopicPartition(read[0].topic() or "", read[0].partition() or 0, 3)
    for future in admin.delete_records([behind]).values():
        future.result(SECONDS)

    code, answer = zeren(stack.state, "audit", "reconcile", "--wait", "2")
    assert code == 1, answer
    assert answer["same"] is False
    found = differences(answer)
    assert {service for service, _ in found} == {"enrolment", "certification", "payment", "audit"}
    _assert_named(found, "enrolment", "events_differs", 5)
    _assert_named(found, "enrolment", "unreadable_record", None)
    _assert_named(found, "certification", "ledger_differs", 4)
    _assert_named(found, "certification", "missing_in_events", 10_000)
    _assert_named(found, "payment", "repeat_differs", position(paid[1]))
    line = _assert_named(found, "audit", "missing_in_kafka", 1)
    assert line == f"audit 分区 {read[0].partition()} 位置 1: Kafka 缺失 / missing in Kafka"
    _assert_named(found, "audit", "chain_broken", 4)
    assert not answer["ledger"]["root_agrees"]


def test_a_leaf_taken_out_of_the_ledger_is_named(stack: Servers) -> None:
    """What the tile still proves is missed at its position, and the bundle that isn't whole is named."""
    execute(stack, "audit", "DELETE FROM entries WHERE position = 6 AND source LIKE 'audit@%'")
    code, answer = zeren(stack.state, "audit", "reconcile", "--service", "audit", "--wait", "2")
    assert code == 1
    _assert_named(differences(answer), "audit", "missing_in_ledger", 6)
    assert answer["ledger"]["unreadable"] == [{"first": 0, "width": answer["ledger"]["size"] % 256}]


def _assert_named(found: Any, service: str, kind: str, at: int | None) -> str:
    told = [
        one
        for (name, _), report in found.items()
        for one in report["first_of_each_kind"]
        if name == service and one["kind"] == kind
    ]
    assert [one["position"] for one in told] == [at], found
    return str(told[0]["line"])


def test_the_doctor_tells_of_the_partitions_that_stopped_on_it(stack: Servers) -> None:
    """Other bytes at a position, unreadable headers: what, where, and the command that helps."""
    code, answer = zeren(stack.state, "doctor")
    assert code == 1
    found = {one["check"]: one for one in answer["findings"] if not one["ok"]}
    other = next(
        one for check, one in found.items() if check.startswith("partition audit.ledger zeren.payment")
    )
    assert "other bytes" in other["found"]
    assert "zeren audit reconcile --service payment" in other["advice"]
    junk = next(one for check, one in found.items() if "policies zeren.enrolment" in check)
    assert "unreadable headers" in junk["found"]
    assert "acls.toml" in junk["advice"]


def test_the_status_puts_stopped_partitions_first_and_shows_what_is_down(stack: Servers) -> None:
    """Ready, yet something is wrong: exit code 1. With a service down: 3, the others are shown as before."""
    code, answer = zeren(stack.state, "status")
    checks = [one["check"] for one in answer["wrong"]]
    stopped = [check for check in checks if check.startswith("partition ")]
    assert (code, answer["ready"]) == (1, True), answer["wrong"]
    assert any("audit.ledger zeren.payment.facts.v1" in check for check in stopped)
    assert checks[: len(stopped)] == stopped
    assert "zeren audit reconcile --service" in answer["wrong"][0]["advice"]
    Supervisor(stack.state).stop("certification")
    code, answer = zeren(stack.state, "status")
    assert (code, answer["missing"]) == (3, ["certification"])
    figures = {one["name"]: one["figures"] for one in answer["services"]}
    assert figures["certification"] is None
    assert figures["payment"]["facts"] > 0
    command = (sys.executable, "-m", "zeren", "status", "--state", stack.state.path.name)
    screen = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=100, check=False)
    assert screen.returncode == 3
    at = [screen.stdout.index(text) for text in (checks[0], "process certification", "┏", "无应答 / silent")]
    assert at == sorted(at), screen.stdout


def test_out_of_reach_is_an_exit_code_of_its_own(stack: Servers) -> None:
    """A stack that is down is neither the same nor different; the doctor still looks at the machine."""
    whole.stop(stack.state)
    code, told = zeren(stack.state, "audit", "reconcile")
    assert code == 3
    assert "zeren up" in told
    code, answer = zeren(stack.state, "doctor")
    assert {"python", "disk"} <= {one["check"] for one in answer["findings"]}
    assert code == 0, answer
