"""Claims as payment has them: the list, and one with its history and the rules that gave its amount."""

from __future__ import annotations

from typing import Any

import click

from shared.money import yuan
from zeren.cli.output import console, json_option, print_json, print_table
from zeren.cli.states import local, state_option
from zeren.stack.handlers import handlers_with

handler_option = click.option(
    "--handler", metavar="ID", help="以谁的身份查看 / in whose name (default: the operator)"
)


@click.group()
def claim() -> None:
    """补贴申领 / Claims."""


@claim.command("list")
@click.option("--stage", help="环节 / stage: CLAIMED … PAID, REFUSED")
@click.option("--region", help="区域代码 / region")
@click.option("--claimant", help="申领人 / the institution's USCC or the person's id")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, help="至多多少条 / at most so many")
@handler_option
@state_option
@json_option
def list_claims(
    *, limit: int, handler: str | None, state_name: str | None, as_json: bool, **wanted: str | None
) -> None:
    """申领清单 / Claims in the order of filing."""
    params = {**wanted, "limit": min(limit, 200)}
    if params["stage"]:
        params["stage"] = str(params["stage"]).upper()
    with local(state_name) as stack:
        bearer = stack.handler_token(handler or handlers_with("OPERATOR")[0])
        items = stack.pages("payment", "/claims", bearer=bearer, params=params, most=limit)
    if as_json:
        print_json({"items": items})
        return
    columns = (
        "!申领 / claim", "环节 / stage", "区域 / region", "职业 / occupation", "级 / level", "申领人 / claimant",
        ">金额 / amount", "标记 / marks", "原因 / codes",
    )  # fmt: skip
    more = "；如有更多，用 --limit / perhaps more: --limit" if len(items) == limit else ""
    print_table(f"{len(items)} 笔 / claims{more}", columns, map(_row, items))


def _row(item: dict[str, Any]) -> tuple[Any, ...]:
    return (
        item["claim_id"],
        item["stage"],
        item["region"],
        item["occupation_id"],
        item["level"],
        item["claimant"],
        item["computed"],
        " ".join(item["marks"]),
        " ".join(item["codes"]),
    )


@claim.command("show")
@click.argument("claim_id", type=click.UUID)
@handler_option
@state_option
@json_option
def show_claim(claim_id: object, *, handler: str | None, state_name: str | None, as_json: bool) -> None:
    """一笔申领及其经过 / One claim with its history."""
    with local(state_name) as stack:
        bearer = stack.handler_token(handler or handlers_with("OPERATOR")[0])
        found = stack.get("payment", f"/claims/{claim_id}", bearer=bearer)
    if as_json:
        print_json(found)
        return
    screen = console()
    screen.print(f"申领 / claim {found['claim_id']}  {found['stage']}  {' '.join(found['codes'])}")
    screen.print(
        f"金额 / amount {found['computed']}  已付 / paid {yuan(found['paid_fen'])}  {' '.join(found['marks'])}"
    )
    screen.print(f"证书 / certificate {found['certificate_id']}  机构 / institution {found['institution']}")
    columns = (
        "业务日期 / date", "事实 / fact", "环节 / step", "职责 / duty", "谁 / who", ">金额 / amount", "原因 / codes",
    )  # fmt: skip
    rows = [
        (
            act["business_date"],
            act["fact"],
            act["step"],
            act["duty"],
            act["actor"],
            "" if act["amount_fen"] is None else yuan(act["amount_fen"]),
            " ".join(act["codes"]),
        )
        for act in found["history"]
    ]
    print_table("经过 / history", columns, rows)
