"""The demo's side of the institutions' process (`zeren.demo.institutions`)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from zeren.stack.child import Child, child_process
from zeren.stack.state import StateFolder
from zeren.stack.traces import trace_environment

NAME = "institutions"
MODULE = "zeren.demo.institutions"


class Parties:
    """Asks the process, one request at a time."""

    def __init__(self, child: Child) -> None:
        self._child = child

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._child.pid

    def connect(self, usccs: Sequence[str]) -> None:
        """Opens the connections of these institutions. Raises: ProcessFailed."""
        self._child.ask({"connect": list(usccs)})

    def publish(self, day: date, phase: int) -> int:
        """Sends the records of a phase; answers how many Kafka has acknowledged. Raises: ProcessFailed."""
        return int(self._child.ask({"publish": {"day": day.isoformat(), "phase": phase}})["sent"])

    def collect_receipts(self, into: Path) -> list[dict[str, Any]]:
        """Every receipt in the order of coming, also written to a file of JSON lines. Raises: ProcessFailed."""
        self._child.ask({"receipts": str(into)})
        return [json.loads(line) for line in into.read_text("utf-8").splitlines()]


@contextmanager
def institutions_process(state: StateFolder, profiles: Path, records: Path, *sent: Path) -> Iterator[Parties]:
    """The process, for as long as the body runs. `sent` is a file for what Kafka has acknowledged."""
    files = map(str, (profiles, records, *sent))
    with child_process(state, NAME, MODULE, *files, environment=trace_environment(state)) as child:
        yield Parties(child)
