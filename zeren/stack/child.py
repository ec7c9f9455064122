"""Processes that are asked by JSON lines on standard input, each answered with one on standard output.

A child answers {"error": …} where something does not come, and ends with its standard input. Times are of the
monotonic clock, which all processes of a machine share.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from zeren.stack.errors import ProcessFailed
from zeren.stack.paths import CHECKOUT
from zeren.stack.processes import MARK_PROCESS, MARK_STATE
from zeren.stack.state import StateFolder
from zeren.stack.supervisor import INHERITED

STOP_SECONDS = 20
ROOT_VARIABLE = "ZEREN_STATE_ROOT"
NOTHING: Mapping[str, str] = MappingProxyType({})

Answer = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class Child:
    """The asking side, one request at a time."""

    def __init__(self, name: str, process: subprocess.Popen[str], log: Path) -> None:
        self.name = name
        self._process = process
        self._log = log

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Its answer. Raises: ProcessFailed."""
        self.request(request)
        return self.answer()

    def request(self, request: dict[str, Any]) -> None:
        """Asks without waiting for the answer; what a process that has ended would say is told by `answer`."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return

    def answer(self) -> dict[str, Any]:
        """The answer to the last request. Raises: ProcessFailed."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"error": "进程已退出 / it has ended"}
        if "error" in answer:
            raise ProcessFailed(
                f"{self.name} 无法完成：{answer['error']}；日志见 {self._log}",
                f"{self.name} can't go on: {answer['error']}; its log is {self._log}",
            )
        return answer


@contextmanager
def child_process(
    state: StateFolder, name: str, module: str, *arguments: str, environment: Mapping[str, str] = NOTHING
) -> Iterator[Child]:
    """`python -m MODULE ARGUMENTS…` for as long as the body runs. No secret may be among the arguments.

    It is marked as the state folder's: whoever takes that over finds and stops what a killed asker left.
    """
    inherited = {one: os.environ[one] for one in (*INHERITED, ROOT_VARIABLE) if one in os.environ}
    log = state.log(name)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        process = subprocess.Popen(
            (sys.executable, "-m", module, *arguments),
            env={**inherited, **environment, MARK_STATE: state.id, MARK_PROCESS: name},
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
        yield Child(name, process, log)
    finally:
        _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    """Its standard input ends, and so it ends."""
    try:
        process.communicate(timeout=STOP_SECONDS)
    except (subprocess.TimeoutExpired, BrokenPipeError, ValueError):
        process.kill()
        process.wait()


async def answer_lines(answer: Answer, *expected: type[Exception]) -> None:
    """The answering side: until standard input ends. `expected` errors are told, others end the process."""
    while line := await asyncio.to_thread(sys.stdin.readline):
        try:
            told = await answer(json.loads(line))
        except expected as error:
            told = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(told, ensure_ascii=False) + "\n")
        sys.stdout.flush()
