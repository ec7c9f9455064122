"""What a run of `make chaos` came to: its verdict, its figures by kind, and what it must have had."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from tests.chaos.history import Happened
from tests.chaos.plan import TARGETS, plan
from tests.chaos.report import Report

STEPS = dict.fromkeys(TARGETS, range(1, 20))


def _report(kills: int = 30) -> Report:
    at = datetime(2024, 8, 5, tzinfo=UTC)
    faults = [
        Happened(fault=one, at=at, ready_seconds=float(one.number), open_seen=one.inside)
        for one in plan(1, kills, STEPS)
    ]
    return Report(seed=1, kills=kills, trainees=300, faults=faults, findings={"streams": []})


def test_a_single_finding_fails_the_run() -> None:
    """Whatever found it."""
    report = _report()
    assert report.passed
    report.findings["ledger"] = ["a leaf is missing"]
    assert not report.passed
    assert any("a leaf is missing" in line for line in report.lines())


def test_a_run_with_too_few_faults_of_a_kind_says_so() -> None:
    """Three of each, ten inside an open transaction; a run that was asked for fewer may have fewer."""
    report = _report()
    assert report.too_few() == []
    report.faults = [one for one in report.faults if one.fault.target != "kafka"]
    assert [line for line in report.too_few() if "kafka" in line]
    report.faults = [replace(one, open_seen=False) for one in report.faults]
    assert [line for line in report.too_few() if "inside" in line]
    assert _report(5).too_few() == []


def test_the_report_file_tells_everything(tmp_path: Path) -> None:
    """Seed, faults by kind with recovery times, those inside open transactions, verdict; for its owner alone."""
    report = _report()
    report.write(tmp_path / "chaos.json")
    row = json.loads((tmp_path / "chaos.json").read_text("utf-8"))
    assert (row["seed"], row["verdict"], row["faults_done"]) == (1, "passed", 30)
    assert row["inside_open_transactions"] == report.inside >= 10
    assert set(row["by_kind"]) == set(TARGETS)
    assert sum(kind["kill"] + kind["stop"] for kind in row["by_kind"].values()) == 30
    assert all(kind["ready_median"] <= kind["ready_most"] for kind in row["by_kind"].values())
    assert (tmp_path / "chaos.json").stat().st_mode & 0o077 == 0
