"""The ledger, recomputed on the caller's side from tiles and entries; no verdict is asked of the server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import click

from shared.tlog.checkpoint import open_checkpoint
from shared.tlog.errors import LogDiffers, Malformed, TlogError
from shared.tlog.notes import VerifierKey
from shared.tlog.tiles import TILE_WIDTH
from zeren.cli.destinations import folder_to_fill
from zeren.cli.output import fail, json_option, print_json, timed_progress
from zeren.cli.states import running_state, state_option
from zeren.stack.client import Local
from zeren.stack.files import write_private
from zeren.stack.state import StateFolder
from zeren.stack.whole import ledger_vkey
from zeren.verify import ledger as verifier
from zeren.verify.copying import copy_ledger
from zeren.verify.errors import LedgerRewritten

EVERY = 50_000
"""Entries between two lines of progress."""

where_option: Callable[..., Any] = click.option(
    "--where",
    metavar="URL|FOLDER",
    help="账本地址或目录（默认：本地账本） / the ledger (default: the local one)",
)


def _well_formed(_context: click.Context, _option: click.Parameter, key: str | None) -> str | None:
    try:
        if key is not None:
            VerifierKey.parse(key)
    except Malformed as error:
        raise click.BadParameter(f"不是验证密钥 / no verifier key: {error}") from None
    return key


vkey_option: Callable[..., Any] = click.option(
    "--vkey",
    envvar="ZEREN_LEDGER_VKEY",
    show_envvar=True,
    callback=_well_formed,
    help="验证密钥，应从别处取得 / the verifier key, which should come from elsewhere than the server",
)


@click.group()
def ledger() -> None:
    """在本机核验账本 / The ledger, verified here."""


def _place(
    where: str | None, vkey: str | None, state_name: str | None
) -> tuple[str, str, StateFolder | None]:
    """Where the ledger is, its verifier key, and the local state folder if it is ours."""
    if where is not None:
        if not vkey:
            fail(2, "核验别处的账本须给出 --vkey / another ledger needs its --vkey")
        return where, vkey, None
    state = running_state(state_name)
    with Local(state) as stack:
        return f"{stack.url('audit')}/log", vkey or ledger_vkey(state), state


@ledger.command("where")
@state_option
@json_option
def where_it_is(state_name: str | None, *, as_json: bool) -> None:
    """本地账本的地址，供 --where 使用 / Where the local ledger is served, for --where."""
    with Local(running_state(state_name)) as stack:
        url = f"{stack.url('audit')}/log"
    if as_json:
        print_json({"where": url})
    else:
        click.echo(url)


@ledger.command("vkey")
@state_option
@json_option
def vkey_of_the_local_one(state_name: str | None, *, as_json: bool) -> None:
    """本地账本的验证密钥，由运营方当面交给审计 / The local ledger's verifier key, for the operator to hand over.

    取自密钥文件，不问服务器 / From the key file, not from the server.
    """
    key = ledger_vkey(running_state(state_name))
    if as_json:
        print_json({"vkey": key})
    else:
        click.echo(key)


@ledger.command("checkpoint")
@where_option
@vkey_option
@state_option
@json_option
def checkpoint(where: str | None, vkey: str | None, state_name: str | None, *, as_json: bool) -> None:
    """最新检查点，签名已核验 / The newest checkpoint, its signature verified."""
    place, key, _ = _place(where, vkey, state_name)
    signed = verifier.checkpoint(place, key)
    head = signed.checkpoint
    if as_json:
        print_json({"origin": head.origin, "size": head.size, "root": head.root.hex(), "note": signed.note})
    else:
        click.echo(signed.note, nl=False)


@ledger.command("verify")
@where_option
@vkey_option
@click.option(
    "--since",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="先前保存的检查点，账本须以它为开头 / a checkpoint kept earlier: the ledger must begin with it",
)
@state_option
@json_option
def verify(
    where: str | None, vkey: str | None, since: Path | None, state_name: str | None, *, as_json: bool
) -> None:
    """重算全部记录、散列块与根 / Recompute every entry, tile and the root, and compare with the signed checkpoint.

    本地账本还须以上次核验的检查点为开头 / A local ledger must also begin with what was verified last time.
    """
    place, key, state = _place(where, vkey, state_name)
    kept = None if state is None else state.path / "ledger.checkpoint"
    grown_from = _grown(place, key, since or kept)
    found = _verified(place, key)
    if kept is not None:
        write_private(kept, found.note)
    if as_json:
        answer = {"verified": True, "origin": found.origin, "size": found.size, "root": found.root.hex()}
        print_json({**answer, "facts": found.facts, "extends": grown_from, "vkey": key})
        return
    click.echo(
        f"账本核验通过：{found.facts} 个事实，根 {found.root.hex()} / "
        f"ledger verified: {found.facts} facts, root {found.root.hex()}"
    )
    if grown_from is not None:
        click.echo(
            f"并以先前核验的 {grown_from} 条为开头 / and it begins with the {grown_from} verified before"
        )


def _verified(place: str, key: str) -> verifier.Verified:
    try:
        return verifier.verify(place, key, _progress())
    except LogDiffers:
        if Path(place).is_dir():
            click.echo(
                f"{place} 是一份副本：请原样留存，另用 zeren ledger copy 复制到新目录再核验，以分清何者被改 / "
                f"{place} is a copy: keep it as it is, copy into a new folder with zeren ledger copy and verify that, "
                "which tells whether the copy or the ledger was altered",
                err=True,
            )
        raise


def _grown(place: str, key: str, kept: Path | None) -> int | None:
    if kept is None or not kept.exists():
        return None
    trusted, note = VerifierKey.parse(key), kept.read_bytes()
    try:
        size = open_checkpoint(note, [trusted]).size
    except TlogError as error:
        fail(
            2,
            f"{kept} 不能用作先前的检查点：{error.zh} / {kept} can't be the checkpoint kept earlier: {error.en}",
        )
    try:
        verifier.verify_growth(place, key, note.decode())
    except LedgerRewritten:
        click.echo(f"先前的检查点在 / the checkpoint kept earlier: {kept}", err=True)
        raise
    return size


def _progress(every: int = EVERY) -> Callable[[int, int], None]:
    show, told = timed_progress(to_stderr=True), 0

    def progress(done: int, whole: int) -> None:
        nonlocal told
        if done - told >= every:
            told = done
            show(f"{done}/{whole}")

    return progress


@ledger.command("copy")
@click.argument("folder", callback=folder_to_fill, type=click.Path(file_okay=False, path_type=Path))
@where_option
@vkey_option
@state_option
@json_option
def copy(folder: Path, *, where: str | None, vkey: str | None, state_name: str | None, as_json: bool) -> None:
    """把账本文件复制到目录，供离线核验；再次运行只取新增 / Copy the ledger's files; once more, only what is new.

    然后 / then: zeren ledger verify --where FOLDER --vkey KEY
    """
    place, key, _ = _place(where, vkey, state_name)
    size = copy_ledger(place, folder, key, _progress(EVERY // TILE_WIDTH)).checkpoint.size
    if as_json:
        print_json({"folder": str(folder), "size": size})
        return
    click.echo(
        f"已复制 {size} 条到 {folder}；尚未核验，请运行 zeren ledger verify --where {folder} --vkey … / "
        f"copied {size} entries to {folder}; not verified yet: run zeren ledger verify --where {folder} --vkey …"
    )


def _id_or_index(_context: click.Context, _argument: click.Parameter, fact: str) -> str | int:
    """As facts write their ids; judged before anything is asked."""
    if fact.isascii() and fact.isdigit():
        return int(fact)
    try:
        return str(UUID(fact))
    except ValueError:
        return fail(
            2,
            f"FACT 须为事实编号（UUID，见 zeren audit replay CLAIM --json 各事实的 id）或账本序号，而非 {fact!r} / "
            f"FACT is a fact's id (a UUID: the id of each fact in zeren audit replay CLAIM --json) or its index in the "
            f"ledger, not {fact!r}",
        )


@ledger.command("prove")
@click.argument("fact", callback=_id_or_index)
@click.option(
    "--out",
    callback=folder_to_fill,
    type=click.Path(file_okay=False, path_type=Path),
    help="把证明与记录写入目录 / write proof and entry into this folder",
)
@where_option
@vkey_option
@state_option
@json_option
def prove(
    fact: str | int,
    *,
    out: Path | None,
    where: str | None,
    vkey: str | None,
    state_name: str | None,
    as_json: bool,
) -> None:
    """证明某事实在账本内（编号或序号） / Prove that a fact stands in the ledger, by its id or its index."""
    place, key, _ = _place(where, vkey, state_name)
    proven = verifier.prove(place, key, fact)
    head = proven.checkpoint
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / f"{proven.index}.json").write_bytes(proven.entry)
        (out / f"{proven.index}.tlog-proof").write_text(proven.proof, "utf-8")
    if as_json:
        answer = {"proven": True, "index": proven.index, "size": head.size, "root": head.root.hex()}
        print_json({**answer, "hint": proven.hint, "entry": proven.entry.decode(), "proof": proven.proof})
        return
    click.echo(
        f"已证明：第 {proven.index} 条，账本 {head.size} 条，根 {head.root.hex()} / "
        f"proven: entry {proven.index} of {head.size}, root {head.root.hex()}"
    )
    if out is not None:
        click.echo(f"{out}/{proven.index}.json, {out}/{proven.index}.tlog-proof")


@ledger.command("check")
@click.argument("entry", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("proof", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@vkey_option
@json_option
def check(entry: Path, proof: Path, vkey: str | None, *, as_json: bool) -> None:
    """离线核验 prove 写出的记录与证明 / Check an entry and its proof, as prove wrote them, offline."""
    if vkey is None:
        fail(2, "须给出 --vkey 或 ZEREN_LEDGER_VKEY / give --vkey or ZEREN_LEDGER_VKEY")
    head = verifier.verify_proof(proof.read_text("utf-8"), entry.read_bytes(), vkey)
    if as_json:
        print_json({"proven": True, "origin": head.origin, "size": head.size, "root": head.root.hex()})
        return
    click.echo(
        f"证明有效：{head.origin} 的 {head.size} 条账本含有此记录 / "
        f"the proof holds: the entry stands in {head.origin} of {head.size} entries"
    )
