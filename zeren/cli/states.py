"""Which running stack a command speaks to: `--state`, else $ZEREN_STATE, else the one that runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from zeren.cli.output import fail
from zeren.stack.client import Local
from zeren.stack.paths import state_root
from zeren.stack.state import StateFolder
from zeren.stack.supervisor import Supervisor

NOT_RUNNING = 3
DEFAULT, DEMO = "up", "demo"

state_option: Callable[..., Any] = click.option(
    "--state",
    "state_name",
    envvar="ZEREN_STATE",
    metavar="NAME",
    help="状态目录名（默认：正在运行者，up 优先） / the state folder's name (default: the one that runs, up first)",
)


def known(name: str) -> StateFolder | None:
    """The state folder of this name if it was ever made; none is made here."""
    path = state_root() / name
    return StateFolder(path) if (path / "id").exists() else None


def runs(state: StateFolder | None) -> bool:
    """Whether anything of it runs."""
    return state is not None and any(one.running for one in Supervisor(state).status())


def running_names() -> list[str]:
    """The stacks of this checkout of which anything runs."""
    return sorted(path.parent.name for path in state_root().glob("*/id") if runs(known(path.parent.name)))


def chosen_name(name: str | None) -> str:
    """The name asked for, or that of the stack that runs, or `up`; says on standard error where others run."""
    if name:
        return name
    running = running_names()
    chosen = DEMO if DEFAULT not in running and DEMO in running else DEFAULT
    others = ", ".join(one for one in running if one != chosen)
    if others:
        click.echo(
            f"未写 --state，针对 {chosen}；另在运行：{others} / "
            f"without --state this speaks to {chosen}; also running: {others}",
            err=True,
        )
    return chosen


def start_command(name: str) -> str:
    """What starts the stack of this name."""
    return "zeren up" if name == DEFAULT else f"zeren up --state {name}"


def running_state(name: str | None) -> StateFolder:
    """The state folder whose stack runs; ends the command with exit code 3 if it doesn't."""
    wanted = chosen_name(name)
    state = known(wanted)
    if state is None or not runs(state):
        start = start_command(wanted)
        fail(
            NOT_RUNNING,
            f"{wanted} 未在运行：请先运行 {start}（或 zeren demo） / "
            f"{wanted} isn't running: run {start} (or zeren demo) first",
        )
    return state


@contextmanager
def local(name: str | None) -> Iterator[Local]:
    """The services of the running stack."""
    with Local(running_state(name)) as client:
        yield client
