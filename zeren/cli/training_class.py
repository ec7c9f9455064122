"""Training classes as handlers have them: the list, and the approval (D3)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import click

from shared.contracts.codes.catalogue import text
from zeren.cli.output import json_option, print_json, print_table
from zeren.cli.states import local, state_option
from zeren.stack.handlers import handlers_with

CLASS_APPROVE = "D3"

handler_option = click.option(
    "--handler",
    metavar="ID",
    default=lambda: handlers_with(CLASS_APPROVE)[0],
    show_default="deploy/local/handlers.toml 的第一位 D3 / its first D3",
    help="以谁的名义 / in whose name",
)


@click.group("class")
def main() -> None:
    """开班 / Training classes."""


@main.command("list")
@click.option("--stage", help="环节 / stage: APPLIED, APPROVED, COMPLETED")
@click.option("--institution", metavar="USCC", help="机构代码 / of this institution")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, help="至多多少条 / at most so many")
@handler_option
@state_option
@json_option
def list_classes(
    *,
    stage: str | None,
    institution: str | None,
    limit: int,
    handler: str,
    state_name: str | None,
    as_json: bool,
) -> None:
    """班级清单与进度 / Classes and how far each is, in the order of their applications."""
    params = {"state": stage and stage.upper(), "institution": institution, "limit": min(limit, 100)}
    with local(state_name) as stack:
        bearer = stack.handler_token(handler)
        items = stack.pages("enrolment", "/classes", bearer=bearer, params=params, most=limit)
    if as_json:
        print_json({"items": items})
        return
    columns = (
        "班级 / class", "编号 / reference", "环节 / stage", ">报名 / enrolled", ">考勤表 / sheets",
        ">结业 / completed",
    )  # fmt: skip
    print_table(f"{len(items)} 个班级 / classes", columns, map(_row, items))


def _row(item: dict[str, Any]) -> tuple[Any, ...]:
    sheets = f"{item['recorded_sheets']}/{item['planned_sessions']}"
    return item["class_id"], item["class_ref"], item["state"], item["enrolled"], sheets, item["completed"]


@main.command("approve")
@click.argument("class_ids", metavar="CLASS...", nargs=-1, required=True, type=click.UUID)
@handler_option
@state_option
@json_option
def approve(class_ids: tuple[UUID, ...], handler: str, state_name: str | None, *, as_json: bool) -> None:
    """批准开班（职责 D3） / Approve classes (duty D3); exit code 1 if one was refused."""
    body = {"decision": "approve", "class_ids": [str(one) for one in class_ids]}
    with local(state_name) as stack:
        told = stack.post("enrolment", "/classes/decisions", body, bearer=stack.handler_token(handler))
    refused = [one for one in told["outcomes"] if one["outcome"] == "refused"]
    if as_json:
        print_json(told)
    else:
        for one in told["outcomes"]:
            click.echo(f"{one['class_id']}  {_became(one)}")
    if refused:
        raise click.exceptions.Exit(1)


def _became(one: dict[str, Any]) -> str:
    words = {"done": "已批准 / approved", "already": "先前已批准 / it was approved before"}
    return words.get(one["outcome"]) or f"{text(one['code'])} [{one['code']}]"
