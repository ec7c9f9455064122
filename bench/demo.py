"""A warm `make demo`, whole: from the command to its end, with nothing else running."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

from zeren.stack.local import reset
from zeren.stack.paths import CHECKOUT
from zeren.stack.state import StateFolder

STATE = "bench-demo"


@dataclass(frozen=True, slots=True)
class Demo:
    """What came of it.

    Attributes:
        exit_code: 0: equal to the truth.
    """

    seconds: float
    exit_code: int

    def told(self) -> dict[str, Any]:
        """For the report."""
        return asdict(self)


def run_demo() -> Demo:
    """Runs it in a state folder of its own, which is deleted. Warm: everything is downloaded already."""
    began = time.monotonic()
    try:
        done = subprocess.run(
            (sys.executable, "-m", "zeren", "demo", "--no-serve", "--state", STATE),
            cwd=CHECKOUT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            check=False,
        )
        return Demo(round(time.monotonic() - began, 2), done.returncode)
    finally:
        reset(StateFolder.named(STATE))
