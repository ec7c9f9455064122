"""Those who act over HTTP: their tokens, what waits for them, and the erasure of a person's data."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from shared.contracts.codes.catalogue import text
from shared.identity import is_national_id
from zeren.cli.output import fail, json_option, print_json, print_table, timed_progress
from zeren.cli.states import local, state_option
from zeren.stack.client import Local
from zeren.stack.handlers import handlers_with

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


ERASURE = "ERASURE"
UNDER_WAY = "erasure.payment_under_way"
ANSWER_SECONDS, ERASE_SECONDS, POLL_SECONDS = 60.0, 120.0, 0.2
REASONS = ("PURPOSE_FULFILLED", "RETENTION_OVER", "CONSENT_WITHDRAWN", "UNLAWFUL_PROCESSING", "OTHER_LAW")
DELETED = {
    "data_keys": "数据密钥 / data keys",
    "values": "姓名、证件号、手机号 / name, ID number, phone",
    "commitments": "承诺的原值与盐 / values and salts behind commitments",
    "submissions": "封存的原始报送 / sealed raw submissions",
    "accounts": "收款账户 / payee accounts",
}
KEPT = {
    "facts": "全部事实与账本：只含随机编号，证明不变 / every fact and the ledger: random ids only, all proofs stand",
    "blind_index": "证件号的盲索引：编号不变，“不可重复申领”照旧 / "
    "the ID number's blind index: the same id for ever, so the no-repeat rule holds",
    "intake": "报送主题至多再留 7 天，预写日志与备份至其轮换 / "
    "the intake topics for up to 7 more days; WAL and backups until they are recycled",
}


@click.group()
def person() -> None:
    """个人信息的删除 / Erasure of a person's data."""


@person.command("erase")
@click.argument("person_id", type=click.UUID)
@click.option(
    "--reason",
    type=click.Choice(REASONS),
    required=True,
    help="删除事由（个人信息保护法 第四十七条） / the ground of the erasure",
)
@click.option("--ordered-by", metavar="ID", help="下达人（ERASURE 职责） / who orders it")
@click.option("--confirmed-by", metavar="ID", help="确认人，须为另一人 / who confirms it: another handler")
@state_option
@json_option
def erase(
    *,
    person_id: object,
    reason: str,
    ordered_by: str | None,
    confirmed_by: str | None,
    state_name: str | None,
    as_json: bool,
) -> None:
    """删除一人的个人信息：下达、确认、等待完成 / Erase a person's data: order, confirm, wait until it is gone.

    Refused with exit code 1 while money is on its way to the person. Broken off, it may be run again.
    """
    with local(state_name) as stack:
        done = _erased(stack, str(person_id), reason, _two(ordered_by, confirmed_by))
    if as_json:
        print_json({**done, "kept": KEPT})
        return
    counts = [(name, done["deleted"][key]) for key, name in DELETED.items()]
    print_table("已删除 / deleted", ("内容 / what", ">数量 / count"), counts)
    print_table("仍保留 / kept", ("内容与原因 / what, and why",), [(why,) for why in KEPT.values()])


def _two(ordered_by: str | None, confirmed_by: str | None) -> tuple[str, str]:
    """Who orders and who confirms; whoever is not named is another handler of the local set-up."""
    holders = handlers_with(ERASURE)
    orderer = ordered_by or next((one for one in holders if one != confirmed_by), holders[0])
    return orderer, confirmed_by or next((one for one in holders if one != orderer), holders[0])


def _erased(stack: Local, person_id: str, reason: str, two: tuple[str, str]) -> dict[str, Any]:
    """The end state of a whole erasure; ends the command where a payment is under way or somebody is late."""
    orderer, confirmer = map(stack.handler_token, two)
    path, show = f"/persons/{person_id}/erasure", timed_progress(to_stderr=True)

    def look() -> dict[str, Any]:
        found: dict[str, Any] = stack.get("enrolment", path, bearer=orderer)
        return found

    stack.post("enrolment", path, {"reason": reason}, bearer=orderer)
    show(f"{two[0]} 已下达，等待支付答复 / {two[0]} has ordered; payment is asked")
    answered = _until(look, lambda seen: seen["open_claims"] is not None, ANSWER_SECONDS, "payment")
    if answered["open_claims"]:
        fail(1, f"{text(UNDER_WAY)} [{UNDER_WAY}]: {', '.join(answered['open_claims'])}")
    stack.post("enrolment", f"{path}/decision", {"decision": "confirm"}, bearer=confirmer)
    show(f"{two[1]} 已确认，等待删除 / {two[1]} has confirmed; the vault deletes")
    return _until(look, lambda seen: seen["status"] == "ERASED", ERASE_SECONDS, "enrolment")


@person.command("withdraw")
@click.argument("person_id", type=click.UUID)
@click.option("--handler", metavar="ID", help=HANDLER)
@state_option
@json_option
def withdraw(person_id: object, handler: str | None, state_name: str | None, *, as_json: bool) -> None:
    """撤回尚未确认的删除指令 / Withdraw an order that nobody has confirmed."""
    with local(state_name) as stack:
        bearer = stack.handler_token(handler or handlers_with(ERASURE)[0])
        path = f"/persons/{person_id}/erasure/decision"
        told = stack.post("enrolment", path, {"decision": "withdraw"}, bearer=bearer)
    if as_json:
        print_json(told)
    else:
        click.echo("已撤回 / withdrawn" if told["facts"] else "没有待撤回的指令 / there was no order")


def _until(
    look: Callable[[], dict[str, Any]], over: Callable[[dict[str, Any]], bool], seconds: float, service: str
) -> dict[str, Any]:
    """Looks until it is over; ends the command with exit code 3 where a service does not get to it in time."""
    deadline = time.monotonic() + seconds
    while not over(seen := look()):
        if time.monotonic() > deadline:
            fail(
                3,
                f"{service} {seconds:g} 秒内未完成；指令仍有效，请看 zeren status 后重新运行 / "
                f"{service} did not get to it within {seconds:g} s; the order stands: see zeren status, run it again",
            )
        time.sleep(POLL_SECONDS)
    return seen
