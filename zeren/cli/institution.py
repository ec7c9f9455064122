"""An institution's side: registration, keys, publishing records, receipts."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import click

from shared.telemetry.export import exporting
from shared.telemetry.tracing import Tracing
from zeren.cli.output import fail, json_option, print_json, print_table, timed_progress
from zeren.cli.registration import FILE, key, register
from zeren.cli.states import running_state, state_option
from zeren.institution.client import Mailbox, Publisher, kept_receipts
from zeren.institution.profile import Profile, profile_path, read_profile, read_profiles
from zeren.institution.receipts import Receipt, distinct
from zeren.institution.records import Record, read_records, reason_line
from zeren.stack.client import Local
from zeren.stack.local import SERVICES
from zeren.stack.state import StateFolder
from zeren.stack.traces import INSTITUTION, local_collector
from zeren.stack.whole import institutions_folder


@click.group()
def institution() -> None:
    """机构一侧：登记、密钥、报送、回执 / An institution's side: registration, keys, sending, receipts."""


institution.add_command(register)
institution.add_command(key)


REVOCATIONS = ("COMPROMISED", "LOST", "SUPERSEDED", "CLOSED")
ADOPTION_SECONDS, POLL_SECONDS = 60.0, 0.1


@institution.command("revoke-key")
@click.option("--uscc", required=True, help="机构代码 / USCC")
@click.option("--key-id", required=True, help="密钥编号 / its id")
@click.option("--reason", type=click.Choice(REVOCATIONS), required=True, help="撤销原因 / why")
@click.option(
    "--valid-until",
    metavar="TIME",
    help="失效时间，RFC 3339 带时区（默认：现在） / its end, with an offset (default: now)",
)
@state_option
@json_option
def revoke_key(
    *, uscc: str, key_id: str, reason: str, valid_until: str | None, state_name: str | None, as_json: bool
) -> None:
    """撤销签名密钥；各服务采纳后结束 / Revoke a signing key; ends when every service has taken it in.

    What the broker logged before its end stays good; whatever comes later goes to quarantine.
    """
    body = {"reason": reason, "valid_until": valid_until}
    with Local(running_state(state_name)) as stack:
        path = f"/institutions/{uscc}/keys/{key_id}/revocation"
        told = stack.post("enrolment", path, body, bearer=stack.as_duty("REGISTRAR"))
        end = datetime.fromisoformat(told["valid_until"])
        deadline = time.monotonic() + ADOPTION_SECONDS
        waiting = [service for service in SERVICES if not _ended(stack, service, key_id, end)]
        while waiting:
            if time.monotonic() > deadline:
                named = "、".join(waiting)
                fail(
                    3, f"已撤销，但 {named} 尚未采纳 / revoked, but not taken in yet by {', '.join(waiting)}"
                )
            time.sleep(POLL_SECONDS)
            waiting = [service for service in waiting if not _ended(stack, service, key_id, end)]
    if as_json:
        print_json(told)
    else:
        click.echo(f"{key_id} 自 {end.isoformat()} 起失效 / is not valid from then on")


def _ended(stack: Local, service: str, key_id: str, end: datetime) -> bool:
    found = stack.get(service, f"/keys/{key_id}")["valid_until"]
    return found is not None and datetime.fromisoformat(found) <= end


@institution.command("publish")
@click.argument("records", type=FILE)
@click.option("--day", help="只报送该日的记录 / only the records of this day")
@click.option("--phase", type=int, help="只报送该步的记录 / only those of this phase")
@state_option
@json_option
def publish(
    records: Path, *, day: str | None, phase: int | None, state_name: str | None, as_json: bool
) -> None:
    """报送记录文件，各机构用各自的身份 / Send a file of records, each party under its own principal.

    A record is sent as it stands, broken ones too: each line {"service","key","headers","value_base64","party"},
    with "day" and "phase" where groups are sent one after the other.
    """
    state = running_state(state_name)
    profiles = read_profiles(institutions_folder(state))
    found = read_records(records)
    chosen = [one for one in found if day in (None, one.day) and phase in (None, one.phase)]
    with exporting(INSTITUTION, local_collector(state)) as tracing:
        count = asyncio.run(_publish(profiles, chosen, tracing))
    if as_json:
        print_json({"sent": count})
    else:
        click.echo(f"已报送 {count} 条记录 / {count} records sent")


async def _publish(profiles: Mapping[str, Profile], records: list[Record], tracing: Tracing) -> int:
    show = timed_progress(to_stderr=True)
    async with Publisher(profiles, tracing=tracing) as publisher:
        return await publisher.send(records, lambda done, whole: show(f"{done}/{whole} 条 / records"))


@institution.command("receipts")
@click.option("--uscc", multiple=True, help="机构代码，可多次给出 / USCC, may be repeated (default: all)")
@click.option("--follow", is_flag=True, help="持续显示新回执 / keep showing new ones")
@state_option
@json_option
def receipts(uscc: tuple[str, ...], *, follow: bool, state_name: str | None, as_json: bool) -> None:
    """机构收到的回执 / The receipts that institutions got; with --json and --follow a JSON line each."""
    profiles = _profiles(running_state(state_name), uscc)
    if follow:
        asyncio.run(_follow(profiles, as_json=as_json))
        return
    found = distinct(asyncio.run(kept_receipts(profiles)))
    if as_json:
        print_json({"receipts": [one.told() for one in found]})
        return
    columns = (
        "机构 / institution",
        "编号 / id",
        "类型 / type",
        "结果 / outcome",
        ">事实 / facts",
        "原因 / reasons",
    )
    rows = (
        (
            one.institution,
            one.submission_id,
            one.submission_type.split(".")[2] if one.submission_type.count(".") > 2 else one.submission_type,
            one.outcome,
            one.fact_count,
            "\n".join(_why(one, 5)),
        )
        for one in found
    )
    print_table(f"{len(found)} 份回执 / receipts", columns, rows)


def _why(one: Receipt, most: int) -> list[str]:
    """The first reasons, and what was awaited in vain."""
    told = list(map(reason_line, one.reasons[:most]))
    if len(one.reasons) > most:
        told.append("…")
    if one.awaited:
        told.append(f"曾等待 / had waited for {one.awaited}")
    return told


def _profiles(state: StateFolder, usccs: tuple[str, ...]) -> list[Profile]:
    folder = institutions_folder(state)
    if usccs:
        return [read_profile(profile_path(folder, uscc)) for uscc in usccs]
    found = list(read_profiles(folder).values())
    if not found:
        fail(1, "尚未登记任何机构：请先 zeren institution register / no institution is registered from here")
    return found


async def _follow(profiles: list[Profile], *, as_json: bool) -> None:
    async def of(profile: Profile) -> None:
        async with Mailbox(profile) as mailbox:
            async for one in mailbox.follow():
                if as_json:
                    click.echo(json.dumps(one.told(), ensure_ascii=False))
                else:
                    click.echo(
                        f"{one.institution}  {one.submission_id}  {one.outcome}  {'; '.join(_why(one, 3))}"
                    )

    await asyncio.gather(*(of(profile) for profile in profiles))
