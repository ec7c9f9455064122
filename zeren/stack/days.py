"""Business days of a running stack: opened only when nothing is under way in any service."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from zeren.stack.client import Local
from zeren.stack.errors import StackError
from zeren.stack.local import SERVICES
from zeren.stack.supervisor import Progress, silent

SHANGHAI = ZoneInfo("Asia/Shanghai")
WAIT_SECONDS = 2.0
"""How long a service may wait before it says what is still under way."""
DRAIN_SECONDS = 300.0
COUNTS = ("unread", "unsent_facts", "unsent_receipts", "waking", "unprojected")


class NotDrained(StackError):
    """A service still had work under way at the deadline, or one of its partitions stands still."""


def business_date(local: Local) -> date | None:
    """The business date (业务日期) now, or None before the first."""
    answer = local.get("enrolment", "/business-day", bearer=local.as_duty("DAY"))
    return date.fromisoformat(answer["date"]) if answer["date"] else None


def today() -> date:
    """The calendar's date in Asia/Shanghai."""
    return datetime.now(SHANGHAI).date()


def wait_drained(local: Local, *, seconds: float = DRAIN_SECONDS, progress: Progress = silent) -> None:
    """Wait until every service is drained twice in a row with the same heads: nothing is in flight between them.

    Raises:
        NotDrained: not by the deadline, or a partition stands still after a fault.
        ServiceUnreachable
    """
    deadline = time.monotonic() + seconds
    before: tuple[int, ...] | None = None
    told = 0.0
    with ThreadPoolExecutor(len(SERVICES)) as pool:
        while True:
            states = list(
                pool.map(
                    lambda service: local.get(service, "/drain", params={"wait": WAIT_SECONDS}), SERVICES
                )
            )
            _must_run(states)
            heads = tuple(int(state["head"]) for state in states)
            drained = all(state["drained"] for state in states)
            if drained and heads == before:
                return
            before = heads if drained else None
            now = time.monotonic()
            if now >= deadline:
                raise _late(states, seconds)
            if not drained and now - told > 5:
                told = now
                progress(_under_way(states))


def _must_run(states: list[dict[str, Any]]) -> None:
    for state in states:
        if state.get("stopped"):
            where = "; ".join(f"{at}: {why}" for at, why in state["stopped"].items())
            raise NotDrained(
                f"{state['service']} 有分区因故障停下（{where}）；请看 zeren logs {state['service']}",
                f"{state['service']}: partitions stand still after a fault ({where}); "
                f"see zeren logs {state['service']}",
            )


def _under_way(states: list[dict[str, Any]]) -> str:
    left = "，".join(
        f"{state['service']} {name}={_count(state[name])}"
        for state in states
        for name in COUNTS
        if state.get(name)
    )
    return f"处理中：{left or '—'} / under way: {left or '-'}"


def _count(value: Any) -> int:
    return sum(value.values()) if isinstance(value, dict) else int(value)


def _late(states: list[dict[str, Any]], seconds: float) -> NotDrained:
    left = _under_way(states)
    return NotDrained(
        f"{seconds:g} 秒内未处理完：{left}；请看 zeren status 与 zeren logs",
        f"not drained within {seconds:g} s; see zeren status and zeren logs",
    )


def open_days(local: Local, through: date, *, progress: Progress = silent) -> date:
    """Open every business day up to `through`, in one request, between two drained states; answers the date now.

    Open several at once only where no work lies between. Days opened before change nothing.

    Raises:
        NotDrained, ServiceRefused, ServiceUnreachable
    """
    if business_date(local) is not None:
        wait_drained(local, progress=progress)
    answer = local.post(
        "enrolment",
        "/business-days",
        {"through": through.isoformat()},
        bearer=local.as_duty("DAY"),
    )
    wait_drained(local, progress=progress)
    return date.fromisoformat(answer["date"])
