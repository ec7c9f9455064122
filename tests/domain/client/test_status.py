"""`zeren status`: figures out of metrics, what is wrong first, exit codes, and a screen that lives until Ctrl-C."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.telemetry.counted import FACTS, RECEIPTS, TRANSACTION_SECONDS
from shared.telemetry.metric import Metric
from shared.telemetry.metrics import Metrics, Seen
from shared.telemetry.seen import (
    LAG_OFFSETS,
    LAG_SECONDS,
    LEDGER_AGE,
    LEDGER_SIZE,
    MEMORY,
    PARKED_FACTS,
    PARKED_SUBMISSIONS,
    PROJECTION_LAG_SECONDS,
    RELAY_AGE,
    UNSENT_FACTS,
    WAITING,
)
from zeren.cli import status
from zeren.cli.entry import main
from zeren.stack.figures import figures
from zeren.stack.overview import Overview
from zeren.stack.scrape import Scrape
from zeren.stack.state import StateFolder
from zeren.stack.wrong import in_answer, in_metrics, worth_knowing

START = "zeren up"
WHERE = "payment.intake zeren.payment.intake.v1/3"


@pytest.fixture
def metrics() -> Metrics:
    made = Metrics("payment")
    made.expect(TRANSACTION_SECONDS, "decide")
    return made


def scraped(metrics: Metrics, at: float = 0.0) -> Scrape:
    return Scrape(metrics.text().decode(), at)


def test_rates_are_those_between_two_looks(metrics: Metrics) -> None:
    """None without a look before, and none where the process began anew meanwhile."""
    metrics.add(FACTS, 100)
    before = scraped(metrics, 10.0)
    metrics.add(FACTS, 50)
    now = scraped(metrics, 12.0)
    assert now.per_second(FACTS, before) == 25.0
    assert now.per_second(FACTS, None) is None
    assert scraped(Metrics("payment"), 14.0).per_second(FACTS, now) is None


def test_quantiles_are_of_what_came_since_the_look_before(metrics: Metrics) -> None:
    """Evenly within a bucket; of everything where nothing came since, and none where nothing ever was."""
    assert scraped(metrics).quantile(TRANSACTION_SECONDS, 0.5) is None
    for _ in range(100):
        metrics.observe(TRANSACTION_SECONDS, 0.004, "decide")
    before = scraped(metrics)
    assert before.quantile(TRANSACTION_SECONDS, 0.5, kind="decide") == pytest.approx(0.00375)
    assert before.quantile(TRANSACTION_SECONDS, 0.5, kind="ledger") is None
    assert scraped(metrics).quantile(TRANSACTION_SECONDS, 0.5, before) == pytest.approx(0.00375)
    for _ in range(4):
        metrics.observe(TRANSACTION_SECONDS, 0.2, "decide")
    now = scraped(metrics)
    assert now.quantile(TRANSACTION_SECONDS, 0.5, before) == pytest.approx(0.175)
    assert now.quantile(TRANSACTION_SECONDS, 0.5) == pytest.approx(0.0025 + 0.0025 * 52 / 100)
    metrics.observe(TRANSACTION_SECONDS, 1_000, "decide")
    assert scraped(metrics).quantile(TRANSACTION_SECONDS, 1.0) == 60.0


def test_figures_tell_the_worst_of_each(metrics: Metrics) -> None:
    """Lag summed in records and the longest in seconds; a ledger's transactions where it keeps one."""
    metrics.add(RECEIPTS, 3, "accepted")
    metrics.observe(TRANSACTION_SECONDS, 0.004, "decide")
    metrics.observe(TRANSACTION_SECONDS, 0.4, "ledger")
    rows = [
        Seen(metric, value, ("payment.intake", "zeren.payment.intake.v1", str(partition)))
        for metric, value, partition in ((LAG_OFFSETS, 5, 0), (LAG_OFFSETS, 7, 1), (LAG_SECONDS, 2.5, 1))
    ]
    metrics.seen = rows
    found = figures(scraped(metrics))
    assert (found.lag_records, found.lag_seconds) == (12, 2.5)
    assert (found.receipts["accepted"], found.receipts["parked"]) == (3, 0)
    assert found.transaction_p50_ms == pytest.approx(3.75)
    assert (found.facts, found.parked_facts, found.ledger_size) == (None, None, None)
    metrics.seen = [*rows, Seen(LEDGER_SIZE, 40)]
    kept = figures(scraped(metrics))
    assert (kept.ledger_size, kept.transaction_p50_ms) == (40, pytest.approx(375.0))


READY = {"ready": True, "database": True, "kafka": True, "stopped": {}}


def found_in(metrics: Metrics, *rows: Seen) -> list[str]:
    metrics.seen = rows
    return [one.finding.check for one in in_metrics("payment", scraped(metrics))]


