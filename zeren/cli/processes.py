"""Processes that `zeren up` starts; their settings come from the environment."""

from __future__ import annotations

import os

import click

from zeren.bank import simulator
from zeren.issuer import serve


@click.command(hidden=True)
def issuer() -> None:
    """令牌签发 / The issuer of bearer tokens."""
    raise click.exceptions.Exit(serve.serve(os.environ))


@click.command(hidden=True)
@click.option("--fail-every", type=click.IntRange(0), default=0)
def bank(fail_every: int) -> None:
    """模拟银行 / The bank simulator."""
    raise click.exceptions.Exit(simulator.serve(os.environ, fail_every=fail_every))
