"""`zeren status`: one screen, what is wrong first; once, or again and again."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from zeren.cli.output import console, fail, json_option, print_json, table
from zeren.cli.states import NOT_RUNNING, chosen_name, known, start_command, state_option
from zeren.stack.client import Local
from zeren.stack.local import SERVICES
from zeren.stack.overview import Overview, Scrapes, overview, scrapes

ANSWER_SECONDS = 5.0
"""How long a service may take to answer: one that hangs must not make the screen hang."""
RATE_SECONDS = 1.0
"""A single look counts facts for so long, to tell how many there are a second."""
WATCH_SECONDS = 2.0
WRONG = 1
UNKNOWN = "—"

_SERVICES = (
    "服务 / service",
    "就绪 / ready",
    ">事实 / facts",
    ">每秒 / per s",
    ">落后 / lag",
    ">中继 / relay",
    ">读模型 / views",
    ">停放 / parked",
    "受理·退回·隔离·停放·重发 / acc·rej·quar·park·resent",
    ">事务毫秒 / tx ms 50·99 %",
    ">内存 / MB",
)
_PROCESSES = ("进程 / process", ">pid", "状态 / state", ">内存 / MB", "地址 / URL")
_SHOWN_OUTCOMES = ("accepted", "rejected", "quarantined", "parked", "resent")


@click.command()
@state_option
@json_option
@click.option(
    "--watch",
    is_flag=False,
    flag_value=WATCH_SECONDS,
    type=click.FloatRange(0.2, 3_600),
    metavar="[SECONDS]",
    help="持续刷新，Ctrl-C 结束（默认每 2 秒）/ look again and again until Ctrl-C (default: every 2 s)",
)
def status(state_name: str | None, *, as_json: bool, watch: float | None) -> None:
    """异常与须留意者在先，然后是各服务与服务器 / What is wrong or to be noted first, then services and servers.

    退出码 / exit codes: 0 无异常 nothing is wrong · 1 有异常 something is wrong · 3 未全部运行或就绪 not all of it runs
    and is ready
    """
    name = chosen_name(state_name)
    state = known(name)
    start = start_command(name)
    if state is None:
        fail(NOT_RUNNING, f"{name} 从未启动：请运行 {start} / {name} was never started: run {start}")
    with Local(state, answer_seconds=ANSWER_SECONDS) as stack:
        if watch is None:
            _once(stack, start, as_json=as_json)
        else:
            # Ctrl-C is how it ends: no failure.
            with suppress(KeyboardInterrupt):
                _again_and_again(_looks(stack, start, watch), as_json=as_json)


def _once(stack: Local, start: str, *, as_json: bool) -> None:
    before = scrapes(stack)
    if before:
        threading.Event().wait(RATE_SECONDS)
    look = overview(stack, start, before)
    if as_json:
        print_json(look.shown)
    else:
        console().print(_screen(look.shown))
    if not look.ready:
        raise click.exceptions.Exit(NOT_RUNNING)
    if not look.well:
        raise click.exceptions.Exit(WRONG)


def _looks(stack: Local, start: str, seconds: float) -> Iterator[Overview]:
    """A look every so many seconds; rates are those since the look before."""
    before: Scrapes = {}
    pause = threading.Event()
    while True:
        look = overview(stack, start, before)
        before = look.scrapes
        yield look
        pause.wait(seconds)


def _again_and_again(looks: Iterator[Overview], *, as_json: bool) -> None:
    """In a terminal one screen that changes; else one screen, or one line of JSON, after the other."""
    screen = console()
    if as_json:
        for look in looks:
            click.echo(json.dumps(look.shown, ensure_ascii=False, default=str))
    elif not screen.is_terminal:
        for look in looks:
            screen.print(_screen(look.shown))
    else:
        with Live(console=screen, auto_refresh=False, screen=True) as live:
            for look in looks:
                live.update(_screen(look.shown), refresh=True)


def _screen(shown: dict[str, Any]) -> RenderableType:
    services = {one["name"]: one for one in shown["services"]}
    return Group(
        _title(shown),
        *_wrongs(shown["wrong"], shown["notes"]),
        table(_SERVICES, [_service_row(one) for one in shown["services"] if one["name"] in SERVICES]),
        *_ledger(shown),
        table(_PROCESSES, [_process_row(one, services.get(one["name"])) for one in shown["processes"]]),
        _disks(shown),
        Text(f"账本验证密钥 / ledger verifier key: {shown['ledger_vkey'] or UNKNOWN}"),
    )


def _title(shown: dict[str, Any]) -> Text:
    now = datetime.now().astimezone().strftime("%H:%M:%S")
    date = shown["business_date"] or UNKNOWN
    return Text(f"{shown['state']}  {now}  业务日期 / business date: {date}")


def _wrongs(wrong: list[dict[str, str]], notes: list[dict[str, str]]) -> Iterator[Text]:
    """What is wrong, then what is only to be known: each with what to do."""
    if wrong:
        told = "1 thing is wrong" if len(wrong) == 1 else f"{len(wrong)} things are wrong"
        yield Text(f"✗ {len(wrong)} 处异常 / {told}", style="bold red")
    elif notes:
        yield Text("✓ 没有异常，但请留意 / nothing is wrong, but note", style="green")
    else:
        yield Text("✓ 一切正常 / all is well", style="green")
    for one, style in [*((one, "red") for one in wrong), *((one, "yellow") for one in notes)]:
        yield Text(f"  {one['check']}: {one['found']}", style=style)
        yield Text(f"    → {one['advice']}")


def _service_row(service: dict[str, Any]) -> list[str]:
    ready = "✓" if service["ready"] else "✗ 未就绪 / not ready" if service["url"] else "✗ 无应答 / silent"
    found = service["figures"]
    if found is None:
        return [service["name"], ready, *[UNKNOWN] * (len(_SERVICES) - 2)]
    receipts = "·".join(str(found["receipts"][name]) for name in _SHOWN_OUTCOMES)
    return [
        service["name"],
        ready,
        _figure(found["facts"]),
        _figure(found["facts_per_second"]),
        _with_seconds(found["lag_records"], found["lag_seconds"]),
        _with_seconds(found["unsent_facts"], found["relay_age_seconds"]),
        _with_seconds(found["projection_lag_facts"], found["projection_lag_seconds"]),
        _sum(found["parked_submissions"], found["parked_facts"]),
        receipts,
        f"{_figure(found['transaction_p50_ms'])}·{_figure(found['transaction_p99_ms'])}",
        _megabytes(found["memory_bytes"]),
    ]


def _ledger(shown: dict[str, Any]) -> Iterator[Text]:
    """Where it is kept: how large, and how old the oldest fact is that no published checkpoint covers."""
    for one in shown["services"]:
        found = one["figures"]
        if found is not None and found["ledger_size"] is not None:
            size, age = _figure(found["ledger_size"]), _figure(found["ledger_age_seconds"])
            yield Text(f"账本 / ledger: {size} 条 / leaves · 未覆盖 / uncovered {age} s")


def _process_row(process: dict[str, Any], service: dict[str, Any] | None) -> list[str]:
    state = "运行 / running" if process["running"] else "✗ 已退出 / ended"
    if process["running"] and service is not None and not service["ready"]:
        state = "✗ 未就绪 / not ready"
    memory = _megabytes(process["memory_bytes"])
    return [process["name"], str(process["pid"]), state, memory, service["url"] if service else ""]


def _disks(shown: dict[str, Any]) -> Text:
    free = [f"{one['free_bytes'] / 1e9:.1f} GB（{Path(one['folder'])}）" for one in shown["disks"]]
    return Text(f"磁盘可用 / disk free: {' · '.join(free)}")


def _figure(value: float | None) -> str:
    if value is None:
        return UNKNOWN
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def _with_seconds(count: int | None, seconds: float | None) -> str:
    return UNKNOWN if count is None else f"{count:,}" + (f" · {seconds:.1f} s" if seconds else "")


def _sum(*counts: int | None) -> str:
    return UNKNOWN if None in counts else f"{sum(count or 0 for count in counts):,}"


def _megabytes(value: int | None) -> str:
    return UNKNOWN if value is None else f"{value / 1e6:,.0f}"
