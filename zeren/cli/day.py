"""The business date: what it is, and opening days."""

from __future__ import annotations

from datetime import date, datetime

import click

from zeren.cli.output import json_option, print_json, timed_progress
from zeren.cli.states import local, state_option
from zeren.stack.days import business_date, open_days


@click.group()
def day() -> None:
    """业务日期 / The business date, which moves only by facts."""


@day.command("show")
@state_option
@json_option
def show(state_name: str | None, *, as_json: bool) -> None:
    """当前业务日期 / The business date now."""
    with local(state_name) as stack:
        found = business_date(stack)
    shown = found.isoformat() if found else None
    if as_json:
        print_json({"date": shown})
    else:
        click.echo(shown or "尚未开启 / none is open")


@day.command("open")
@click.option(
    "--through",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    required=True,
    help="开启到该日 / open up to this day",
)
@state_option
@json_option
def open_through(through: datetime, state_name: str | None, *, as_json: bool) -> None:
    """开启业务日期直到某日；先等各服务处理完 / Open days up to a date, once nothing is under way in any service."""
    with local(state_name) as stack:
        before = business_date(stack)
        now = open_days(stack, through.date(), progress=timed_progress(to_stderr=True))
    if as_json:
        print_json({"date": now.isoformat()})
    else:
        click.echo(opened(before, through.date(), now))


def opened(before: date | None, asked: date, now: date) -> str:
    """What came of it: a day that is open already stays so, and the date never goes back."""
    if before is not None and asked <= before:
        return f"{asked} 早已开启，未作改动；业务日期 {now} / {asked} is open already, nothing changed; it is {now}"
    return f"业务日期 {now} / the business date is {now}"
