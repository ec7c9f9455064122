"""What is parked, for operators: foreign facts that could not be taken in, and submissions that wait."""

from __future__ import annotations

import hashlib
from typing import Any

import click

from shared.identity import is_reference
from zeren.cli.output import console, fail, json_option, print_json, print_table
from zeren.cli.states import local, state_option
from zeren.stack.client import Local, ServiceRefused
from zeren.stack.handlers import handlers_with
from zeren.stack.local import SERVICES

OPERATOR = "OPERATOR"
FAULT = "operator:"

service_option = click.option(
    "--service",
    type=click.Choice(SERVICES),
    help="只看该服务（默认：全部） / one service only (default: all)",
)
handler_option = click.option(
    "--handler",
    metavar="ID",
    default=lambda: handlers_with(OPERATOR)[0],
    show_default="deploy/local/handlers.toml 的第一位 OPERATOR / its first OPERATOR",
    help="以谁的名义；放弃须由两人先后各执行一次 / in whose name; discarding takes two people, one after the other",
)


@click.group()
def parked() -> None:
    """停放的事实与报送 / What is parked: foreign facts that failed, and submissions that wait.

    出错的外来事实连同其后同一个案的事实依次等待，其余照常进行 /
    A foreign fact that failed waits with the later ones of its case, in order; everything else flows on.
    """


@parked.command("list")
@service_option
@state_option
@json_option
def list_parked(service: str | None, state_name: str | None, *, as_json: bool) -> None:
    """列出停放的事实与报送：为何、自何时、其后等待多少 / What is parked, why, since when, and what waits behind."""
    with local(state_name) as stack:
        bearer = stack.as_duty(OPERATOR)
        asked = (service,) if service else SERVICES
        facts = [
            {"service": each, **item}
            for each in asked
            for item in stack.get(each, "/parked-facts", bearer=bearer)["items"]
        ]
        submissions = [
            {"service": each, **row}
            for each in asked
            for row in stack.get(each, "/parked", bearer=bearer)["parked"]
        ]
    if as_json:
        print_json({"facts": facts, "submissions": submissions})
        return
    _show_facts(facts)
    _show_submissions(submissions)
    if not facts and not submissions:
        click.echo("没有停放 / nothing is parked")


def _show_facts(facts: list[dict[str, Any]]) -> None:
    if facts:
        columns = (
            "!编号 / id", "服务 / service", "事实 / fact", "来源 / source", ">位置 / position", "出错 / error",
            "自 / since", ">其后等待 / behind",
        )  # fmt: skip
        rows = [
            (
                one["id"], one["service"], one["type"], one["source"].partition("@")[0], one["position"],
                one["error"], one["since"], one["behind"],
            )
            for one in facts
        ]  # fmt: skip
        print_table(f"外来事实 / foreign facts: {len(facts)}", columns, rows)


def _show_submissions(submissions: list[dict[str, Any]]) -> None:
    if submissions:
        columns = (
            "服务 / service", "机构 / institution", "编号 / id", "类型 / type", "等待 / awaits", "至 / until",
        )  # fmt: skip
        names = ("submission_id", "type", "awaited", "due")
        rows = [(one["service"], _sender(one), *(one[name] for name in names)) for one in submissions]
        print_table(f"报送 / submissions: {len(submissions)}", columns, rows)


def _sender(submission: dict[str, Any]) -> str:
    """Whose it is; of one under a key that nobody registered yet, whose it says that it is."""
    claimed = submission["claimed"]
    return submission["institution"] or (
        f"{claimed}（自称，未核实 / as claimed, unverified）" if claimed else ""
    )


@parked.command("show")
@click.argument("fact_id", type=click.UUID)
@state_option
@json_option
def show(fact_id: object, state_name: str | None, *, as_json: bool) -> None:
    """一项停放事实：错误、调用栈、内容、其后等待者 / One parked fact: error, trace, itself, what waits behind."""
    with local(state_name) as stack:
        service, found = _find(stack, str(fact_id))
    if as_json:
        print_json({"service": service, **found})
        return
    screen = console()
    screen.print(
        f"{service} {found['type']} {found['source']} 位置 / position {found['position']}", markup=False
    )
    screen.print(f"出错 / error: {found['error'] or '（等待前一项 / waits behind another）'}", markup=False)
    screen.print(found["trace"], markup=False)
    print_json(found["fact"])
    rows = [(one["id"], one["type"], one["position"], one["since"]) for one in found["behind"]]
    print_table("其后等待 / behind", ("编号 / id", "事实 / fact", ">位置 / position", "自 / since"), rows)