@pytest.mark.parametrize(
    ("metric", "labels", "fine", "wrong", "check"),
    [
        (LAG_SECONDS, ("payment.intake", "zeren.payment.intake.v1", "3"), 30.0, 30.1, f"lag {WHERE}"),
        (RELAY_AGE, (), 15.0, 15.1, "relay payment"),
        (PROJECTION_LAG_SECONDS, ("claims_by_stage",), 30.0, 30.1, "read model payment"),
        (LEDGER_AGE, (), 60.0, 60.1, "ledger"),
        (PARKED_FACTS, ("failed",), 0, 1, "parked payment"),
        (PARKED_SUBMISSIONS, ("operator",), 0, 1, "parked payment"),
        (WAITING, ("vault",), 0, 1, "vault payment"),
        (WAITING, ("files",), 0, 1, "files payment"),
        (MEMORY, (), 500e6, 501e6, "memory payment"),
    ],
)
def test_a_figure_is_wrong_above_its_threshold_alone(
    metrics: Metrics, metric: Metric, labels: tuple[str, ...], fine: float, wrong: float, check: str
) -> None:
    """Each is told with what to do, in both languages."""
    assert found_in(metrics, Seen(metric, fine, labels)) == []
    assert found_in(metrics, Seen(metric, wrong, labels)) == [check]
    (one,) = in_metrics("payment", scraped(metrics))
    assert " / " in one.finding.found
    assert " / " in one.finding.advice
    assert "{" not in one.finding.found + one.finding.advice


@pytest.mark.parametrize(
    ("metric", "labels"),
    [
        (PARKED_SUBMISSIONS, ("fact",)),
        (PARKED_SUBMISSIONS, ("key",)),
        (PARKED_FACTS, ("behind",)),
        (UNSENT_FACTS, ()),
        (WAITING, ("database",)),
        (LAG_OFFSETS, ("payment.intake", "zeren.payment.intake.v1", "3")),
    ],
)
def test_what_goes_on_by_itself_or_is_told_elsewhere_is_not_wrong(
    metrics: Metrics, metric: Metric, labels: tuple[str, ...]
) -> None:
    """Submissions that wait for a fact, facts behind a failed one, an outage that readiness tells of."""
    assert found_in(metrics, Seen(metric, 1, labels)) == []


def test_what_waits_or_got_no_answer_is_told_though_it_is_not_wrong(metrics: Metrics) -> None:
    """By what it waits for, with what to do; what an operator must mend is wrong, and not told twice."""
    metrics.seen = [Seen(PARKED_SUBMISSIONS, 0, ("fact",)), Seen(PARKED_SUBMISSIONS, 5, ("operator",))]
    assert list(worth_knowing("payment", scraped(metrics))) == []
    metrics.add(RECEIPTS, 3, "quarantined")
    metrics.seen = [
        Seen(PARKED_SUBMISSIONS, count, (kind,)) for count, kind in ((1, "fact"), (2, "key"), (5, "operator"))
    ]
    waiting, quarantined = worth_knowing("payment", scraped(metrics))
    assert (waiting.check, quarantined.check) == ("parked payment", "quarantine payment")
    assert "3 份报送在等待：前序事实 1、密钥登记 2、他方回执 0" in waiting.found
    assert "zeren parked list" in waiting.advice
    assert "quarantined since the process started: 3;" in quarantined.found
    assert "{" not in waiting.found + waiting.advice + quarantined.found + quarantined.advice


def test_the_worst_comes_first(metrics: Metrics) -> None:
    """Stopped partitions, not ready, outages, parked, lag, ages, room: whatever the order of asking."""
    metrics.seen = [
        Seen(MEMORY, 1e9),
        Seen(RELAY_AGE, 99.0),
        Seen(LAG_SECONDS, 99.0, ("payment.intake", "zeren.payment.intake.v1", "3")),
        Seen(PARKED_FACTS, 2, ("failed",)),
        Seen(WAITING, 1, ("vault",)),
    ]
    ready = {**READY, "ready": False, "relay": False, "projector": False, "stopped": {WHERE: "gap: x"}}
    found = [*in_metrics("payment", scraped(metrics)), *in_answer("payment", ready, START)]
    checks = [one.finding.check for one in sorted(found, key=lambda one: one.rank)]
    assert checks == [
        f"partition {WHERE}", "service payment", "service payment", "vault payment", "parked payment",
        f"lag {WHERE}", "relay payment", "memory payment",
    ]  # fmt: skip


def test_a_service_that_is_well_has_nothing_wrong(metrics: Metrics) -> None:
    """Neither in its answer nor in its figures."""
    assert [*in_answer("payment", READY, START), *in_metrics("payment", scraped(metrics))] == []


def shown(**changes: Any) -> dict[str, Any]:
    """What a look at a stack shows: payment is there with figures, audit does not answer."""
    metrics = Metrics("payment")
    metrics.add(RECEIPTS, 4, "accepted")
    metrics.add(RECEIPTS, 1, "quarantined")
    found = {name: getattr(figures(scraped(metrics)), name) for name in figures(scraped(metrics)).__slots__}
    row = {"name": "payment", "ready": True, "url": "http://127.0.0.1:1", "detail": READY}
    silent = {"name": "audit", "ready": False, "url": "", "detail": {}, "figures": None}
    one = {"name": "payment", "pid": 7, "running": True, "memory_bytes": 120_000_000, "log": "l"}
    return {
        "state": "/s/up", "ready": True, "well": True, "wrong": [], "notes": [], "missing": [], "processes": [one],
        "services": [{**row, "figures": {**found, "facts": 12_345, "facts_per_second": 250.0}}, silent],
        "disks": [{"folder": "/s", "free_bytes": 3_000_000_000}], "business_date": "2024-05-14",
        "ledger_vkey": "k+1", **changes,
    }  # fmt: skip


