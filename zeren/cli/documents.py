"""Files of documents: checked offline, and sent signed."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from shared.contracts.codes.catalogue import CATALOGUE
from shared.telemetry.export import exporting
from shared.telemetry.tracing import Tracing
from zeren.cli.output import fail, json_option, print_json, print_table
from zeren.cli.states import running_state, state_option
from zeren.institution.client import Publisher
from zeren.institution.exchange import Sent, send_and_wait
from zeren.institution.keys import SigningKey, read_key
from zeren.institution.profile import Profile, profile_path, read_profile
from zeren.institution.records import (
    Judged,
    Record,
    judge_document,
    judge_line,
    read_lines,
    reason_line,
    sign_document,
)
from zeren.stack.client import Local
from zeren.stack.traces import INSTITUTION, local_collector
from zeren.stack.whole import institutions_folder

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
NOTHING_IN_IT = "文件中没有文档 / there is no document in the file"
FACTS_SHOWN = 3
"""How many facts of one receipt are named to people; --json has all that the receipt names."""


@click.command()
@click.argument("file", type=FILE)
@json_option
def validate(file: Path, *, as_json: bool) -> None:
    """离线校验文件：每行一份文档或一条记录 / Check a file offline: a document or a record a line.

    所用代码与各服务相同 / The codes are the services' own. Exit code 1 if a line would be refused.

    只看形式；机构与密钥是否登记、签名是否相符、id 是否用过、班级是否已批准、有无此地区或职业、日期是否相符，见回执 /
    It looks at the form alone. Whether institution and key are registered, a signature is right, an id was used before,
    a class is approved, there is such a region or occupation, a date fits: the receipt tells.
    """
    judged = [judge_line(number, line) for number, line in read_lines(file)]
    wrong = [one for one in judged if one.reasons]
    if as_json:
        print_json({"file": str(file), "lines": len(judged), "valid": not wrong, "results": _told(judged)})
    else:
        _show_wrong(file, wrong)
        click.echo(
            f"{len(judged)} 行，{len(wrong)} 行不合规 / {len(judged)} lines, {len(wrong)} of them wrong"
            if judged
            else NOTHING_IN_IT
        )
    if wrong or not judged:
        raise click.exceptions.Exit(1)


def _told(judged: list[Judged]) -> list[dict[str, Any]]:
    return [one.told() for one in judged]


def _show_wrong(file: Path, wrong: list[Judged]) -> None:
    for one in wrong:
        for reason in one.reasons:
            click.echo(f"{file}:{one.line}  {reason_line(reason)}")
        for said in one.said:
            click.echo(f"    解析结果 / the decoder says: {said}")
    if any(reason.code == "submission.unreadable" for one in wrong for reason in one.reasons):
        click.echo(
            "文件须为 UTF-8（无 BOM），每行一份完整的 JSON 文档，行内不换行（jq -c . 可压成一行） / "
            "the file must be UTF-8 without a BOM, one whole JSON document a line, none spread over several lines "
            "(jq -c . puts it on one)"
        )


@click.command()
@click.argument("prefix", default="")
@json_option
def codes(prefix: str, *, as_json: bool) -> None:
    """全部原因代码（可给前缀） / Every reason code with its text and source; PREFIX narrows them."""
    found = [code for name, code in sorted(CATALOGUE.items()) if name.startswith(prefix)]
    if not found:
        fail(2, _no_code(prefix))
    if as_json:
        print_json({"codes": [code._asdict() for code in found]})
        return
    columns = ("代码 / code", "中文", "English", "依据 / source")
    print_table(
        f"{len(found)} 个代码 / codes", columns, ((one.code, one.zh, one.en, one.source) for one in found)
    )


def _no_code(prefix: str) -> str:
    """That no code begins so, and what may have been meant: its group, near codes and prefixes, else every prefix."""
    prefixes = sorted({name.partition(".")[0] for name in CATALOGUE})
    group = prefix.partition(".")[0]
    near = [group] if group in prefixes else difflib.get_close_matches(prefix, [*prefixes, *CATALOGUE])
    zh, en = ("是否指", "did you mean") if near else ("前缀有", "the prefixes are")
    meant = ", ".join(near or prefixes)
    return f"没有以 {prefix!r} 开头的代码；{zh}：{meant} / no code begins with {prefix!r}; {en}: {meant}"


@click.command()
@click.argument("file", type=FILE)
@click.option("--key", "key_file", type=FILE, required=True, help="签名密钥（JWK） / the signing key (JWK)")
@click.option("--wait", is_flag=True, help="等待回执 / wait for the receipts")
@click.option(
    "--timeout", type=click.FloatRange(1), default=60.0, show_default=True, help="等待秒数 / seconds to wait"
)
@click.option(
    "--profile", "profile_file", type=FILE, help="凭据文件（默认按机构代码） / the credentials profile"
)
@state_option
@json_option
def submit(  # noqa: PLR0913 - one parameter an option
    file: Path,
    *,
    key_file: Path,
    wait: bool,
    timeout: float,
    profile_file: Path | None,
    state_name: str | None,
    as_json: bool,
) -> None:
    """签名并报送：每行一份文档，对该行原字节签名 / Sign and send: a document a line, signed over its exact bytes.

    有一行不合规则全不报送 / If a line is wrong nothing is sent. Exit code 1 if a document was rejected or not
    answered; a parked one says what it waits for.
    """
    documents, sender = _signed(file, read_key(key_file))
    state = running_state(state_name)
    profile = read_profile(profile_file or profile_path(institutions_folder(state), sender))
    if profile.uscc != sender:
        fail(
            2, f"凭据属于 {profile.uscc}，文档属于 {sender} / the profile is of {profile.uscc}, not {sender}"
        )
    if not wait:
        with exporting(INSTITUTION, local_collector(state)) as tracing:
            asyncio.run(_send(profile, [record for _, record in documents], tracing))
        _report_sent(len(documents), as_json=as_json)
        return
    with Local(state) as stack, exporting(INSTITUTION, local_collector(state)) as tracing:
        outcomes = asyncio.run(
            send_and_wait(
                profile,
                documents,
                parked=lambda *asked: _parked(stack, *asked),
                seconds=timeout,
                tracing=tracing,
            )
        )
    if as_json:
        print_json({"sent": len(outcomes), "results": [_outcome(one) for one in outcomes]})
    else:
        _show(outcomes, sender)
    if any(one.outcome in ("rejected", "none") for one in outcomes):
        raise click.exceptions.Exit(1)


def _signed(file: Path, key: SigningKey) -> tuple[list[tuple[str, Record]], str]:
    """Every document signed, and their one sender; ends the command where one is wrong."""
    lines = list(read_lines(file))
    judged = [judge_document(number, line) for number, line in lines]
    wrong = [one for one in judged if one.reasons]
    if not judged:
        fail(1, NOTHING_IN_IT)
    if wrong:
        _show_wrong(file, wrong)
        fail(1, "未报送：请先改正以上各行 / nothing was sent: correct these lines first")
    senders = {one.found.institution for one in judged if one.found}
    if len(senders) != 1:
        fail(2, "一个文件只能有一个报送机构 / the documents of a file must be of one sender")
    sign = key.signer()
    documents = [
        (one.found.id, sign_document(one, line, sign))
        for one, (_, line) in zip(judged, lines, strict=True)
        if one.found
    ]
    return documents, senders.pop()


async def _send(profile: Profile, records: list[Record], tracing: Tracing) -> None:
    async with Publisher({profile.uscc: profile}, tracing=tracing) as publisher:
        await publisher.send(records)


def _report_sent(count: int, *, as_json: bool) -> None:
    if as_json:
        print_json({"sent": count})
    else:
        click.echo(
            f"已报送 {count} 份；回执见 zeren institution receipts / {count} sent; receipts: zeren institution receipts"
        )


def _parked(stack: Local, service: str, uscc: str) -> Mapping[str, Mapping[str, Any]]:
    answer = stack.get(service, "/parked", bearer=stack.as_duty("REGISTRAR"), params={"institution": uscc})
    return {row["submission_id"]: row for row in answer["parked"]}


def _outcome(one: Sent) -> dict[str, Any]:
    receipt = one.receipt.told() if one.receipt else None
    waits = {"awaited": one.awaited, "due": one.due} if one.outcome == "parked" else {}
    row = {"id": one.submission_id, "service": one.service, "outcome": one.outcome}
    return {**row, **waits, "receipt": receipt}


def _show(outcomes: list[Sent], sender: str) -> None:
    words = {
        "accepted": "已受理 / accepted",
        "rejected": "已退回 / rejected",
        "parked": "等待中 / parked",
        "none": "尚无回执：密钥未登记则等待其登记；密钥已撤销、已过期、属于他人或签名不符则已隔离，无回执 / "
        "no receipt yet: under an unknown key it waits until that is registered; under a revoked, expired or foreign "
        "key, or with a wrong signature, it is quarantined and gets none",
    }
    for one in outcomes:
        click.echo(f"{one.submission_id}  {words[one.outcome]}")
        if one.outcome == "none":
            click.echo(
                "    核对密钥，文件中的 x 即公钥 / compare the key, whose public half is x in its file: "
                f"zeren institution key list --uscc {sender}\n"
                "    在等待的 / what waits: zeren parked list\n"
                f"    稍后的回执 / receipts that come later: zeren institution receipts --uscc {sender}"
            )
        if one.outcome == "parked":
            click.echo(f"    等待 {one.awaited}，至 {one.due} / waits for {one.awaited} until {one.due}")
        if one.receipt and one.receipt.facts:
            more = " …" if one.receipt.fact_count > FACTS_SHOWN else ""
            click.echo(f"    事实 / facts: {' '.join(one.receipt.facts[:FACTS_SHOWN])}{more}")
        for reason in one.receipt.reasons if one.receipt else ():
            click.echo(f"    {reason_line(reason)}")
        if one.receipt and one.receipt.awaited:
            click.echo(f"    曾等待 / had waited for {one.receipt.awaited}")
