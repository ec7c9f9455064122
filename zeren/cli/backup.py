"""When databases are lost: backup, restore, recover, and having facts sent again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from zeren.cli.destinations import folder_to_fill
from zeren.cli.output import fail, json_option, print_json, print_table, timed_progress
from zeren.cli.states import NOT_RUNNING, chosen_name, known, local, start_command, state_option
from zeren.stack.backup import back_up, demand_new, put_back, read_manifest
from zeren.stack.errors import ProcessFailed
from zeren.stack.files import put_back_mark
from zeren.stack.local import SERVICES, Servers, running_servers, servers_as_found, start_servers
from zeren.stack.state import StateFolder
from zeren.stack.supervisor import Progress
from zeren.stack.whole import run_task

OPERATOR = "OPERATOR"


def _state(name: str | None) -> StateFolder:
    wanted = chosen_name(name)
    state = known(wanted)
    if state is None:
        start = start_command(wanted)
        fail(NOT_RUNNING, f"{wanted} 从未启动：请运行 {start} / {wanted} was never started: run {start}")
    return state


def _servers(state: StateFolder, progress: Progress) -> Servers:
    """The servers alone, started where they don't run, for what comes next too; no service is."""
    try:
        return running_servers(state)
    except ProcessFailed:
        progress(
            "启动 PostgreSQL 与 Kafka，留给下一步 / starting PostgreSQL and Kafka; they stay up for the next step"
        )
        return start_servers(state, progress=progress)


@click.command()
@click.argument("folder", callback=folder_to_fill, type=click.Path(file_okay=False, path_type=Path))
@state_option
@json_option
def backup(folder: Path, state_name: str | None, *, as_json: bool) -> None:
    """备份全部数据库到新目录 / Back up all databases into a new folder; the services may run.

    主密钥与账本密钥不在其中 / The master keys and the ledger's key are not in it: keep them elsewhere.
    停止的环境仍旧停止 / A stack that is stopped is so afterwards: its servers run for the backup alone.
    """
    state, progress = _state(state_name), timed_progress(to_stderr=True)
    demand_new(folder)
    with servers_as_found(state, progress=progress) as servers:
        manifest = back_up(servers, folder, progress=progress)
    if as_json:
        print_json(manifest)
        return
    rows = [(name, one["bytes"], one.get("position", "—")) for name, one in manifest["databases"].items()]
    print_table(str(folder), ("数据库 / database", ">字节 / bytes", ">位置 / position"), rows)
    keys = state.path / "keys"
    click.echo(
        f"密钥不在备份中：请把 {keys} 另行保存在别处 / no key is in the backup: keep a copy of {keys} elsewhere"
    )


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--only",
    "services",
    multiple=True,
    type=click.Choice(SERVICES),
    help="只恢复这些服务（默认四个） / these services only (default: all four)",
)
@click.option("--with-vault", is_flag=True, help="也恢复保险库（见警告） / the vault too (see the warning)")
@click.option("--stop", is_flag=True, help="先停止在运行的服务 / stop services that run")
@state_option
@json_option
def restore(
    folder: Path,
    services: tuple[str, ...],
    state_name: str | None,
    *,
    with_vault: bool,
    stop: bool,
    as_json: bool,
) -> None:
    """从备份恢复数据库，然后 zeren recover / Put databases back from a backup; zeren recover comes next.

    默认不恢复保险库：旧保险库缺少后来的人员 / Not the vault: an older one lacks the persons of later facts.
    """
    if not folder.is_dir():
        fail(
            2,
            f"没有目录 {folder.absolute()}：请给出 zeren backup 目录 当时写入的目录；尚无备份则先运行它 / "
            f"there is no folder {folder.absolute()}: name the one that zeren backup FOLDER wrote; without a backup, "
            "run that first",
        )
    state, progress = _state(state_name), timed_progress(to_stderr=True)
    chosen = services or SERVICES
    read_manifest(folder)  # before any server is started
    with state.locked():
        servers = _servers(state, progress)
        done = put_back(servers, folder, chosen, with_vault=with_vault, stop=stop, progress=progress)
    following, start = _commands(state, chosen)
    if as_json:
        print_json({"restored": done, "next": following})
        return
    click.echo(f"已恢复：{', '.join(done)} / put back: {', '.join(done)}")
    if with_vault:
        click.echo(
            "警告：备份之后登记的人员不在此保险库中，相关事实将查不到个人信息；备份之后的删除会再次执行 / "
            "warning: persons registered after the backup are not in this vault, and facts that name them find "
            "nobody; erasures carried out since are carried out again"
        )
    click.echo(f"下一步：{following}，再 {start} / next: {following}, then {start}")


def _commands(state: StateFolder, services: Sequence[str]) -> tuple[str, str]:
    """What comes after a restore, with the stack's name where it is not the first one's."""
    start = start_command(state.path.name)
    return f"zeren recover {' '.join(services)}{start.removeprefix('zeren up')}", start


@click.command()
@click.argument("services", nargs=-1, required=True, type=click.Choice(SERVICES))
@state_option
@json_option
def recover(services: tuple[str, ...], state_name: str | None, *, as_json: bool) -> None:
    """从 Kafka 补回服务数据库缺失的事实 / Put the facts that a service's database lacks back from Kafka.

    服务须已停止；可中断后再运行 / The service must not run; it may be interrupted and run again.
    退出码 / exit codes: 0 完成 done · 1 拒绝，原因见输出 refused, with why
    """
    state = _state(state_name)
    _servers(state, timed_progress(to_stderr=True))
    found = []
    for service in services:
        done = run_task(state, service, "recover", "--json")
        if done.returncode != 0:
            raise click.exceptions.Exit(done.returncode)
        put_back_mark(state.path, service).unlink(missing_ok=True)
        found.append(json.loads(done.stdout))
        if not as_json:
            click.echo(_told(found[-1]))
    if as_json:
        print_json({"recovered": found})
    else:
        start = start_command(state.path.name)
        click.echo(f"可以启动：{start} / ready to start: {start}")


def _told(one: dict[str, Any]) -> str:
    before, head = one["before"], one["head"]
    further = "".join(f"，{name} {value}" for name, value in one["further"].items())
    return (
        f"{one['service']}: 一致 {one['compared']}，补回 {one['put_back']}，位置 {before} → {head}，"
        f"待补齐的报送 {one['half_decided']}，以事实编号答复的操作 {one['commands']}{further} / "
        f"{one['compared']} equal, {one['put_back']} put back, {one['half_decided']} submissions to complete, "
        f"{one['commands']} commands answered by fact ids"
    )


@click.command()
@click.argument("service", type=click.Choice(SERVICES))
@click.option(
    "--from", "position", required=True, type=click.IntRange(1), metavar="N", help="位置 / the position"
)
@state_option
@json_option
def resend(service: str, position: int, state_name: str | None, *, as_json: bool) -> None:
    """让服务从某位置起重发事实 / Have a service send its facts again from a position; readers drop repeats."""
    with local(state_name) as stack:
        bearer = stack.as_duty(OPERATOR)
        answer = stack.post(service, "/relay/resend", {"from_position": position}, bearer=bearer)
    head = answer["head"]
    if position > head:
        fail(
            2,
            f"{service} 的事件表到位置 {head} 为止，没有 {position}，未重发：位置从 1 至 {head} / "
            f"the event table of {service} ends at position {head}, nothing was sent: name one from 1 to {head}",
        )
    if as_json:
        print_json(answer)
        return
    click.echo(f"{service}: 重发 {position}–{head} / sending {position} to {head} again")
