"""Read models: how they stand, building them anew, checking them against their facts."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import click

from zeren.cli.output import fail, json_option, print_json, print_table
from zeren.cli.states import running_state, state_option
from zeren.stack.local import SERVICES
from zeren.stack.whole import run_task

KILLED, USAGE = 1, 2

model_argument: Callable[..., Any] = click.argument("model", metavar="[SERVICE[/NAME]]", default="")


@click.group()
def projection() -> None:
    """读模型 / Read models: by service and name, "payment/claims_by_stage"; without either, all of them."""


@projection.command("status")
@model_argument
@state_option
@json_option
def status(model: str, state_name: str | None, *, as_json: bool) -> None:
    """行数、位置、落后多少、上次重建 / Rows, position, lag, last rebuilt, whether one is under way."""
    code, found = _run("status", model, state_name)
    if as_json:
        print_json({"projections": found})
    else:
        columns = (
            "读模型 / read model", "表 / tables", ">行 / rows", ">位置 / position", ">落后 / lag",
            "上次重建 / last rebuilt", "",
        )  # fmt: skip
        print_table("", columns, [_status_row(one) for one in found])
    raise click.exceptions.Exit(code)


def _status_row(one: dict[str, Any]) -> Sequence[Any]:
    missing = "无此表，请重建 / not there: rebuild it"
    note = ""
    if one["under_way"]:
        note = "正在重建或核验 / a rebuild or verification is under way"
    elif one["left_over"]:
        note = "上次重建中断，旧表无恙 / a rebuild was killed; the live tables are whole"
    return (
        f"{one['service']}/{one['name']}",
        "\n".join(one["rows"]),
        "\n".join(missing if count is None else f"{count:,}" for count in one["rows"].values()),
        f"{one['position']:,}",
        f"{one['lag']:,}",
        one["rebuilt_at"] or "—",
        note,
    )


@projection.command("rebuild")
@model_argument
@state_option
@json_option
def rebuild(model: str, state_name: str | None, *, as_json: bool) -> None:
    """从事实重建：新表建在旧表旁，一次切换 / Build anew beside the live tables, switch in one transaction."""
    code, found = _run("rebuild", model, state_name)
    if as_json:
        print_json({"projections": found})
    for one in () if as_json else found:
        click.echo(f"{one['service']}/{one['name']}: {_rebuilt(one)}")
    raise click.exceptions.Exit(code)


def _rebuilt(one: dict[str, Any]) -> str:
    if "refused" in one:
        return "未切换，旧表不变 / not switched, the live tables stay"
    facts, seconds = f"{one['facts']:,}", f"{one['seconds']:.1f}"
    return f"已重建，{facts} 条事实，{seconds} 秒 / rebuilt from {facts} facts in {seconds} s"


@projection.command("verify")
@model_argument
@state_option
@json_option
def verify(model: str, state_name: str | None, *, as_json: bool) -> None:
    """与事实逐行核对；有差异时退出码 1 / Compare with the facts row by row; exit code 1 when different."""
    code, found = _run("verify", model, state_name)
    if as_json:
        print_json({"projections": found})
    for one in () if as_json else found:
        click.echo(f"{one['service']}/{one['name']}: {_verified(one)}")
        if one.get("first"):
            columns = ("表 / table", "键 / key", "差异 / difference")
            print_table("", columns, [_difference_row(row) for row in one["first"]])
    raise click.exceptions.Exit(code)


def _verified(one: dict[str, Any]) -> str:
    if "refused" in one:
        return "未核验 / not verified"
    facts, different = f"{one['facts']:,}", f"{one['different']:,}"
    if one["equal"]:
        return f"一致，{facts} 条事实 / equal, {facts} facts"
    return f"{different} 行不一致：请重建 / {different} rows differ: rebuild it"


def _difference_row(row: dict[str, Any]) -> Sequence[str]:
    kinds = {"missing": "缺行 / row missing", "surplus": "多出的行 / row too many"}
    values = "\n".join(f"{name}: {live} → {new}" for name, (live, new) in row["columns"].items())
    return row["table"], " ".join(str(part) for part in row["key"].values()), kinds.get(row["kind"], values)


def _run(act: str, model: str, state_name: str | None) -> tuple[int, list[dict[str, Any]]]:
    """Runs the task of each service; answers the worst exit code, and a line for each read model."""
    service, _, name = model.partition("/")
    if service and service not in SERVICES:
        listed = ", ".join(SERVICES)
        fail(USAGE, f"没有服务 {service}（有：{listed}） / no service {service}; there are: {listed}")
    state, code, found = running_state(state_name), 0, []
    for each in (service,) if service else SERVICES:
        done = run_task(state, each, "projection", act, *((name,) if name else ()))
        code = max(code, done.returncode if done.returncode >= 0 else KILLED)
        found += [json.loads(line) for line in done.stdout.splitlines()]
    return code, found