def _find(stack: Local, fact_id: str) -> tuple[str, dict[str, Any]]:
    """The service in which it is parked, and what that says of it; ends the command with 1 where none has it."""
    bearer = stack.as_duty(OPERATOR)
    for service in SERVICES:
        try:
            return service, stack.get(service, f"/parked-facts/{fact_id}", bearer=bearer)
        except ServiceRefused as refusal:
            if refusal.code != "parked.unknown":
                raise
    return fail(1, f"没有停放的事实 {fact_id} / nothing is parked under that id")


@parked.command("retry")
@click.argument("what")
@handler_option
@state_option
@json_option
def retry(what: str, handler: str, state_name: str | None, *, as_json: bool) -> None:
    """重试 / Tries again: a fact by its id with those behind it, or submissions by what they await ("operator:…").

    退出码 / exit codes: 0 全部处理 all taken in, 1 仍有出错 the next one fails.
    """
    with local(state_name) as stack:
        bearer = stack.handler_token(handler)
        if what.startswith(FAULT):
            _show_woken(what, _woken(stack, what, bearer), as_json=as_json)
            return
        service, _ = _find(stack, what)
        answer = stack.post(service, f"/parked-facts/{what}/retry", {}, bearer=bearer)
    if as_json:
        print_json(answer)
    else:
        click.echo(
            f"已处理 {answer['taken']} 项，仍停放 {answer['left']} 项 {answer['error']} / "
            f"{answer['taken']} taken in, {answer['left']} still parked"
        )
    if answer["left"]:
        fail(1, f"仍未通过：{answer['error']} / it still fails")


def _woken(stack: Local, awaited: str, bearer: str) -> dict[str, int]:
    """By service, how many submissions waited for it and were woken."""
    body = {"awaited": awaited}
    return {
        service: stack.post(service, "/parked/retry", body, bearer=bearer)["woken"] for service in SERVICES
    }


def _show_woken(awaited: str, woken: dict[str, int], *, as_json: bool) -> None:
    total = sum(woken.values())
    if as_json:
        print_json({"awaited": awaited, "woken": total, "services": woken})
    elif total:
        told = ", ".join(f"{service} {count}" for service, count in woken.items() if count)
        click.echo(
            f"已唤醒 {total} 份（{told}）；请用 zeren parked list 查看结果 / "
            f"{total} woken; see zeren parked list for what came of it"
        )
    else:
        click.echo(f"没有报送在等待 {awaited} / no submission waits for {awaited}")


def _reason(_context: click.Context, _option: click.Parameter, reason: str) -> str:
    """As the service judges it, before anything is asked."""
    if not is_reference(reason):
        fail(
            2,
            "--reason 须为 1–64 个普通字符（A–Z a–z 0–9 . _ -），不得像证件号或手机号 / --reason must be 1–64 "
            "plain characters (A–Z a–z 0–9 . _ -) that don't look like an ID or phone number",
        )
    return reason


@parked.command("discard")
@click.argument("fact_id", type=click.UUID)
@click.option(
    "--reason",
    required=True,
    callback=_reason,
    help="原因代码，1–64 个普通字符 / a reason code of 1–64 plain characters",
)
@handler_option
@state_option
@json_option
def discard(fact_id: object, reason: str, handler: str, state_name: str | None, *, as_json: bool) -> None:
    """放弃一项外来事实（须两人） / Gives a foreign fact up: once by each of two people. Both stand in facts."""
    key = hashlib.sha256(f"discard/{fact_id}/{handler}/{reason}".encode()).hexdigest()
    with local(state_name) as stack:
        service, _ = _find(stack, str(fact_id))
        path = f"/parked-facts/{fact_id}/discard"
        bearer = stack.handler_token(handler)
        answer = stack.post(service, path, {"reason": reason}, bearer=bearer, idempotency_key=key)
    if as_json:
        print_json(answer)
    elif answer["discarded"]:
        click.echo("已放弃，其后的事实继续处理 / discarded; what waited behind it goes on")
    else:
        click.echo("已申请放弃：须由另一人确认 / asked for; a second person must agree")


@click.command()
@click.argument("service", type=click.Choice(SERVICES))
@state_option
@json_option
def resume(service: str, state_name: str | None, *, as_json: bool) -> None:
    """让已停止的分区从数据库所记位置继续 / Has stopped partitions read again from where the database stands.

    原因仍在时会再次停止；见 zeren doctor / They stop again while the reason stands; see zeren doctor.
    """
    with local(state_name) as stack:
        answer = stack.post(service, "/stopped/resume", {}, bearer=stack.as_duty(OPERATOR))
    if as_json:
        print_json(answer)
    else:
        told = "、".join(answer["resumed"]) or "没有停止的分区 / none had stopped"
        click.echo(f"{service}: {told}")
