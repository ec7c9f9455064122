"""`zeren trace`: waterfalls of spans, and a history in which no fact stands before its cause."""

from __future__ import annotations

import importlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner

from shared.contracts.fact import SERVICES, registered
from zeren.cli.entry import zeren
from zeren.cli.fact_names import FACT_NAMES, fact_name
from zeren.cli.trace import EXPIRED, KEPT, MISSING, NOT_SAMPLED, _state, in_causal_order, show
from zeren.cli.waterfall import BAR, bar, duration, waterfall

TRACE = "0af7651916cd43dd8448eb211c80319c"
MS = 1_000_000


def _span(name: str, parent: str = "", *, start: int = 0, end: int = 10, **more: Any) -> dict[str, Any]:
    return {
        "trace": TRACE, "span": name, "parent": parent, "service": "payment", "name": f"span {name}",
        "kind": "INTERNAL", "start_ns": start * MS, "end_ns": end * MS, "attributes": {}, "links": [], "error": "",
    } | more  # fmt: skip


def _fact(name: str, cause: str = "", **more: Any) -> dict[str, Any]:
    return {
        "id": name, "causationid": cause, "index": 1, "time": "2026-11-24T01:00:00.123456Z",
        "type": "zeren.payment.SubsidyPaid.v1", "subject": "s", "actor": "handler:h-8", "duty": "D8",
        "businessdate": "2024-06-05", "traceparent": f"00-{TRACE}-b7ad6b7169203331-01",
    } | more  # fmt: skip


def test_children_stand_under_their_parents_by_start() -> None:
    """Each with its offset, its duration and a bar on the trace's own time."""
    spans = [
        _span("c", "b", start=6, end=8),
        _span("late", "a", start=9, end=10),
        _span("a", start=0, end=10),
        _span("b", "a", start=5, end=8),
    ]
    lines = waterfall(spans)
    assert [line.name for line in lines] == ["span a", "└ span b", "  └ span c", "└ span late"]
    assert [(line.offset, line.duration) for line in lines] == [
        ("0.0 ms", "10.0 ms"), ("5.0 ms", "3.0 ms"), ("6.0 ms", "2.0 ms"), ("9.0 ms", "1.0 ms"),
    ]  # fmt: skip
    assert lines[0].bar == "█" * BAR
    assert lines[1].bar.strip() == "█" * 10
    assert {len(line.bar) for line in lines} == {BAR}


def test_spans_without_their_parents_and_circles_are_shown_all_the_same() -> None:
    """What came is drawn, whatever is missing; each once."""
    spans = [_span("x", "gone"), _span("a", "b", start=1), _span("b", "a", start=2), _span("self", "self")]
    assert sorted(line.name.strip("└ ") for line in waterfall(spans)) == [
        "span a", "span b", "span self", "span x",
    ]  # fmt: skip
    assert waterfall([]) == []


@pytest.mark.parametrize(
    ("start", "end", "drawn"),
    [
        (0.0, 1.0, "█" * BAR),
        (0.5, 0.5, "▌"),
        (1.0, 1.0, "▌"),
        (0.0, 0.0, "▌"),
        (0.25, 0.75, "█" * (BAR // 2)),
    ],
)
def test_a_bar_has_its_place_and_never_vanishes(start: float, end: float, drawn: str) -> None:
    made = bar(start, end)
    assert (made.strip(), len(made)) == (drawn, BAR)


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [(0, "0.0 ms"), (12_345_678, "12.3 ms"), (1_500_000_000, "1.5 s"), (600 * 10**9, "10 min"),
     (3 * 3600 * 10**9, "3.0 h"), (60 * 86_400 * 10**9, "60.0 d")],
)  # fmt: skip
def test_durations_are_for_people(nanoseconds: int, text: str) -> None:
    assert duration(nanoseconds) == text


def test_no_fact_stands_before_its_cause() -> None:
    """Otherwise the order stays; facts in a circle, or of causes that aren't there, stay too."""
    facts = [
        _fact("a"),
        _fact("d", "c"),
        _fact("b", "elsewhere"),
        _fact("c", "b"),
        _fact("x", "y"),
        _fact("y", "x"),
    ]
    assert [fact["id"] for fact in in_causal_order(facts)] == ["a", "b", "c", "d", "y", "x"]


def test_why_a_trace_has_no_spans_is_told() -> None:
    """Not sampled, past its days, or not there: three things to do."""
    now = datetime.now(UTC)
    young, old = now.isoformat(), (now - timedelta(days=8)).isoformat()
    unsampled = f"00-{TRACE}-b7ad6b7169203331-00"
    assert _state([_fact("a", time=young)], [_span("a")], 7) == KEPT
    assert _state([_fact("a", time=old, traceparent=unsampled)], [], 7) == NOT_SAMPLED
    assert _state([_fact("a", time=old)], [], 7) == EXPIRED
    assert _state([_fact("a", time=young)], [], 7) == MISSING
    assert _state([], [], 7) == MISSING


def test_what_is_shown_names_both_languages(capsys: pytest.CaptureFixture[str]) -> None:
    """A waterfall with its failure marked, a trace without spans with its reason, and the history."""
    failed = _span("b", "a", start=2, end=4, error="KafkaError", attributes={"zeren.outcome": "accepted"})
    fact = _fact("f")
    entry = {**fact, "business_date": fact["businessdate"], "trace": TRACE}
    show(
        {
            "claim": {"claim_id": "c-1", "state": "PAID"},
            "days": 7,
            "traces": [
                {"trace": TRACE, "state": KEPT, "spans": [_span("a"), failed]},
                {"trace": "f" * 32, "state": EXPIRED, "spans": []},
            ],
            "history": [entry],
        }
    )
    shown = capsys.readouterr().out
    assert "✗ KafkaError accepted" in shown
    assert "片段已过保存期（7 天）" in shown
    assert "past their 7 days" in shown
    assert "已支付 / SubsidyPaid" in shown
    assert "handler:h-8" in shown


@pytest.mark.parametrize(
    "arguments",
    [[], ["--submission", "s"], ["--institution", "9"], ["--trace", "xyz"], ["--trace", "0" * 32],
     ["5d1f0e9a-0000-4000-8000-000000000001", "--trace", TRACE], ["no-uuid"]],
)  # fmt: skip
def test_a_wrong_call_is_told_with_exit_code_2(arguments: list[str]) -> None:
    """Before any service is asked."""
    answer = CliRunner().invoke(zeren, ["trace", *arguments])
    assert answer.exit_code == 2, answer.output


def test_every_fact_has_a_chinese_name() -> None:
    """None is superfluous; what is no fact of ours keeps its own."""
    for service in (*SERVICES, "intake"):
        importlib.import_module(f"shared.contracts.{service}")
    titles = {entry.title for entry in registered()}
    assert len(titles) > 40
    assert titles == set(FACT_NAMES)
    assert fact_name("com.example.Odd") == "com.example.Odd"
