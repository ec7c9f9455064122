"""Projection rebuild: every read model built anew by the product's own task, beside the resting service."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from bench.throughput import Bench
from zeren.stack.days import wait_drained
from zeren.stack.local import SERVICES
from zeren.stack.whole import run_task


class Model(NamedTuple):
    """One read model.

    Attributes:
        facts: over which it went, those that it passes over too.
    """

    service: str
    name: str
    facts: int
    seconds: float
    facts_per_s: float


@dataclass(slots=True)
class Rebuilds:
    """What came of it.

    Attributes:
        wrong: read models that were not built.
    """

    models: list[Model]
    wrong: list[str]

    def told(self) -> dict[str, Any]:
        """For the report."""
        by_service = {service: rate(self.models, service) for service in SERVICES}
        return {
            "facts_per_s": by_service,
            "models": [model._asdict() for model in self.models],
            "wrong": self.wrong,
        }


def rate(models: Sequence[Model], service: str) -> float:
    """Facts a second over all read models of a service, one after the other; 0 without any."""
    own = [model for model in models if model.service == service]
    seconds = sum(model.seconds for model in own)
    return round(sum(model.facts for model in own) / seconds, 1) if seconds else 0.0


def run_rebuild(bench: Bench) -> Rebuilds:
    """Builds all of them anew, one after the other. Raises: StackError."""
    wait_drained(bench.local)
    found = Rebuilds([], [])
    for service in SERVICES:
        bench.progress(f"重建读模型 / rebuilding read models: {service}")
        done = run_task(bench.servers.state, service, "projection", "rebuild")
        for row in map(json.loads, done.stdout.splitlines()):
            _add(found, row)
        if done.returncode:
            found.wrong.append(f"read models of {service}: exit code {done.returncode}")
    return found


def _add(found: Rebuilds, row: Mapping[str, Any]) -> None:
    if "refused" in row:
        found.wrong.append(f"read model {row['service']}/{row['name']}: {row['refused']}")
        return
    facts, seconds = int(row["facts"]), float(row["seconds"])
    per_s = round(facts / seconds, 1) if seconds else 0.0
    found.models.append(Model(row["service"], row["name"], facts, seconds, per_s))
