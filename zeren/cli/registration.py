"""`zeren institution register` and `zeren institution key`: organisations on the books, and their signing keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from shared.identity import is_uscc
from zeren.cli.destinations import new_file
from zeren.cli.output import fail, json_option, print_json, print_table, timed_progress
from zeren.cli.states import running_state, state_option
from zeren.institution.keys import SigningKey, read_key, write_key
from zeren.institution.onboarding import (
    KINDS,
    Account,
    Offices,
    Organisation,
    Scope,
    await_adoption,
    read_organisations,
    register_all,
)
from zeren.institution.profile import profile_path, read_profile, write_profile
from zeren.stack.client import Local, ServiceRefused
from zeren.stack.days import SHANGHAI
from zeren.stack.files import private_folder
from zeren.stack.local import running_servers
from zeren.stack.state import StateFolder
from zeren.stack.whole import institutions_folder

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


def offices(state: StateFolder, stack: Local) -> Offices:
    """Whom registrations go through in the local stack."""
    return Offices(stack, running_servers(state).onboard, private_folder(institutions_folder(state)))


@click.command()
@click.option("--file", "organisations", type=FILE, help="机构文件（JSONL） / a file of organisations")
@click.option("--keys", type=FOLDER, help="密钥目录，内有 <USCC>.jwk / the folder of their keys")
@click.option("--uscc", help="统一社会信用代码 / unified social credit code")
@click.option("--name", help="名称 / name")
@click.option("--kind", type=click.Choice(KINDS), help="类别 / kind")
@click.option("--region", help="登记机关区域代码 / region of the registering authority")
@click.option(
    "--scope",
    multiple=True,
    metavar="OCCUPATION:LEVELS",
    help="评价范围，如 elder-carer:5,4 / what an assessment body may assess",
)
@click.option(
    "--account-file",
    type=FILE,
    help='收款账户 JSON {"number","holder","bank"}（不经命令行） / the payee account, which no command line may hold',
)
@click.option(
    "--key", "key_file", type=FILE, help="已有签名密钥（JWK），默认新建 / its key; made if none is given"
)
@state_option
@json_option
def register(
    *,
    organisations: Path | None,
    keys: Path | None,
    key_file: Path | None,
    account_file: Path | None,
    state_name: str | None,
    as_json: bool,
    **who: Any,
) -> None:
    """登记机构：主题、身份、密钥、账户；各服务采纳密钥后结束 / Register organisations.

    Either one by its options, or all of a file with --file and --keys. Ends when every service has adopted the
    keys. Doing it again changes nothing.
    """
    state = running_state(state_name)
    show = timed_progress(to_stderr=True)
    with Local(state) as stack:
        if organisations is not None:
            if keys is None:
                fail(2, "--file 须与 --keys 一起使用 / --file needs --keys")
            folder = keys
            wanted = [(one, folder / f"{one.uscc}.jwk") for one in read_organisations(organisations)]
        else:
            wanted = [_single(state, stack, key_file, account_file, who)]
        keys_before = _keys_in_use(state, [organisation.uscc for organisation, _ in wanted])
        profiles = register_all(
            offices(state, stack), wanted, lambda done, whole: show(f"已登记 {done}/{whole} / registered")
        )
    if as_json:
        rows = [
            {"uscc": one.uscc, "name": one.name, "kind": one.kind, "key_id": one.key_id} for one in profiles
        ]
        print_json({"registered": rows})
        return
    for one in profiles:
        path = profile_path(institutions_folder(state), one.uscc)
        click.echo(f"{one.uscc} {one.name} {one.kind} {one.key_id} → {path}")
        if (before := keys_before.get(one.uscc, one.key_id)) != one.key_id:
            click.echo(
                f"  另登记了密钥 {one.key_id}，凭据改用它；{before} 仍然有效，可用 institution revoke-key 撤销 / "
                f"  {one.key_id} was added and the profile uses it; {before} stays good until you revoke it"
            )


def _keys_in_use(state: StateFolder, usccs: Sequence[str]) -> dict[str, str]:
    """By institution the key of its profile, where it has one already."""
    paths = {uscc: profile_path(institutions_folder(state), uscc) for uscc in usccs}
    return {uscc: read_profile(path).key_id for uscc, path in paths.items() if path.exists()}


def _single(
    state: StateFolder, stack: Local, key_file: Path | None, account_file: Path | None, who: dict[str, Any]
) -> tuple[Organisation, Path]:
    """The organisation of the options, with its key's file: given, used before, or made now."""
    missing = [f"--{name}" for name in ("uscc", "name", "kind", "region") if not who[name]]
    if missing:
        fail(2, f"缺少 {'、'.join(missing)} / missing: {', '.join(missing)}")
    if who["kind"] == "ASSESSMENT" and not who["scope"]:
        fail(2, "评价机构须给出 --scope / an assessment body needs --scope")
    uscc = who["uscc"]
    if not is_uscc(uscc):
        fail(2, f"统一社会信用代码校验不通过：{uscc} / the check character of {uscc} is wrong")
    path = key_file or _known_key_file(state, uscc) or _new_key_file(state, uscc)
    key = read_key(path)
    valid_from, valid_until = _validity(stack, uscc, key.key_id)
    account = None if account_file is None else _account(account_file)
    organisation = Organisation(
        uscc=uscc,
        name=who["name"],
        kind=who["kind"],
        region=who["region"],
        key_id=key.key_id,
        public_key=key.public,
        valid_from=valid_from,
        valid_until=valid_until,
        scope=[_scope(text) for text in who["scope"]],
        account=account,
    )
    return organisation, path


