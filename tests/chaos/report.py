"""What a run came to, for people and for `.local/chaos.json`."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.history import Happened, told
from tests.chaos.plan import KILL, LEAST_INSIDE, LEAST_KILLS, LEAST_OF_A_KIND, TARGETS, Fault
from zeren.stack.files import write_private

MOST_SHOWN = 20


@dataclass(slots=True, kw_only=True)
class Report:
    """One run.

    Attributes:
        findings: by check, what is wrong; empty lists where it found nothing.
        not_done: planned faults whose open transaction was never seen.
        ended: processes that ended though nobody killed them.
    """

    seed: int
    kills: int
    trainees: int
    faults: list[Happened] = field(default_factory=list)
    not_done: list[Fault] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    findings: dict[str, list[str]] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def inside(self) -> int:
        """How many hit an open transaction."""
        return sum(one.open_seen for one in self.faults)

    def too_few(self) -> list[str]:
        """What the run must have had and hadn't."""
        if self.kills < LEAST_KILLS:
            return []
        seen = Counter(one.fault.target for one in self.faults)
        rare = [
            f"故障太少 / only {seen[one]} faults of {one}" for one in TARGETS if seen[one] < LEAST_OF_A_KIND
        ]
        if self.inside < LEAST_INSIDE:
            rare.append(f"事务中的故障太少 / only {self.inside} faults inside an open transaction")
        return rare

    @property
    def passed(self) -> bool:
        """Whether nothing was found."""
        return not any(self.findings.values())

    def row(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "seed": self.seed,
            "kills": self.kills,
            "trainees": self.trainees,
            "verdict": "passed" if self.passed else "failed",
            "faults_done": len(self.faults),
            "inside_open_transactions": self.inside,
            "by_kind": _by_kind(self.faults),
            "ended_by_themselves": self.ended,
            "not_done": [f"{one.target} {one.action}" for one in self.not_done],
            "figures": self.figures,
            "findings": self.findings,
            "seconds": round(self.seconds, 1),
            "faults": told(self.faults),
        }

    def write(self, path: Path) -> None:
        """Writes the JSON file."""
        write_private(path, json.dumps(self.row(), ensure_ascii=False, indent=1))

    def lines(self) -> list[str]:
        """For people."""
        faults = f"故障 / faults {len(self.faults)} · 事务中 / inside an open transaction {self.inside}"
        shown = [
            f"种子 / seed {self.seed} · {faults} · {self.seconds:.0f}s",
            f"{'目标 / target':<22}{'kill':>6}{'stop':>6}{'恢复秒数 / seconds to recover, median and most':>52}",
        ]
        shown += [
            f"{kind:<22}{row['kill']:>6}{row['stop']:>6}{row['ready_median']:>26}{row['ready_most']:>12}"
            for kind, row in _by_kind(self.faults).items()
        ]
        shown.append(" · ".join(f"{name} {value}" for name, value in self.figures.items()))
        for name, found in self.findings.items():
            shown.append(f"{name:<24}{'✓' if not found else f'✗ {len(found)}'}")
            shown += [f"    {line}" for line in found[:MOST_SHOWN]]
        shown.append(
            "通过：无丢失、无重复 / passed: nothing lost, nothing doubled"
            if self.passed
            else "未通过 / failed: see above"
        )
        return shown


def _by_kind(faults: Sequence[Happened]) -> Mapping[str, dict[str, Any]]:
    kinds: dict[str, list[Happened]] = defaultdict(list)
    for one in faults:
        kinds[one.fault.target].append(one)
    return {kind: _figures(kinds[kind]) for kind in TARGETS if kind in kinds}


def _figures(faults: Sequence[Happened]) -> dict[str, Any]:
    ready = sorted(one.ready_seconds for one in faults)
    killed = sum(one.fault.action == KILL for one in faults)
    return {
        "kill": killed,
        "stop": len(faults) - killed,
        "inside": sum(one.open_seen for one in faults),
        "ready_median": round(ready[len(ready) // 2], 2),
        "ready_most": round(ready[-1], 2),
    }
