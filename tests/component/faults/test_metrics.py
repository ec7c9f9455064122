"""Metrics of a running stack under load: everything promised is told, moves, and names nobody."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from shared.telemetry.catalogue import METRICS
from shared.telemetry.counted import (
    BATCH_SECONDS,
    BATCH_UNITS,
    FACTS,
    FOREIGN_FACTS,
    LEAVES,
    PROJECTED,
    RECEIPTS,
    RECEIPTS_SENT,
    RECORDS,
    RELAY_SECONDS,
    RELAYED,
    TRANSACTION_BYTES,
    TRANSACTION_FACTS,
    TRANSACTION_SECONDS,
)
from shared.telemetry.metric import SERVICE, Metric
from shared.telemetry.seen import CPU, HEAD, LAG_OFFSETS, LAG_SECONDS, LEDGER_SIZE, SOURCE_UP
from tests.component.faults.outage import (
    EVERYWHERE,
    Load,
    SecondWorker,
    all_ready,
    await_rest,
    class_application,
    facts_topic,
    scraped,
    until,
)
from tests.component.faults.sending import DECIDING, Outgoing, Town
from zeren.stack.days import business_date
from zeren.stack.scrape import Scrape

pytestmark = pytest.mark.timeout(600)

MOVE: dict[str, tuple[Metric, ...]] = {
    "enrolment": (
        FACTS, BATCH_SECONDS, BATCH_UNITS, TRANSACTION_SECONDS, TRANSACTION_FACTS, TRANSACTION_BYTES, RECEIPTS,
        RELAYED, RELAY_SECONDS, RECEIPTS_SENT, PROJECTED, HEAD, RECORDS, CPU,
    ),
    "certification": (FOREIGN_FACTS, BATCH_SECONDS, RECORDS, CPU),
    "payment": (FOREIGN_FACTS, BATCH_SECONDS, RECORDS, CPU),
    "audit": (LEAVES, LEDGER_SIZE, TRANSACTION_SECONDS, PROJECTED, RECORDS, CPU),
}  # fmt: skip
"""What class applications move in each service."""
PLAIN = re.compile(r"[a-z][a-z0-9_.]{0,60}|[0-9]{1,2}")
"""What a label may hold: a name of ours, or the number of a partition."""
PARTITION = 2


def moved(before: Scrape, now: Scrape, metric: Metric) -> bool:
    """Whether a counter, a gauge or the count of a histogram has grown."""
    suffix = "_count" if metric.kind == "histogram" else ""
    then, later = (sum(value for _, value in one.rows(metric, suffix)) for one in (before, now))
    return later > then


def told(town: Town, service: str) -> str:
    """A service's metrics with all that it looks at: on a busy machine a look may run out of time."""
    found = ""

    def complete() -> bool:
        nonlocal found
        found = town.local.get_bytes(service, "/metrics", bearer="", params={}).decode()
        return {value for _, value in Scrape(found).rows(SOURCE_UP)} == {1}

    until(complete, f"{service} sees database and Kafka")
    return found


def ready(at: str) -> dict[str, Any]:
    """What a process says of its readiness."""
    found: dict[str, Any] = httpx.get(f"{at}/health/ready", trust_env=False, timeout=60).json()
    return found


def test_everything_promised_is_told_and_moves_under_load(town: Town) -> None:
    """All four services, and a process that has no HTTP but its metrics port."""
    before = {name: scraped(town, name) for name in EVERYWHERE}
    with Load(town) as load, SecondWorker(town) as second:
        for name, metrics in MOVE.items():
            for metric in metrics:
                until(
                    lambda name=name, metric=metric: moved(before[name], scraped(town, name), metric),
                    f"{metric.name} of {name} moves",
                )
        second.await_deciding()
        at = f"http://127.0.0.1:{second.port}"
        until(lambda: ready(at)["ready"], "the second worker has its partitions")
        worker = httpx.get(f"{at}/metrics", trust_env=False, timeout=60).text
        said = ready(at)
        elsewhere = httpx.get(f"{at}/keys/nobody", trust_env=False, timeout=60)
        texts = [told(town, name) for name in EVERYWHERE]
    assert said == {"ready": True, "database": True, "kafka": True, "assigned": True, "stopped": {}}
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (404, "request.unknown_path")
    assert Scrape(worker).total(RECORDS, group="enrolment.intake")
    assert_all_is_told([*texts, worker])
    for text in (*texts, worker):
        assert_nobody_is_named(town, text)
    load.assert_each_was_decided_once()


def assert_all_is_told(texts: list[str]) -> None:
    """Every metric of the catalogue, by some service, with its type and labels; and none besides."""
    rows = [(family, sample) for text in texts for family in text_string_to_metric_families(text)
            for sample in family.samples]  # fmt: skip
    kinds = {sample.name: family.type for family, sample in rows}
    labels = {sample.name: set(sample.labels) - {"le"} for _, sample in rows}
    expected = {
        metric.name + suffix: metric
        for metric in METRICS
        for suffix in (("_bucket", "_sum", "_count") if metric.kind == "histogram" else ("",))
    }
    assert sorted(expected) == sorted(kinds)
    for name, metric in expected.items():
        assert (kinds[name], labels[name]) == (metric.kind, {SERVICE, *metric.labels})


def assert_nobody_is_named(town: Town, text: str) -> None:
    """Labels hold names of ours alone; no organisation, no key, nothing that looks like an id."""
    values = {
        value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        for label, value in sample.labels.items()
        if label != "le"
    }
    assert [value for value in values if not PLAIN.fullmatch(value)] == []
    topics = {facts_topic(name) for name in EVERYWHERE} | {f"zeren.{name}.intake.v1" for name in DECIDING}
    assert {value for value in values if value.startswith("zeren.")} <= topics
    for party in town.parties.values():
        assert party.uscc not in text
        assert party.key.key_id not in values


def test_lag_is_told_in_records_and_seconds_until_it_is_worked_off(town: Town) -> None:
    """While somebody holds the events table, what comes waits; afterwards nothing lags."""
    until(lambda: all_ready(town), "every service is ready")
    await_rest(town)
    where = {"group": "enrolment.intake", "topic": "zeren.enrolment.intake.v1", "partition": str(PARTITION)}
    school, day = town.parties["school"], (business_date(town.local) or date.min) + timedelta(days=1)
    with town.servers.postgres.connect("enrolment") as holding, holding.transaction():
        holding.execute("LOCK TABLE events IN EXCLUSIVE MODE")
        for _ in range(3):
            value = class_application(school, day)
            town.send([Outgoing(value=value, headers=school.signed(value), partition=PARTITION)])
        seconds = scraped(town, "enrolment").total(LAG_SECONDS, **where) or 0.0
        until(
            lambda: (scraped(town, "enrolment").total(LAG_SECONDS, **where) or 0.0) > seconds + 1.0,
            "the lag grows in seconds",
        )
        found = scraped(town, "enrolment")
        assert found.total(LAG_OFFSETS, **where) == 3
        assert found.total(LAG_OFFSETS, group="enrolment.intake") == 3
    town.await_decided()
    await_rest(town)
    until(lambda: scraped(town, "enrolment").most(LAG_SECONDS) == 0, "nothing lags any more")
    assert scraped(town, "enrolment").total(LAG_OFFSETS) == 0
