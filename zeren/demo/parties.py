"""The demo's side of the institutions' process (`zeren.demo.institutions`)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from zeren.stack.errors import ProcessFailed
from zeren.stack.paths import CHECKOUT
from zeren.stack.processes import MARK_PROCESS, MARK_STATE
from zeren.stack.state import StateFolder
from zeren.stack.supervisor import INHERITED
from zeren.stack.traces import trace_environment

NAME = "institutions"
STOP_SECONDS = 20


class Parties:
    """Asks the process, one request at a time."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process = process
        self._log = log

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def connect(self, usccs: Sequence[str]) -> None:
        """Opens the connections of these institutions. Raises: ProcessFailed."""
        self._ask({"connect": list(usccs)})

    def publish(self, day: date, phase: int) -> int:
        """Sends the records of a phase; answers how many Kafka has acknowledged. Raises: ProcessFailed."""
        return int(self._ask({"publish": {"day": day.isoformat(), "phase": phase}})["sent"])

    def collect_receipts(self, into: Path) -> list[dict[str, Any]]:
        """Every receipt in the order of coming, also written to a file of JSON lines. Raises: ProcessFailed."""
        self._ask({"receipts": str(into)})
        return [json.loads(line) for line in into.read_text("utf-8").splitlines()]

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        answer: dict[str, Any] = json.loads(line) if line else {"error": "进程已退出 / it has ended"}
        if "error" in answer:
            raise ProcessFailed(
                f"机构进程无法完成：{answer['error']}；日志见 {self._log}",
                f"the institutions' process can't do it; its log is {self._log}",
            )
        return answer


@contextmanager
def institutions_process(state: StateFolder, profiles: Path, records: Path, *sent: Path) -> Iterator[Parties]:
    """The process, for as long as the body runs. A later demo finds and stops what a killed one left of it.

    `sent` is a file for what Kafka has acknowledged.
    """
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    log = state.log(NAME)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        process = subprocess.Popen(
            (sys.executable, "-m", "zeren.demo.institutions", str(profiles), str(records), *map(str, sent)),
            env={**inherited, **trace_environment(state), MARK_STATE: state.id, MARK_PROCESS: NAME},
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=descriptor,
            text=True,
            start_new_session=True,
        )
    finally:
        os.close(descriptor)
    try:
        yield Parties(process, log)
    finally:
        _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    """Its standard input ends, and so it ends."""
    try:
        process.communicate(timeout=STOP_SECONDS)
    except (subprocess.TimeoutExpired, BrokenPipeError, ValueError):
        process.kill()
        process.wait()
