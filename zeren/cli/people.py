"""Those who act over HTTP: their tokens, and what waits for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from shared.contracts.codes.catalogue import text
from shared.identity import is_national_id
from zeren.cli.output import fail, json_option, print_json, print_table
from zeren.cli.states import local, state_option
from zeren.stack.client import Local

DECIDING = ("enrolment", "certification", "payment")
HANDLER = "经办人员编号，见 deploy/local/handlers.toml / the handler's id, as in deploy/local/handlers.toml"


@click.command()
@click.option("--handler", metavar="ID", help=HANDLER)
@click.option(
    "--person-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="内含证件号的文件（不经命令行） / a file with the ID number, which no command line may hold",
)
@state_option
@json_option
def token(handler: str | None, person_file: Path | None, state_name: str | None, *, as_json: bool) -> None:
    """领取令牌 / A bearer token for a handler, or for a person by ID number."""
    if (handler is None) == (person_file is None):
        fail(2, "须给出 --handler 或 --person-file 之一 / give --handler or --person-file, one of them")
    number = person_file.read_text("utf-8").strip().upper() if person_file else ""
    if person_file and not is_national_id(number):
        fail(1, f"{text('trainee.id_number_invalid')} [trainee.id_number_invalid]")
    with local(state_name) as stack:
        issued = stack.token_of(handler=handler or "", national_id=number)
    if as_json:
        print_json({"token": issued.text, "subject": issued.subject, "duties": list(issued.duties)})
    else:
        click.echo(issued.text)


@click.command()
@click.option("--handler", metavar="ID", required=True, help=HANDLER)
@click.option("--limit", type=click.IntRange(1, 10_000), default=200, help="至多多少条 / at most so many")
@state_option
@json_option
def worklist(handler: str, limit: int, state_name: str | None, *, as_json: bool) -> None:
    """经办人员在各服务的待办 / What waits for a handler in every service."""
    with local(state_name) as stack:
        found = {service: _waiting(stack, service, handler, limit) for service in DECIDING}
    if as_json:
        print_json(found)
        return
    for service, items in found.items():
        if items:
            columns = ("编号 / id", "事项 / step", "区域 / region", "机构 / institution", "金额 / amount")
            print_table(f"{service}: {len(items)}", columns, map(_row, items))
    if not any(found.values()):
        click.echo("没有待办 / nothing waits")


def _waiting(stack: Local, service: str, handler: str, limit: int) -> list[dict[str, Any]]:
    bearer = stack.handler_token(handler)
    return stack.pages(service, "/worklist", bearer=bearer, params={"limit": min(limit, 100)}, most=limit)


def _row(item: dict[str, Any]) -> tuple[Any, ...]:
    step = item.get("step") or item.get("state")
    ready = "" if item.get("ready", True) else "（公示中 / under notice）"
    return (
        item.get("claim_id") or item.get("class_id"),
        f"{step}{ready}",
        item.get("region"),
        item.get("institution"),
        " ".join((item.get("computed", ""), *item.get("marks", ()))),
    )
