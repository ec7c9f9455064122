"""What a run of the bench has measured so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.demo import Demo
from bench.growth import Growth
from bench.latency import Latency
from bench.ledger import Ledger
from bench.raw import Raw
from bench.rebuild import Rebuilds
from bench.replay import Replay
from bench.stock_path import Stock
from bench.throughput import Throughput


@dataclass(slots=True)
class Measured:
    """By part; what was not asked for, or did not come to it, is None.

    Attributes:
        machine: see `bench.machine`.
        settings: what the run was asked for.
        runs: of part (a), the last the warmest.
        peak_rss_mb: by process of the stack, VmHWM at the end of the last part.
    """

    machine: Mapping[str, Any]
    settings: Mapping[str, Any]
    runs: list[Throughput] = field(default_factory=list)
    raw: Raw | None = None
    stock: Stock | None = None
    latency: Latency | None = None
    growth: Growth | None = None
    ledger: Ledger | None = None
    rebuild: Rebuilds | None = None
    replay: Replay | None = None
    demo: Demo | None = None
    peak_rss_mb: Mapping[str, float] = field(default_factory=dict)

    @property
    def wrong(self) -> list[str]:
        """What the checks of all parts found."""
        found = [one for run in self.runs for one in run.wrong]
        for part in (self.stock, self.latency, self.growth, self.rebuild):
            found += part.wrong if part is not None else []
        if self.demo is not None and self.demo.exit_code:
            found.append(f"make demo: exit code {self.demo.exit_code}")
        return found
