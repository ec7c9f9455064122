"""What auditors ask: a claim told again, who is responsible for it, and how far each region is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from shared.identity import is_reason_code
from shared.money import yuan
from zeren.cli.destinations import new_file
from zeren.cli.output import console, fail, json_option, print_json, print_table
from zeren.cli.reconcile import reconcile
from zeren.cli.states import local, state_option
from zeren.stack.client import Local
from zeren.stack.files import write_private

REPLAY_PAGE = 500
SHA256 = re.compile(r"[0-9a-f]{64}")
ROLES = {
    "USED": "使用 / used",
    "ATTESTED": "证明 / attested",
    "CLAIMED": "申领 / claimed",
    "CHECKED": "审核 / checked",
    "APPROVED": "审批 / approved",
    "PAID": "拨付 / paid",
    "REFUSED": "不予通过 / refused",
}


REASON_ZH = (
    "原因代码为 2–32 个大写字母、数字或下划线，以字母开头；没有固定清单，"
    "常用 CASE_REVIEW 核查个案、COMPLAINT 投诉、SPOT_CHECK 抽查"
)
REASON_EN = (
    "the code is 2–32 of A–Z, 0–9 and _, a letter first; no list is fixed, "
    "usual are CASE_REVIEW, COMPLAINT, SPOT_CHECK"
)


def _reason_code(_context: click.Context, option: click.Parameter, reason: str) -> str:
    """As the service judges it, before anything is asked."""
    if not is_reason_code(reason) and (reason or option.required):
        fail(
            2,
            "--reason 须为原因代码：2–32 个大写字母、数字或下划线，以字母开头，如 CASE_REVIEW / "
            "--reason must be a code of 2–32 of A–Z, 0–9 and _, a letter first, such as CASE_REVIEW",
        )
    return reason


reason_option = click.option(
    "--reason",
    callback=_reason_code,
    default="CASE_REVIEW",
    show_default=True,
    help=f"查阅姓名的原因，查阅本身入账；空则不显示；{REASON_ZH} / "
    f"why names are read: the reading is a fact; empty shows none; {REASON_EN}",
)


@click.group()
def audit() -> None:
    """重放、责任链与对账 / Replay, responsibility and reconciliation."""


audit.add_command(reconcile)


@audit.command("replay")
@click.argument("claim_id", type=click.UUID)
@reason_option
@state_option
@json_option
def replay(claim_id: object, *, reason: str, state_name: str | None, as_json: bool) -> None:
    """重放一笔申领：全部事实、状态与政策依据 / Every fact a claim rests on, its state, the rules that decided."""
    with local(state_name) as stack:
        told = replayed(stack, str(claim_id), reason)
    if as_json:
        print_json(told)
    else:
        show_replay(told)


def replayed(stack: Local, claim_id: str, reason: str) -> dict[str, Any]:
    """Every page of a replay as one answer."""
    bearer, facts, traces, offset = stack.as_duty("AUDITOR"), [], [], 0
    while True:
        params = {"reason": reason, "offset": offset, "limit": REPLAY_PAGE}
        page = stack.get("audit", f"/claims/{claim_id}/replay", bearer=bearer, params=params)
        facts += page["facts"]
        traces += page["traces"]
        if page["next"] is None:
            return {**page, "facts": facts, "traces": traces}
        offset = page["next"]


def show_replay(told: dict[str, Any]) -> None:
    """A replay for people."""
    _show_head(told["claim"])
    columns = (">账本序号 / index", "业务日期 / date", "事实 / fact", "职责 / duty", "谁 / who")
    rows = [
        (
            one["index"],
            one["fact"]["businessdate"],
            one["fact"]["type"].split(".")[2],
            one["fact"]["duty"],
            _who(one["fact"]["actor"], told),
        )
        for one in told["facts"]
    ]
    print_table(f"{told['total']} 个事实 / facts", columns, rows)
    for trace in told["traces"]:
        _show_trace(trace)


def _who(actor: str, told: dict[str, Any]) -> str:
    kind, _, name = actor.partition(":")
    person = told.get("people", {}).get(name)
    if person:
        return f"{person['name']}（{person['post']}，{person['organisation']}）"
    organisation = told.get("organisations", {}).get(name)
    return organisation or f"{kind}:{name}"


def _show_head(claim: dict[str, Any]) -> None:
    paid = yuan(claim.get("paid_fen") or 0)
    console().print(f"申领 / claim {claim['claim_id']}  {claim.get('state', '')}  已付 / paid {paid}")


def _show_trace(trace: dict[str, Any]) -> None:
    amount = "" if trace["amount_fen"] is None else yuan(trace["amount_fen"])
    title = f"政策依据 / policy: {trace['type'].split('.')[2]} → {trace['result']} {amount}"
    columns = (
        "规则 / rule",
        "依据 / source",
        "条文 / citation",
        "结果 / result",
        ">金额 / amount",
        "标记 / marks",
    )
    rows = []
    for step in trace["steps"]:
        policy = step["policy"] or {}
        fen = step["amount_fen"]
        rows.append(
            (
                step["rule"],
                policy.get("name", ""),
                policy.get("citation", ""),
                step["result"],
                "" if fen is None else yuan(fen),
                " ".join(policy.get("marks", ())),
            )
        )
    print_table(f"{title}  {' '.join(trace['marks'])}", columns, rows)


@audit.command("responsible")
@click.argument("claim_id", type=click.UUID)
@reason_option
@state_option
@json_option
def responsible(claim_id: object, *, reason: str, state_name: str | None, as_json: bool) -> None:
    """责任链：谁使用、谁负责 / Who used, attested, claimed, checked, approved and paid a claim."""
    with local(state_name) as stack:
        told = stack.get(
            "audit",
            f"/claims/{claim_id}/responsibility",
            bearer=stack.as_duty("AUDITOR"),
            params={"reason": reason},
        )
    if as_json:
        print_json(told)
    else:
        show_responsibility(told)


def show_responsibility(told: dict[str, Any]) -> None:
    """A responsibility chain for people."""
    _show_head(told["claim"])
    columns = (
        "责任 / role",
        "职责 / duty",
        "谁 / who",
        "岗位 / post",
        "单位 / organisation",
        "日期 / dates",
        ">事实 / facts",
    )
    rows = []
    for link in told["links"]:
        actor = link["actor"]
        dates = (
            link["first_on"]
            if link["first_on"] == link["last_on"]
            else f"{link['first_on']} – {link['last_on']}"
        )
        rows.append(
            (
                ROLES.get(link["role"], link["role"]),
                link["duty"],
                actor.get("name") or f"{actor['kind']}:{actor['id']}",
                actor.get("post", ""),
                actor.get("organisation", ""),
                dates,
                len(link["facts"]),
            )
        )
    print_table("责任链 / responsibility", columns, rows)


def _digest(_context: click.Context, _argument: click.Parameter, digest: str) -> str:
    """As receipts write it; judged before anything is asked."""
    if not SHA256.fullmatch(digest.lower()):
        fail(
            2,
            f"DIGEST 须为 64 位十六进制（SHA-256 全文），这里是 {len(digest)} 个字符；见 "
            f"zeren audit replay CLAIM --json 的 origin.digest / "
            f"DIGEST takes 64 hex digits, a whole SHA-256, not {len(digest)} characters; it stands in "
            "zeren audit replay CLAIM --json as origin.digest",
        )
    return digest.lower()


@audit.command("evidence")
@click.argument("service", type=click.Choice(("enrolment", "certification", "payment")))
@click.argument("digest", callback=_digest)
@click.option(
    "--reason",
    required=True,
    callback=_reason_code,
    help=f"查阅的原因，查阅本身入账；{REASON_ZH} / why; the reading is a fact; {REASON_EN}",
)
@click.option(
    "--to",
    "file",
    required=True,
    callback=new_file,
    type=click.Path(dir_okay=False, path_type=Path),
    help="写入的文件（权限 0600，不覆盖） / the file to write, mode 0600, never over another",
)
@state_option
def evidence(service: str, digest: str, reason: str, file: Path, state_name: str | None) -> None:
    """取出一份原始报送（包括隔离的） / Writes a submission as it was sent, also one in quarantine, to a file.

    DIGEST 见回执或 SubmissionQuarantined 的 origin.digest / DIGEST stands in the receipt's origin.
    """
    with local(state_name) as stack:
        bearer = stack.as_duty("AUDITOR")
        body = stack.get_bytes(
            "audit", f"/evidence/{service}/{digest}", bearer=bearer, params={"reason": reason}
        )
    write_private(file, body)
    click.echo(f"{file}: {len(body)} 字节，可能含个人信息 / bytes; it may hold personal data")


@click.command()
@click.option("--year", type=click.IntRange(2000, 2100), default=2024, show_default=True, help="年度 / year")
@state_option
@json_option
def targets(year: int, state_name: str | None, *, as_json: bool) -> None:
    """各地区目标任务与进度；平潭单列 / Each region against its target; 平潭 stands apart from 福州."""
    with local(state_name) as stack:
        told = stack.get("audit", "/progress", bearer=stack.as_duty("AUDITOR"), params={"year": year})
    if as_json:
        print_json(told)
    else:
        show_targets(told)


def show_targets(told: dict[str, Any]) -> None:
    """The table of regions for people."""
    columns = (
        "地区 / region", ">目标 / target", ">报名 / enrolled", ">结业 / completed", ">取证 / certified",
        ">申领 / claimed", ">支付 / paid", ">金额 / amount",
    )  # fmt: skip
    names = ("target", "enrolled", "completed", "certified", "claimed", "paid")
    rows = [
        (f"{row['zh']} {row['en']}", *(f"{row[name]:,}" for name in names), yuan(row["paid_fen"]))
        for row in told["regions"]
    ]
    total = told["total"]
    rows.append(("合计 / total", *(f"{total[name]:,}" for name in names), yuan(total["paid_fen"])))
    print_table(f"{told['year']}（{told['source']}）{' '.join(told['marks'])}", columns, rows)