def _account(path: Path) -> Account:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Account)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        fail(2, f'{path} 不是账户 {{"number","holder","bank"}} / {path} is no account: {error}')


def _scope(text: str) -> Scope:
    occupation, _, levels = text.partition(":")
    if not levels:
        fail(2, f"--scope 应形如 elder-carer:5,4，而不是 {text} / --scope looks like elder-carer:5,4")
    return Scope(occupation, levels.split(","))


def _known_key_file(state: StateFolder, uscc: str) -> Path | None:
    path = profile_path(institutions_folder(state), uscc)
    return Path(read_profile(path).key_file) if path.exists() else None


def _new_key_file(state: StateFolder, uscc: str, key_id: str | None = None) -> Path:
    folder = private_folder(private_folder(institutions_folder(state)) / "keys")
    name = key_id or f"{uscc}-{datetime.now(SHANGHAI):%Y%m%d}"
    path = folder / f"{name}.jwk"
    if not path.exists():
        write_key(path, SigningKey.generate(name))
    return path


def _keys_of(stack: Local, uscc: str) -> list[dict[str, Any]]:
    try:
        detail = stack.get("enrolment", f"/institutions/{uscc}", bearer=stack.as_duty("REGISTRAR"))
    except ServiceRefused as refusal:
        if refusal.code == "institution.unknown":
            return []
        raise
    found: list[dict[str, Any]] = detail["keys"]
    return found


def _validity(stack: Local, uscc: str, key_id: str) -> tuple[str, str | None]:
    """As it stands on the books, so that a repetition says the same; a new key counts from today."""
    for row in _keys_of(stack, uscc):
        if row["key_id"] == key_id:
            return row["valid_from"], row["valid_until"]
    begin = datetime.now(SHANGHAI).replace(hour=0, minute=0, second=0, microsecond=0)
    return begin.isoformat(), None


@click.group()
def key() -> None:
    """签名密钥 / Signing keys."""


@key.command("list")
@click.option("--uscc", required=True, help="机构代码 / USCC")
@state_option
@json_option
def list_keys(uscc: str, *, state_name: str | None, as_json: bool) -> None:
    """一个机构登记的密钥 / The registered keys of an institution."""
    with Local(running_state(state_name)) as stack:
        rows = _keys_of(stack, uscc)
    if as_json:
        print_json({"uscc": uscc, "keys": rows})
        return
    columns = ("密钥 / key id", "公钥 / public key", "生效 / from", "失效 / until")
    names = ("key_id", "public_key", "valid_from", "valid_until")
    print_table(uscc, columns, ([row[name] for name in names] for row in rows))


@key.command("make")
@click.argument("file", callback=new_file, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--key-id", help="密钥编号（默认：文件名） / its id (default: the file's name)")
@json_option
def make_key(file: Path, *, key_id: str | None, as_json: bool) -> None:
    """在本机生成签名密钥，不登记 / Make a signing key here; it registers nothing and needs no stack.

    私钥只在该文件中（权限 0600，不覆盖） / The private half is in that file alone: mode 0600, never over another.
    """
    made = SigningKey.generate(key_id or file.stem)
    write_key(file, made)
    if as_json:
        print_json({"key_id": made.key_id, "public_key": made.public, "file": str(file)})
    else:
        click.echo(f"{made.key_id} → {file}，公钥 / public key {made.public}")


@key.command("new")
@click.option("--uscc", required=True, help="机构代码 / USCC")
@click.option("--key-id", help="密钥编号 / its id (default: the USCC and a number)")
@state_option
@json_option
def new_key(uscc: str, *, key_id: str | None, state_name: str | None, as_json: bool) -> None:
    """新建并登记密钥，凭据改用新密钥；旧密钥仍有效 / Make and register a key; the profile uses it from now on.

    The keys before stay valid until an officer ends them.
    """
    state = running_state(state_name)
    folder = institutions_folder(state)
    profile = read_profile(profile_path(folder, uscc))
    with Local(state) as stack:
        known = {row["key_id"] for row in _keys_of(stack, uscc)}
        path = _new_key_file(state, uscc, key_id or f"{uscc}-{len(known) + 1}")
        made = read_key(path)
        valid_from, valid_until = _validity(stack, uscc, made.key_id)
        body = {
            "key_id": made.key_id,
            "public_key": made.public,
            "valid_from": valid_from,
            "valid_until": valid_until,
        }
        stack.post("enrolment", f"/institutions/{uscc}/keys", body, bearer=stack.as_duty("REGISTRAR"))
        await_adoption(offices(state, stack), [made.key_id])
    write_profile(folder, replace(profile, key_id=made.key_id, key_file=str(path)))
    if as_json:
        print_json({"uscc": uscc, "key_id": made.key_id, "file": str(path)})
    else:
        click.echo(f"{made.key_id} → {path}")
