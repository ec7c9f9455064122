"""What the services of a stack say of themselves: chains, outages, what is parked, what is behind."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from zeren.stack.client import Local, ServiceRefused, ServiceUnreachable
from zeren.stack.files import put_back_mark
from zeren.stack.finding import Finding
from zeren.stack.processes import signal_name
from zeren.stack.state import StateFolder
from zeren.stack.ways_out import (
    BEHIND,
    CUT_OFF,
    ENDED,
    KILLED,
    NOT_READY,
    PARKED,
    PUT_BACK,
    SILENT,
    UNKNOWN,
    WAITING,
    stopped,
)

ANSWER_SECONDS = 5.0
"""How long a service may take to answer: one that hangs must not make the doctor hang."""
LOOK_SECONDS = 1.0
"""How long a relay that is behind gets to move."""
LAST_BYTES = 8_192
LONGEST_WORDS = 400
STOPPED = "service stopped"
"""A service's last line where it was asked to end."""


def examine_services(state: StateFolder, names: Sequence[str], start: str) -> list[Finding]:
    """What these running services say, asked side by side.

    Args:
        state: whose services.
        names: those that run.
        start: the command that starts them, for advice.
    """
    with (
        Local(state, answer_seconds=ANSWER_SECONDS) as stack,
        ThreadPoolExecutor(max(len(names), 1)) as pool,
    ):
        asked = pool.map(lambda name: list(_examine(stack, name, start)), names)
        return [finding for findings in asked for finding in findings]


def _examine(stack: Local, name: str, start: str) -> Iterator[Finding]:
    try:
        ready = stack.ready(name)
    except ServiceUnreachable:
        yield SILENT.finding(f"service {name}", name=name)
        return
    yield from judge(name, ready, start)
    if ready.get("database") is False:
        return
    if ready.get("kafka") is not False:
        yield from _relay(stack, name)
    yield from _parked(stack, name)


def judge(name: str, ready: Mapping[str, Any], start: str) -> Iterator[Finding]:
    """What an answer of /health/ready says: ready or what it waits for, and each partition that stopped."""
    check, waits = f"service {name}", [key for key in WAITING if ready.get(key) is False]
    if "database" in waits:
        waits = [key for key in waits if key not in ("relay", "projector")]  # they stand still for want of it
    for key in waits:
        yield WAITING[key].finding(check, name=name, start=start)
    if ready.get("ready"):
        yield Finding(check=check, ok=True, found="就绪 / ready")
    elif not waits:
        yield NOT_READY.finding(check, name=name)
    for where, why in ready.get("stopped", {}).items():
        yield stopped(name, where, why, start)


def _relay(stack: Local, name: str) -> Iterator[Finding]:
    try:
        states = [stack.get(name, "/drain")]
        if states[0]["unsent_facts"]:
            states.append(stack.get(name, "/drain", params={"wait": LOOK_SECONDS}))
    except (ServiceUnreachable, ServiceRefused):
        yield UNKNOWN.finding(f"relay {name}")
    else:
        yield from relay_between(name, states)


def relay_between(name: str, states: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """What two drain states, a second apart, say of the relay; nothing where it has sent everything."""
    unsent = states[-1]["unsent_facts"]
    sent = [state["head"] - state["unsent_facts"] for state in states]
    if unsent and sent[-1] > sent[0]:
        found = f"{unsent} 个事实未发出，在前进 / {unsent} facts are unsent, it moves"
        yield Finding(check=f"relay {name}", ok=True, found=found)
    elif unsent:
        yield BEHIND.finding(f"relay {name}", name=name, unsent=unsent, sent=sent[-1])


def _parked(stack: Local, name: str) -> Iterator[Finding]:
    try:
        items = stack.get(name, "/parked-facts", bearer=stack.as_duty("OPERATOR"))["items"]
    except (ServiceUnreachable, ServiceRefused):
        return  # Its outage, or the issuer's, is a finding of its own.
    if items:
        oldest, behind = items[0], sum(one["behind"] for one in items)
        told = {"count": len(items), "behind": behind, "since": oldest["since"], "id": oldest["id"]}
        yield PARKED.finding(f"parked {name}", oldest["error"], service=name, **told)


def ended(name: str, log: Path, start: str, code: int | None = None) -> Finding:
    """A process that doesn't run: what killed it, else its last words; one that was put back must not just be started.

    Args:
        name: of the process.
        log: its log.
        start: the command that starts the stack.
        code: its exit code, where that was seen.
    """
    line = _last_line(log)
    words, killer = _message(line), signal_name(code)
    if "zeren recover" in words:
        way = PUT_BACK
    elif put_back_mark(log.parent.parent, name).exists():
        way, words = PUT_BACK, ""  # Its log is that of the time before: how it ended then says nothing now.
    elif killer or (code is None and _goes_on(line)):
        way, words = KILLED if killer else CUT_OFF, ""
    else:
        way = ENDED
    of = start.removeprefix("zeren up")
    return way.finding(f"process {name}", words, name=name, start=start, of=of, log=log, killer=killer)


def _last_line(log: Path) -> str:
    """The last line of a log; "" where there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(log.stat().st_size - LAST_BYTES, 0))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return ""
    return next((one.strip() for one in reversed(lines) if one.strip()), "")


def _read(line: str) -> dict[str, Any]:
    """What a JSON line says; nothing where it is none."""
    try:
        read: Any = json.loads(line)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def _message(line: str) -> str:
    """A line of a log, of a JSON line its message."""
    return str(_read(line).get("message", line))[:LONGEST_WORDS]


def _goes_on(line: str) -> bool:
    """Whether a service that wrote this last was in the middle of its work: it says so when it stops or fails."""
    read = _read(line)
    return read.get("level") in ("INFO", "WARNING") and read.get("message") != STOPPED
