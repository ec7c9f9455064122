"""The bench's side of the load (`bench.load`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

from bench.courses import Stage
from zeren.stack.child import Child, child_process
from zeren.stack.state import StateFolder

NAME = "load"


class Loader:
    """Asks the process, one request at a time. Each call raises ProcessFailed where the load can't go on."""

    def __init__(self, process: Child) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def build(self, name: str, *, first: int, classes: int, day: date) -> dict[str, Any]:
        """Builds and signs classes, and keeps them under this name."""
        asked = {"name": name, "first": first, "classes": classes, "day": day.isoformat()}
        return self._process.ask({"build": asked})

    def forget(self, name: str) -> None:
        """Lets go what was built under this name."""
        self._process.ask({"forget": name})

    def connect(self) -> None:
        """Opens the institutions' connections; their profiles must stand."""
        self._process.ask({"connect": True})

    def send(self, name: str, stages: Sequence[Stage], *, in_flight: int, lag: int) -> dict[str, Any]:
        """Sends these stages of what was built, and waits for every receipt: see `bench.load.Sent`."""
        asked = {"name": name, "stages": [one.name for one in stages], "in_flight": in_flight, "lag": lag}
        return self._process.ask({"send": asked})

    def send_stock(self, name: str, stages: Sequence[Stage], *, in_flight: int, lag: int) -> dict[str, Any]:
        """The same to the stock parts' topics, as administrator."""
        asked = {"name": name, "stages": [one.name for one in stages], "in_flight": in_flight, "lag": lag}
        return self._process.ask({"stock": asked})

    def enrol(self, name: str, *, in_flight: int) -> dict[str, Any]:
        """Sends the enrolments alone, and waits for their receipts."""
        return self._process.ask({"enrol": {"name": name, "in_flight": in_flight}})

    def open_loop(self, name: str, *, rate: float, sheets: int) -> dict[str, Any]:
        """Sends that many sheets at this rate, whatever is answered: see `bench.open_loop.Walked`."""
        return self._process.ask({"open": {"name": name, "rate": rate, "sheets": sheets}})


@contextmanager
def load_process(state: StateFolder, seed: int) -> Iterator[Loader]:
    """The process, for as long as the body runs."""
    with child_process(state, NAME, "bench.load", state.path.name, str(seed)) as process:
        yield Loader(process)
