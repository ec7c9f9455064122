"""Profiles of running processes: py-spy for Python, samples of sessions and statement totals for PostgreSQL.

A profile costs time: a run that was profiled is marked, its figure is not for comparing.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import psycopg

from zeren.stack.errors import StackError
from zeren.stack.files import private_folder

POSTGRES = "postgres"
RATE = 100
"""Samples a second of a Python process."""
SESSION_SECONDS = 0.05
WRITE_SECONDS = 120
TOP = 40
STATEMENT_LETTERS = 110


class NoProfiler(StackError):
    """py-spy isn't installed, or may not look at the process."""


class UnknownProcess(StackError):
    """A name that no process of the stack has."""


def wanted_processes(names: Sequence[str], pids: Mapping[str, int]) -> dict[str, int]:
    """The pids of these; `enrolment.worker` and `enrolment-worker` are the same. Raises: UnknownProcess.

    A role that has no process of its own is profiled with its service.
    """
    found = {}
    for name in names:
        written = name.replace(".", "-")
        chosen = next((one for one in (written, written.partition("-")[0]) if one in pids), None)
        if chosen is None:
            listed = ", ".join((*sorted(pids), POSTGRES))
            raise UnknownProcess(
                f"没有进程 {name}（有：{listed}）", f"no process {name}; there are: {listed}"
            )
        found[chosen] = pids[chosen]
    return found


@contextmanager
def profiled(pids: Mapping[str, int], folder: Path) -> Iterator[None]:
    """Samples these Python processes while the body runs; the files are written at its end.

    Raises: NoProfiler
    """
    with ExitStack() as running:
        for name, pid in pids.items():
            running.enter_context(_recorded(name, pid, private_folder(folder)))
        yield


@contextmanager
def _recorded(name: str, pid: int, folder: Path) -> Iterator[None]:
    raw = folder / f"{name}.collapsed.txt"
    program = Path(sys.executable).with_name("py-spy")
    found = str(program) if program.exists() else shutil.which("py-spy")
    if found is None:
        raise NoProfiler(
            "没有 py-spy；请 pip install py-spy",
            "py-spy isn't there; pip install py-spy into the environment",
        )
    command = [found, "record", "--pid", str(pid), "--rate", str(RATE), "--format", "raw", "--threads"]
    # Only who holds the interpreter: who waits in a call of the system would count as working.
    command += ["--gil", "--output", str(raw)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=WRITE_SECONDS)
    if not raw.exists():
        raise NoProfiler(
            f"py-spy 未能记录 {name}：{said[-300:]}", f"py-spy recorded nothing of {name}: {said[-300:]}"
        )
    stacks = read_collapsed(raw.read_text("utf-8"))
    (folder / f"{name}.top.txt").write_text(top_text(name, stacks), "utf-8")
    (folder / f"{name}.speedscope.json").write_text(json.dumps(speedscope(name, working(stacks))), "utf-8")


@dataclass(frozen=True, slots=True)
class Stack:
    """A call stack, outermost first, and in how many samples it was seen."""

    frames: tuple[str, ...]
    samples: int


def read_collapsed(text: str) -> list[Stack]:
    """Collapsed stacks: frames joined by ";", a space, a count."""
    rows = (line.rpartition(" ") for line in text.splitlines() if line.strip())
    return [Stack(tuple(frames.split(";")), int(count)) for frames, _, count in rows]


WAITING = (
    "_worker (concurrent/futures/thread.py)",
    "Condition.wait (threading.py)",
    "EpollSelector.select (selectors.py)",
    "Connection.wait (psycopg/connection.py)",
    "ReceiptReader._read (bench/receipts.py)",
    "serve_forever (socketserver.py)",
)
"""Innermost functions of threads that wait; py-spy takes some of them for running ones."""

_LINE = re.compile(r":\d+\)$")


def by_function(stacks: Iterable[Stack]) -> list[Stack]:
    """The same without line numbers."""
    return [Stack(tuple(_LINE.sub(")", frame) for frame in one.frames), one.samples) for one in stacks]


