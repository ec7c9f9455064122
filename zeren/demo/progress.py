"""What the demo is at, line by line, and where its seconds went."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Progress:
    """Says a line a step, with the seconds since the start. Threads may share it."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._started = time.monotonic()
        self._spent: dict[str, float] = {}

    def __call__(self, line: str) -> None:
        """Chinese first, then English."""
        self._write(f"{self.seconds:6.1f}s  {line}")

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._started

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """What is done inside counts as this part of the whole."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._spent[name] = self._spent.get(name, 0.0) + time.monotonic() - began

    def told(self) -> str:
        """Every part with its seconds, in the order of their first times."""
        return " · ".join(f"{name} {seconds:.1f}s" for name, seconds in self._spent.items())