WRONG = [{"check": f"partition {WHERE}", "found": "分区已停止 / the partition stopped", "advice": "看 / see"}]

NOTES = [{"check": "parked payment", "found": "1 份在等待 / 1 waits", "advice": "zeren parked list"}]


@pytest.fixture
def looking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Has the command see this, look by look; Ctrl-C is pressed after the last. Nothing is waited for."""
    root = tmp_path / "states"
    monkeypatch.setenv("ZEREN_STATE_ROOT", str(root))
    monkeypatch.delenv("ZEREN_STATE", raising=False)
    StateFolder(root / "up")

    def see(*looks: dict[str, Any]) -> None:
        rest: Iterator[dict[str, Any]] = iter(looks)

        def look(*_arguments: object) -> Overview:
            try:
                return Overview(next(rest), {})
            except StopIteration:
                raise KeyboardInterrupt from None

        monkeypatch.setattr(status, "overview", look)
        monkeypatch.setattr(status, "scrapes", lambda _stack: {})

    return see


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, 0),
        ({"wrong": WRONG}, 1),
        ({"ready": False, "wrong": WRONG}, 3),
        ({"ready": False, "missing": ["audit"], "wrong": WRONG}, 3),
    ],
)
def test_the_exit_code_tells_well_wrong_and_not_running_apart(
    looking: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, Any],
    code: int,
) -> None:
    """0, 1 and 3, alike for people and for machines; JSON is the look itself."""
    look = shown(**changes)
    looking(look)
    assert main(["status", "--json"]) == code
    assert json.loads(capsys.readouterr().out) == look
    looking(look)
    assert main(["status"]) == code


def test_the_screen_has_what_is_wrong_before_everything_else(
    looking: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    """Then each service with its figures, one that does not answer too, then processes, disks and the key."""
    looking(shown(wrong=WRONG))
    main(["status"])
    screen = capsys.readouterr().out
    order = [f"partition {WHERE}", "→ 看 / see", "│ payment", "│ audit", "│ payment", "3.0 GB", "k+1"]
    at = 0
    for text in order:
        at = screen.index(text, at) + 1
    row = next(line for line in screen.splitlines() if line.startswith("│ payment"))
    assert "12,345" in row
    assert "250.0" in row
    assert "4·0·1·0·0" in row
    silent = next(line for line in screen.splitlines() if line.startswith("│ audit"))
    assert "无应答 / silent" in silent


@pytest.mark.parametrize(
    ("changes", "head"),
    [
        ({}, "✓ 一切正常 / all is well"),
        ({"notes": NOTES}, "✓ 没有异常，但请留意 / nothing is wrong, but note"),
        ({"wrong": WRONG}, "✗ 1 处异常 / 1 thing is wrong"),
        ({"wrong": WRONG * 2, "notes": NOTES}, "✗ 2 处异常 / 2 things are wrong"),
    ],
)
def test_all_is_well_only_where_there_is_nothing_to_know_either(
    looking: Callable[..., None], capsys: pytest.CaptureFixture[str], changes: dict[str, Any], head: str
) -> None:
    """What is wrong stands before what is to be known; a note alone changes no exit code."""
    looking(shown(**changes))
    assert main(["status"]) == (1 if "wrong" in changes else 0)
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    told = [*changes.get("wrong", ()), *changes.get("notes", ())]
    assert lines[1] == head
    assert lines[2 : 2 + 2 * len(told) : 2] == [f"{one['check']}: {one['found']}" for one in told]
    assert lines[3 : 3 + 2 * len(told) : 2] == [f"→ {one['advice']}" for one in told]


@pytest.mark.parametrize(
    ("arguments", "seconds"),
    [([], None), (["--watch"], 2.0), (["--watch", "--json"], 2.0), (["--watch", "5", "--json"], 5.0)],
)
def test_how_often_to_look_may_be_left_out(arguments: list[str], seconds: float | None) -> None:
    """Every two seconds then; without the option the command looks once."""
    assert status.status.make_context("status", arguments).params["watch"] == seconds


def test_watching_shows_look_after_look_until_ctrl_c(
    looking: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    """Its end is no failure; for machines each look is one line."""
    looking(shown(business_date="2024-05-14"), shown(business_date="2024-05-15"))
    assert main(["status", "--watch", "0.2"]) == 0
    screen = capsys.readouterr().out
    assert screen.index("2024-05-14") < screen.index("2024-05-15")
    looking(shown(), shown(wrong=WRONG))
    assert main(["status", "--json", "--watch", "0.2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [len(json.loads(line)["wrong"]) for line in lines] == [0, 1]