def working(stacks: Iterable[Stack]) -> list[Stack]:
    """The stacks of threads that did something."""
    return [one for one in stacks if _LINE.sub(")", one.frames[-1]) not in WAITING]


def by_self(stacks: Iterable[Stack]) -> Counter[str]:
    """Samples in which a function was the innermost."""
    found: Counter[str] = Counter()
    for stack in stacks:
        found[stack.frames[-1]] += stack.samples
    return found


def cumulative(stacks: Iterable[Stack]) -> Counter[str]:
    """Samples in which a function was anywhere, a recursion counted once."""
    found: Counter[str] = Counter()
    for stack in stacks:
        found.update(dict.fromkeys(set(stack.frames), stack.samples))
    return found


def top_text(name: str, stacks: Sequence[Stack]) -> str:
    """The first functions and lines by own samples, the first functions by cumulative samples, as text."""
    sampled = sum(stack.samples for stack in stacks)
    stacks = working(stacks)
    functions = by_function(stacks)
    whole = sum(stack.samples for stack in stacks) or 1
    told = f"{RATE} samples a second; {(sampled - whole) / RATE:.1f} s of waiting threads left out"
    lines = [f"{name}: {whole / RATE:.1f} s of working threads ({told})"]
    tables = (
        ("self, by function", by_self(functions)),
        ("cumulative, by function", cumulative(functions)),
        ("self, by line", by_self(stacks)),
    )
    for title, counted in tables:
        lines += ["", f"{title}: seconds, share, where"]
        lines += [
            f"{n / RATE:8.2f} {n * 100 / whole:5.1f} %  {frame}" for frame, n in counted.most_common(TOP)
        ]
    return "\n".join(lines) + "\n"


def speedscope(name: str, stacks: Sequence[Stack]) -> dict[str, Any]:
    """The stacks as a sampled profile of speedscope's file format."""
    frames: dict[str, int] = {}
    samples = [[frames.setdefault(frame, len(frames)) for frame in stack.frames] for stack in stacks]
    weights = [stack.samples / RATE for stack in stacks]
    return {
        "$schema": "https://www.speedscope.app/file-format-schema.json",
        "shared": {"frames": [{"name": frame} for frame in frames]},
        "profiles": [
            {
                "type": "sampled", "name": name, "unit": "seconds", "startValue": 0, "endValue": sum(weights),
                "samples": samples, "weights": weights,
            }
        ],
    }  # fmt: skip


class Sessions:
    """Samples what PostgreSQL's sessions are at; `with` starts and ends it.

    Attributes:
        seen: (whose, wait or "cpu", statement) → samples. Idle sessions are not counted.
    """

    def __init__(self, connection: psycopg.Connection, owners: Mapping[int, str]) -> None:
        """Looks through this connection, which nobody else may use meanwhile."""
        self.seen: Counter[tuple[str, str, str]] = Counter()
        self._connection = connection
        self._owners = owners
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sessions", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        query = """SELECT pid, backend_type, state, coalesce(wait_event_type || ':' || wait_event, 'cpu'), query
                   FROM pg_stat_activity WHERE pid <> pg_backend_pid()
                   AND (state IN ('active', 'idle in transaction') OR (state IS NULL AND wait_event IS NULL))"""
        while not self._over.wait(SESSION_SECONDS):
            for pid, kind, state, wait, statement in self._connection.execute(query).fetchall():
                waiting = "client" if state == "idle in transaction" else wait
                told = " ".join((statement or "").split())[:STATEMENT_LETTERS]
                self.seen[self._owners.get(pid, kind), waiting, told] += 1

    def text(self) -> str:
        """The most frequent ones."""
        lines = [f"PostgreSQL sessions, every {SESSION_SECONDS:g} s: samples, whose, waits for, statement"]
        lines += [
            f"{n:6}  {who:<34} {wait:<28} {said}" for (who, wait, said), n in self.seen.most_common(2 * TOP)
        ]
        return "\n".join(lines) + "\n"
