"""Alerts and the status rest on metrics that the code really exposes, with the same thresholds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import promql_parser
import pytest
import yaml

from shared.telemetry.catalogue import METRICS
from shared.telemetry.metric import SERVICE, Metric
from tests.architecture.tree import ROOT
from zeren.stack import thresholds

PROMETHEUS = ROOT / "deploy" / "prometheus"
NAME = re.compile(r"\bzeren_\w+")
SELECTOR = re.compile(r"(zeren_\w+)\{([^}]*)\}")
GROUPING = re.compile(r"\bby \(([^)]*)\)")
CHINESE = re.compile(r"[\u4e00-\u9fff]")
EXPOSED = {
    metric.name + suffix: metric
    for metric in METRICS
    for suffix in (("_bucket", "_sum", "_count") if metric.kind == "histogram" else ("",))
}
"""By the name under which Prometheus stores it."""
ITS_OWN = {"instance", "job", "le"}
"""Labels that Prometheus adds, and that of a histogram's buckets."""
SAME = {
    "ZerenConsumerLag": thresholds.LAG_SECONDS,
    "ZerenRelayBehind": thresholds.RELAY_AGE_SECONDS,
    "ZerenProjectionBehind": thresholds.PROJECTION_LAG_SECONDS,
    "ZerenLedgerBehind": thresholds.LEDGER_AGE_SECONDS,
    "ZerenFactsParked": thresholds.PARKED_FACTS,
    "ZerenSubmissionsAwaitOperator": thresholds.PARKED_FOR_OPERATORS,
    "ZerenMemoryHigh": thresholds.MEMORY_BYTES,
}
"""By alert, from where on `zeren status` calls the same thing wrong."""


def rules() -> list[dict[str, Any]]:
    """Every alert."""
    read = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text("utf-8"))
    return [rule for group in read["groups"] for rule in group["rules"]]


def named(expression: str) -> Iterator[Metric | None]:
    """The metrics of an expression; None for one that nobody exposes."""
    return (EXPOSED.get(name) for name in NAME.findall(expression))


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_rests_on_what_is_exposed(rule: dict[str, Any]) -> None:
    """Names and labels are those of the catalogue; what to do stands in both languages or is a command."""
    metrics = list(named(rule["expr"]))
    assert None not in metrics
    labels = {SERVICE, *(label for metric in metrics if metric for label in metric.labels)} | ITS_OWN
    for _, selector in SELECTOR.findall(rule["expr"]):
        assert {one.partition("=")[0].strip() for one in selector.split(",")} <= labels
    for grouping in GROUPING.findall(rule["expr"]):
        assert {one.strip() for one in grouping.split(",")} <= labels
    assert set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"]))) <= labels
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert " / " in rule["annotations"]["summary"]
    assert CHINESE.search(rule["annotations"]["summary"])
    assert rule["annotations"]["action"]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_is_one_that_prometheus_loads(rule: dict[str, Any]) -> None:
    """Its expression is PromQL and compares with something; nothing stands in it that a rule has no place for."""
    assert rule.keys() <= {"alert", "expr", "for", "keep_firing_for", "labels", "annotations"}
    assert isinstance(promql_parser.parse(rule["expr"]), promql_parser.BinaryExpr)
    assert re.fullmatch(r"\d+[smhd]", rule.get("for", "0s"))
    values = [*rule["labels"].values(), *rule["annotations"].values()]
    assert all(isinstance(value, str) for value in values)


def test_alerts_have_names_of_their_own_and_watch_everything_that_may_stand_still() -> None:
    """What the issue promises to watch has an alert."""
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names)
    watched = {metric.name for rule in rules() for metric in named(rule["expr"]) if metric}
    assert {
        "zeren_partition_stopped", "zeren_ready", "zeren_waiting", "zeren_source_up", "zeren_parked_facts",
        "zeren_parked_submissions", "zeren_consumer_lag_seconds", "zeren_relay_age_seconds",
        "zeren_projection_lag_seconds", "zeren_ledger_age_seconds", "zeren_transaction_seconds",
        "zeren_conflicts_total",
    } <= watched  # fmt: skip


@pytest.mark.parametrize("alert", SAME)
def test_alerts_and_status_call_the_same_wrong(alert: str) -> None:
    """One threshold, in two places."""
    (rule,) = (rule for rule in rules() if rule["alert"] == alert)
    assert float(rule["expr"].rpartition(">")[2]) == SAME[alert]


def test_the_scrape_example_loads_the_alerts_and_names_every_service() -> None:
    """Four targets on this machine, and the rules beside it."""
    read = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text("utf-8"))
    assert read["rule_files"] == ["alerts.yml"]
    (job,) = read["scrape_configs"]
    (targets,) = job["static_configs"]
    assert len(targets["targets"]) == 4
    assert all(target.startswith("127.0.0.1:") for target in targets["targets"])
