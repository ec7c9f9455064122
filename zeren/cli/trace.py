"""`zeren trace`: what happened in a claim or a submission, across all services: its traces and its joined history."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from shared.identity import receipt_id
from shared.telemetry.traceparent import is_sampled, trace_id
from zeren.cli.audit import replayed
from zeren.cli.fact_names import fact_name
from zeren.cli.output import console, fail, json_option, print_json, print_table
from zeren.cli.states import local, state_option
from zeren.cli.waterfall import waterfall
from zeren.stack.client import Local

DECIDING = ("enrolment", "certification", "payment")
TRACES_AT_ONCE = 40
MAX_LINES = 200
"""Spans of one trace that are drawn; --json has them all."""

KEPT, NOT_SAMPLED, EXPIRED, MISSING = "kept", "not_sampled", "expired", "missing"
WHY = {
    NOT_SAMPLED: "未采样：当时的采样率未选中它 / not sampled when it ran, see OTEL_TRACES_SAMPLER",
    EXPIRED: "片段已过保存期（{days} 天），事实仍在 / its spans are past their {days} days; the facts stay",
    MISSING: "没有片段：在途、已丢弃或送往别处 / no spans: on their way, dropped, or sent to another collector",
}

Fact = Mapping[str, Any]


@click.command()
@click.argument("claim_id", type=click.UUID, required=False)
@click.option(
    "--trace", "trace", metavar="TRACEID", help="只看一条轨迹（32 位十六进制） / one trace, by its id"
)
@click.option(
    "--submission", metavar="ID", help="一份报送，连同 --institution / one submission, with --institution"
)
@click.option("--institution", metavar="USCC", help="报送机构的代码 / the USCC of its sender")
@state_option
@json_option
def trace(
    claim_id: object,
    *,
    trace: str | None,
    submission: str | None,
    institution: str | None,
    state_name: str | None,
    as_json: bool,
) -> None:
    """一笔申领的轨迹与经过 / The traces of a claim as waterfalls, and its history joined over all services.

    申领历时数月，由多条轨迹相连：每份报送、每个办理动作各一条 / A claim lives for months: each submission and each
    action has a trace of its own, and the facts join them.
    """
    _demand_one(claim_id, trace, submission, institution)
    with local(state_name) as stack:
        if trace:
            found = _told(stack, None, [], [trace.lower()])
        elif submission and institution:
            facts = _of_submission(stack, submission, institution.upper())
            found = _told(stack, None, facts, [])
        else:
            replay = replayed(stack, str(claim_id), "")
            found = _told(stack, replay["claim"], replay["facts"], [])
    if as_json:
        print_json(found)
    else:
        show(found)


def _demand_one(claim_id: object, trace: str | None, submission: str | None, institution: str | None) -> None:
    asked = [claim_id is not None, trace is not None, submission is not None]
    if sum(asked) != 1:
        fail(2, "请给出 CLAIM、--trace、--submission 之一 / give one of CLAIM, --trace, --submission")
    if (submission is None) != (institution is None):
        fail(2, "--submission 须连同 --institution / --submission goes with --institution")
    if trace is not None and not trace_id(f"00-{trace.lower()}-{'1' * 16}-01"):
        fail(2, "--trace 须为 32 位十六进制且不全为 0 / --trace takes 32 hex digits, not all 0")


def _of_submission(stack: Local, submission: str, institution: str) -> list[Fact]:
    """The facts that a submission led to, wherever it was sent; ends the command where the ledger has none."""
    facts: list[Fact] = []
    for service in DECIDING:
        stream = receipt_id(service, institution, submission)
        facts += stack.get("audit", f"/streams/{stream}/facts", bearer=stack.as_duty("AUDITOR"))["facts"]
    if not facts:
        fail(
            1,
            f"账本中没有 {institution} 的报送 {submission}：尚未裁决、仍在等待，或已隔离 / the ledger has nothing of "
            f"submission {submission} of {institution}: not decided yet, waiting, or in quarantine",
        )
    return facts


def _told(
    stack: Local, claim: Mapping[str, Any] | None, facts: Sequence[Mapping[str, Any]], traces: Sequence[str]
) -> dict[str, Any]:
    """Everything that is shown, as `--json` has it."""
    history = in_causal_order([one["fact"] | {"index": one["index"]} for one in facts])
    named = list(dict.fromkeys(name for fact in history if (name := trace_id(fact["traceparent"]))))
    spans, days = _spans(stack, [*traces, *named])
    return {
        "claim": claim,
        "days": days,
        "traces": [_trace(name, history, spans.get(name, []), days) for name in (*traces, *named)],
        "history": [_entry(fact) for fact in history],
    }


def _spans(stack: Local, traces: Sequence[str]) -> tuple[dict[str, list[dict[str, Any]]], int]:
    """The spans that audit keeps, by trace, and for how many days it keeps them."""
    found: dict[str, list[dict[str, Any]]] = {}
    days = 0
    for first in range(0, len(traces), TRACES_AT_ONCE):
        asked = {"trace": list(traces[first : first + TRACES_AT_ONCE])}
        answer = stack.get("audit", "/spans", bearer=stack.as_duty("AUDITOR"), params=asked)
        days = answer["days"]
        for span in answer["spans"]:
            found.setdefault(span["trace"], []).append(span)
    return found, days


def in_causal_order(facts: Sequence[Fact]) -> list[Fact]:
    """The same order, but no fact stands before the fact that caused it."""
    by_id = {fact["id"]: fact for fact in facts}
    ordered: dict[str, Fact] = {}
    for fact in facts:
        causes: dict[str, Fact] = {}
        cause: Fact | None = fact
        while cause is not None and cause["id"] not in ordered and cause["id"] not in causes:
            causes[cause["id"]] = cause
            cause = by_id.get(cause["causationid"])
        for each in reversed(causes.values()):
            ordered[each["id"]] = each
    return list(ordered.values())


def _trace(name: str, history: Sequence[Fact], spans: list[dict[str, Any]], days: int) -> dict[str, Any]:
    own = [fact for fact in history if trace_id(fact["traceparent"]) == name]
    return {"trace": name, "state": _state(own, spans, days), "facts": len(own), "spans": spans}


def _state(facts: Sequence[Fact], spans: Sequence[Mapping[str, Any]], days: int) -> str:
    if spans:
        return KEPT
    if facts and not any(is_sampled(fact["traceparent"]) for fact in facts):
        return NOT_SAMPLED
    kept_since = datetime.now(UTC) - timedelta(days=days)
    old = facts and all(datetime.fromisoformat(fact["time"]) < kept_since for fact in facts)
    return EXPIRED if old else MISSING


def _entry(fact: Fact) -> dict[str, Any]:
    names = ("id", "index", "time", "type", "subject", "actor", "duty")
    more = {"business_date": fact["businessdate"], "caused_by": fact["causationid"]}
    return {**{name: fact[name] for name in names}, **more, "trace": trace_id(fact["traceparent"])}


def show(found: Mapping[str, Any]) -> None:
    """Waterfalls, then the history."""
    if found["claim"] is not None:
        console().print(
            f"申领 / claim {found['claim']['claim_id']}  {found['claim']['state']}", soft_wrap=True
        )
    numbers = {each["trace"]: number for number, each in enumerate(found["traces"], 1)}
    for each in found["traces"]:
        _show_trace(numbers[each["trace"]], each, found["days"])
    if found["history"]:
        _show_history(found["history"], numbers)


def _show_trace(number: int, told: Mapping[str, Any], days: int) -> None:
    screen, spans = console(), told["spans"]
    title = f"#{number} 轨迹 / trace {told['trace']}"
    if not spans:
        screen.print(f"{title}  {WHY[told['state']].format(days=days)}", soft_wrap=True)
        return
    began = datetime.fromtimestamp(min(span["start_ns"] for span in spans) / 1_000_000_000, UTC)
    screen.print(
        f"{title}  {began.isoformat(timespec='milliseconds')}  {len(spans)} 个片段 / spans", soft_wrap=True
    )
    table = Table(box=None, padding=(0, 1))
    for heading, justify in (
        ("服务\nservice", "left"), ("片段\nspan", "left"), ("起点\noffset", "right"), ("时长\nduration", "right"),
        ("", "left"), ("", "left"),
    ):  # fmt: skip
        table.add_column(heading, justify=justify, overflow="fold", no_wrap=not heading)  # type: ignore[arg-type]
    lines = waterfall(spans)
    for line in lines[:MAX_LINES]:
        style, more = ("red", f"✗ {line.error} {line.more}") if line.error else ("", line.more)
        cells = (line.service, line.name, line.offset, line.duration, line.bar, more)
        table.add_row(*(Text(cell, style=style) for cell in cells))
    screen.print(table)
    if len(lines) > MAX_LINES:
        screen.print(f"… 其余 {len(lines) - MAX_LINES} 个见 --json / the rest with --json")


def _show_history(history: Iterable[Mapping[str, Any]], numbers: Mapping[str, int]) -> None:
    columns = (
        "时间 / recorded (UTC)",
        "业务日期 / date",
        "事实 / fact",
        "职责 / duty",
        "谁 / who",
        ">轨迹 / trace",
    )
    rows = [
        (
            entry["time"][:23],
            entry["business_date"],
            fact_name(entry["type"]),
            entry["duty"],
            entry["actor"],
            f"#{numbers[entry['trace']]}" if entry["trace"] in numbers else "",
        )
        for entry in history
    ]
    print_table(f"经过 / history：{len(rows)} 个事实 / facts", columns, rows)
