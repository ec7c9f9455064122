"""Where a checkpoint's leaves came from: with the facts topics, that is the log's order, kept outside the database."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import groupby
from typing import NamedTuple

import msgspec


class Run(NamedTuple):
    """Leaves that came one after the other from one place: so many of them, in the order of their positions."""

    source: str
    topic: str
    partition: int
    leaves: int


def runs_of(places: Iterable[tuple[str, str, int]]) -> list[Run]:
    """The runs of leaves in order, each given as its source, topic and partition."""
    return [Run(*place, sum(1 for _ in leaves)) for place, leaves in groupby(places)]


def encode_runs(runs: Iterable[Run]) -> str:
    """As JSON: what is kept with a checkpoint, and its record's header."""
    return json.dumps(list(runs), separators=(",", ":"))


def decode_runs(value: bytes | None) -> tuple[Run, ...]:
    """The runs of a header; none where there is no readable one."""
    try:
        return tuple(
            Run(*row) for row in msgspec.json.decode(value or b"[]", type=list[tuple[str, str, int, int]])
        )
    except msgspec.MsgspecError:
        return ()
