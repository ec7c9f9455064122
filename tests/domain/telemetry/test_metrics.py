"""Metrics: one registry a process, moved once a batch, read as Prometheus reads them."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from prometheus_client.parser import text_string_to_metric_families

from shared.eventstore.memory import MemoryStore
from shared.eventstore.store import Conflict
from shared.telemetry import counted, seen
from shared.telemetry.catalogue import METRICS
from shared.telemetry.counted import (
    BATCH_UNITS,
    CONFLICTS,
    FACTS,
    OUTCOMES,
    RECEIPTS,
    TRANSACTION_BYTES,
    TRANSACTION_FACTS,
    TRANSACTION_SECONDS,
)
from shared.telemetry.metric import Metric
from shared.telemetry.metrics import Metrics, Seen
from shared.telemetry.seen import CPU, LAG_OFFSETS, READY
from tests.domain.kernel.intake_world import IntakeWorld, apply_class, document

CHINESE = re.compile(r"[\u4e00-\u9fff]")
FEW_VALUES = {
    "group", "topic", "partition", "outcome", "kind", "projection", "follower", "source", "part", "what", "state",
}  # fmt: skip
"""The labels that there are: services' own parts, never an organisation, a person or a case."""


def told(metrics: Metrics) -> dict[str, float]:
    """Every sample by "name{label=value,…}", the service left out."""
    found = {}
    for family in text_string_to_metric_families(metrics.text().decode()):
        for sample in family.samples:
            labels = ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()) if k != "service")
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def of(metrics: Metrics, metric: Metric, suffix: str = "") -> dict[str, float]:
    """The samples of one metric."""
    name = metric.name + suffix
    return {key: value for key, value in told(metrics).items() if key.partition("{")[0] == name}


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_metric_has_its_name_by_the_conventions_and_both_languages(metric):
    """`zeren_`, base units, `_total` for counters alone; what it tells and what to do, in Chinese and English."""
    assert re.fullmatch(r"zeren_[a-z]+(_[a-z]+)*", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert bool(metric.buckets) == (metric.kind == "histogram")
    for unit in ("seconds", "bytes"):
        assert (metric.unit == unit) == (f"_{unit}" in metric.name)
    for chinese, english in ((metric.zh, metric.en), (metric.do_zh, metric.do_en)):
        assert CHINESE.search(chinese)
        assert english
        assert not CHINESE.search(english)
    assert set(metric.labels) <= FEW_VALUES


def test_every_metric_that_is_declared_is_told_of():
    """None is left out of the catalogue, and no name stands twice."""
    declared = {
        value.name
        for module in (counted, seen)
        for value in vars(module).values()
        if isinstance(value, Metric)
    }
    assert {metric.name for metric in METRICS} == declared
    assert max(Counter(metric.name for metric in METRICS).values()) == 1


def test_a_batch_moves_its_counters_and_histograms_once():
    """Two submissions in one batch: as many facts and bytes as were written, one transaction, receipts by outcome."""
    world = IntakeWorld()
    metrics = world.executor.metrics
    before, head = told(metrics), world.store.head()
    world.send(apply_class(), document("Unheard", "odd"))
    written = world.store.page(head, 100)
    after = told(metrics)
    moved = {key: value - before[key] for key, value in after.items() if value != before[key]}
    assert moved["zeren_facts_total"] == len(written)
    assert moved["zeren_transaction_bytes_sum"] == sum(len(row.state) for row in written)
    assert moved["zeren_transaction_facts_sum"] == len(written)
    for name in ("transaction_facts", "transaction_bytes", "batch_units", "batch_seconds"):
        assert moved[f"zeren_{name}_count"] == 1
    assert moved["zeren_transaction_seconds_count{kind=decide}"] == 1
    assert moved["zeren_batch_units_sum"] == 2
    assert {key: value for key, value in moved.items() if key.startswith(RECEIPTS.name)} == {
        "zeren_receipts_total{outcome=accepted}": 1,
        "zeren_receipts_total{outcome=rejected}": 1,
    }


def test_what_becomes_of_submissions_is_counted_by_outcome():
    """Quarantined, parked and sent again are told apart; a batch that decides nothing new writes no facts."""
    world = IntakeWorld()
    metrics = world.executor.metrics
    world.send(apply_class())
    facts = of(metrics, FACTS)
    world.send(apply_class())
    assert of(metrics, FACTS) == facts
    world.deliver(world.record(b"junk", None))
    world.send(document("CompleteClass", "early", class_ref="never-applied"))
    found = of(metrics, RECEIPTS)
    assert {key: found[f"zeren_receipts_total{{outcome={key}}}"] for key in OUTCOMES} == {
        "accepted": 1, "rejected": 0, "quarantined": 1, "parked": 1, "waiting": 0, "resent": 1, "completed": 0,
        "ignored": 0,
    }  # fmt: skip


class Contested(MemoryStore):
    """A store in which somebody else writes first, so many times."""

    times = 0

    def commit(self, changes):
        """Loses while there are times left."""
        if self.times:
            self.times -= 1
            raise Conflict("somebody was first", frozenset())
        return super().commit(changes)


def test_a_batch_that_is_decided_again_is_one_batch_with_conflicts():
    """What was thrown away is not counted as written."""
    store = Contested()
    world = IntakeWorld(store)
    metrics = world.executor.metrics
    before, transactions = of(metrics, FACTS), of(metrics, TRANSACTION_SECONDS, "_count")
    batches, head = of(metrics, BATCH_UNITS, "_count"), store.head()
    store.times = 2
    world.send(apply_class())
    assert of(metrics, CONFLICTS) == {"zeren_conflicts_total": 2}
    (count,) = of(metrics, FACTS).values()
    assert count - sum(before.values()) == store.head() - head
    assert sum(of(metrics, BATCH_UNITS, "_count").values()) == sum(batches.values()) + 1
    assert sum(of(metrics, TRANSACTION_SECONDS, "_count").values()) == sum(transactions.values()) + 1


def test_counters_are_shown_before_they_first_move():
    """A rate needs the nought that it starts from."""
    metrics = Metrics("payment")
    assert of(metrics, FACTS) == {"zeren_facts_total": 0}
    assert set(of(metrics, RECEIPTS).values()) == {0}
    assert of(metrics, TRANSACTION_FACTS, "_count") == {"zeren_transaction_facts_count": 0}
    assert "decide" not in str(of(metrics, TRANSACTION_SECONDS, "_count"))
    metrics.expect(TRANSACTION_SECONDS, "decide")
    assert of(metrics, TRANSACTION_SECONDS, "_count") == {"zeren_transaction_seconds_count{kind=decide}": 0}


def test_processes_do_not_share_a_registry():
    """Nothing is kept beside the object that was handed in; each sample says whose it is."""
    one, other = Metrics("payment"), Metrics("audit")
    one.add(FACTS, 3)
    assert (told(one)["zeren_facts_total"], told(other)["zeren_facts_total"]) == (3, 0)
    families = list(text_string_to_metric_families(one.text().decode()))
    assert {sample.labels["service"] for family in families for sample in family.samples} == {"payment"}


def test_a_look_replaces_what_was_seen_before():
    """What is seen no longer is absent; values keep their labels in order."""
    metrics = Metrics("payment")
    metrics.seen = [Seen(LAG_OFFSETS, 7, ("payment.intake", "t", "0")), Seen(READY, 1, ("relay",))]
    assert of(metrics, LAG_OFFSETS) == {
        "zeren_consumer_lag_offsets{group=payment.intake,partition=0,topic=t}": 7
    }
    metrics.seen = [Seen(READY, 0, ("relay",)), Seen(CPU, 1.5)]
    assert of(metrics, LAG_OFFSETS) == {}
    assert of(metrics, READY) == {"zeren_ready{part=relay}": 0}
    assert of(metrics, CPU) == {"zeren_process_cpu_seconds_total": 1.5}


def test_the_text_is_whole_and_has_help_for_everything():
    """Each family has its type and its help in both languages; no series of creation times."""
    metrics = Metrics("payment")
    metrics.observe(TRANSACTION_BYTES, 900)
    text = metrics.text().decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert "_created" not in text
    assert {"zeren_facts", "zeren_transaction_bytes"} <= families.keys()
    for family in families.values():
        assert " / " in family.documentation
        assert family.type in ("counter", "histogram", "gauge")
