"""The local stack: up, down, doctor, logs, reset; its status is `zeren.cli.status`."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path

import click

from zeren.cli.output import fail, json_option, print_json, print_table, timed_progress
from zeren.cli.states import DEFAULT, NOT_RUNNING, chosen_name, known, state_option
from zeren.demo.dataset import first_day_of_the_demo
from zeren.stack import doctor as examination
from zeren.stack import local as servers
from zeren.stack import whole
from zeren.stack.client import ISSUER, Local
from zeren.stack.days import business_date, open_days, today
from zeren.stack.kafka import CLUSTER_SIZES, settle_broker_count
from zeren.stack.processes import signal_name
from zeren.stack.state import StateFolder
from zeren.stack.supervisor import Progress, Supervisor

WATCH_SECONDS = 2.0
LOOK_SECONDS = 0.5

name_option = click.option(
    "--state",
    "state_name",
    envvar="ZEREN_STATE",
    default=DEFAULT,
    metavar="NAME",
    help="状态目录名 / the state folder's name",
)


@click.command()
@name_option
@click.option(
    "--foreground", is_flag=True, help="运行到 Ctrl-C，然后全部停止 / run until Ctrl-C, then stop all"
)
@click.option(
    "--bank-fail-every",
    type=click.IntRange(0),
    default=0,
    metavar="N",
    help="模拟银行每 N 笔退一笔 / the bank simulator fails every Nth payment",
)
@click.option(
    "--first-day",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    help="新状态的首个业务日期（默认今天；演示为其首日） / a fresh stack's first business day "
    "(default: today; a demo's own first)",
)
@click.option(
    "--brokers",
    type=click.Choice([str(one) for one in CLUSTER_SIZES]),
    help="新状态的 Kafka broker 数，之后不变（默认 1） / a fresh stack's Kafka brokers, for good (default: 1)",
)
def up(
    state_name: str,
    *,
    foreground: bool,
    bank_fail_every: int,
    first_day: datetime | None,
    brokers: str | None,
) -> None:
    """启动全套服务；数据保留 / Start the whole stack; it keeps its data, and what runs is left alone."""
    progress, state = timed_progress(), StateFolder.named(state_name)
    with state.locked():
        settle_broker_count(state, int(brokers) if brokers else None)
    opened = first_day.date() if first_day else first_day_of_the_demo(state) or today()
    if not foreground:
        whole.start_interruptibly(state, progress=progress, bank_fail_every=bank_fail_every)
        _welcome(state, opened, progress)
        return
    with whole.running_stack(state, progress=progress, bank_fail_every=bank_fail_every):
        _welcome(state, opened, progress)
        progress("运行中，按 Ctrl-C 全部停止 / running; Ctrl-C stops everything")
        with suppress(KeyboardInterrupt):
            _watch(state, progress)
    progress("已全部停止 / everything is stopped")


def _welcome(state: StateFolder, first_day: date, progress: Progress) -> None:
    """Opens the first business day of a fresh stack, and says where everything is."""
    with Local(state) as local:
        now = business_date(local)
        if now is None:
            now = open_days(local, first_day, progress=progress)
            progress(f"已开启首个业务日期 {now} / opened the first business day, {now}")
        for name in (*servers.SERVICES, ISSUER):
            progress(f"{name}: {local.url(name)}" + ("/openapi.json" if name != ISSUER else ""))
    progress(f"业务日期 {now}，推进用 zeren day open --through 日期 / the business date; that moves it")
    progress(f"账本验证密钥 / the ledger's verifier key: {whole.ledger_vkey(state)}")
    progress("就绪；下一步 zeren institution register 或 zeren demo / ready; next: register, or the demo")


def _watch(state: StateFolder, progress: Progress) -> None:
    """Waits for Ctrl-C, and says so when a process ends by itself."""
    ended: set[str] = set()
    never = threading.Event()
    while not never.wait(WATCH_SECONDS):
        for one in Supervisor(state).status():
            if not one.running and one.name not in ended:
                ended.add(one.name)
                killer = signal_name(one.exit_code)
                zh, en = (
                    (f"被信号 {killer} 终止", f"was killed by {killer}")
                    if killer
                    else ("已退出", "has ended")
                )
                progress(
                    f"{one.name} {zh}：见 zeren logs {one.name}，zeren up 可重新启动 / "
                    f"{one.name} {en}: see its log; zeren up starts it again"
                )


@click.command()
@state_option
def down(state_name: str | None) -> None:
    """停止全套服务；数据保留 / Stop the whole stack; the data stays."""
    name = chosen_name(state_name)
    state, progress = known(name), timed_progress()
    if state is None:
        progress(f"{name} 不存在，没有可停止的 / {name} doesn't exist: there is nothing to stop")
        return
    whole.stop(state, progress=progress)
    progress("已停止 / stopped")


@click.command()
@state_option
@json_option
def doctor(state_name: str | None, *, as_json: bool) -> None:
    """检查本机条件、端口与服务器，并说明该做什么 / Check this machine, its ports and servers, and say what to do."""
    findings = examination.examine(chosen_name(state_name))
    if as_json:
        rows = [
            {"check": one.check, "ok": one.ok, "found": one.found, "advice": one.advice} for one in findings
        ]
        print_json({"ok": all(one.ok for one in findings), "findings": rows})
    else:
        shown = [
            ("✓" if one.ok else "✗", one.check, one.found + (f"\n→ {one.advice}" if one.advice else ""))
            for one in findings
        ]
        print_table("zeren doctor", ("", "检查 / check", "结果 / found"), shown)
    if not all(one.ok for one in findings):
        raise click.exceptions.Exit(1)


@click.command()
@click.argument("process", required=False)
@state_option
@click.option("-n", "--lines", type=click.IntRange(1), default=50, help="末尾行数 / lines from the end")
@click.option("-f", "--follow", is_flag=True, help="持续显示 / keep showing")
def logs(process: str | None, state_name: str | None, *, lines: int, follow: bool) -> None:
    """查看日志；不给名称则列出 / Show a process's log; without a name, list the logs."""
    state = known(chosen_name(state_name))
    if state is None:
        fail(NOT_RUNNING, "从未启动：请运行 zeren up / never started: run zeren up")
    found = {path.stem: path for path in sorted((state.path / "logs").glob("*.log"))}
    if process is None:
        print_table(str(state.path), ("名称 / name", ">字节 / bytes"), _sizes(found))
        return
    if process not in found:
        listed = ", ".join(found)
        fail(2, f"没有 {process} 的日志（有：{listed}） / no log of {process}; there are: {listed}")
    for line in _tail(found[process], lines, follow=follow):
        click.echo(line, nl=False)


def _sizes(found: dict[str, Path]) -> list[tuple[str, int]]:
    return [(name, path.stat().st_size) for name, path in found.items()]


def _tail(path: Path, lines: int, *, follow: bool) -> Iterator[str]:
    with path.open(encoding="utf-8", errors="replace") as file:
        yield from deque(file, lines)
        while follow:
            if line := file.readline():
                yield line
            else:
                time.sleep(LOOK_SECONDS)
                if file.tell() > os.fstat(file.fileno()).st_size:
                    file.seek(0)


@click.command()
@name_option
@click.option("--yes", is_flag=True, help="不再询问 / don't ask")
def reset(state_name: str, *, yes: bool) -> None:
    """停止并删除该状态目录的全部数据 / Stop the stack and delete all data of its state folder."""
    state = known(state_name)
    if state is None:
        click.echo(f"{state_name} 不存在 / {state_name} doesn't exist")
        return
    if not yes:
        click.confirm(f"删除 {state.path} 及其数据库？ / delete {state.path} and its database?", abort=True)
    servers.reset(state, progress=timed_progress())
    click.echo("已删除 / deleted")
