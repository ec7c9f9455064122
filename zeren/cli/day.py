"""The business date: what it is, and opening days."""

from __future__ import annotations

from datetime import datetime

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
        date = business_date(stack)
    shown = date.isoformat() if date else None
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
        date = open_days(stack, through.date(), progress=timed_progress(to_stderr=True))
    if as_json:
        print_json({"date": date.isoformat()})
    else:
        click.echo(f"业务日期 {date} / the business date is {date}")
