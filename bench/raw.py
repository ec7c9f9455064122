"""Part (b): the raw limit on the same servers, by which the product's own figure is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import create_engine

from bench.figures import per_100k
from bench.processes import spent
from bench.profiling import POSTGRES
from bench.scratch import scratch_database, scratch_topics
from bench.throughput import Bench
from bench.topics import RAW_DATABASE, RAW_TOPIC
from bench.watch import Stores
from shared.eventstore.tables import events
from zeren.stack.child import Child, child_process
from zeren.stack.days import wait_drained
from zeren.stack.local import Servers

HOP = "raw-hop"
KAFKA, COPY = "kafka", "copy"
ORDER = ((KAFKA, 4_000), (KAFKA, 1_000), (COPY, 4_000), (COPY, 1_000), (COPY, 4_000), (KAFKA, 4_000))
"""(path, facts a batch): each path's first is run once more at the end, warm; its best counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HopRun:
    """One run through the hop.

    Attributes:
        path: KAFKA: in and out; COPY: with COPY between.
        cpu_per_100k: CPU seconds per 100,000 facts of the hop, the brokers and PostgreSQL.
    """

    path: str
    batch: int
    facts: int
    seconds: float
    facts_per_s: float
    cpu_per_100k: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """What came of it.

    Attributes:
        best_per_s: by path, of its fastest run.
        limit_per_s: the slower path's: what the product is compared with.
    """

    facts: int
    bytes_per_fact: float
    best_per_s: dict[str, float]
    limit_per_s: float
    runs: Sequence[HopRun]

    def told(self) -> dict[str, Any]:
        """For the report."""
        return asdict(self)


def run_raw(bench: Bench, facts: int) -> Raw:
    """Takes the newest facts, at most so many, through the hop. Raises: StackError."""
    wait_drained(bench.local)
    servers = bench.servers
    with (
        scratch_topics(servers.kafka, [RAW_TOPIC]),
        scratch_database(servers.postgres, RAW_DATABASE),
        Stores.of(servers) as stores,
    ):
        _create_table(servers)
        with child_process(servers.state, HOP, "bench.hop", servers.state.path.name) as child:
            read = child.ask({"read": {"facts": min(facts, stores.facts())}})
            runs = []
            for path, batch in ORDER:
                runs.append(_run(bench, stores, child, path, batch))
                bench.progress(f"raw {path} × {batch}: {runs[-1].facts_per_s:,.0f} facts/s")
    return as_raw(runs, read["bytes"] / read["facts"])


def _create_table(servers: Servers) -> None:
    engine = create_engine(servers.postgres.url(RAW_DATABASE))
    try:
        events.create(engine)
    finally:
        engine.dispose()


def _run(bench: Bench, stores: Stores, child: Child, path: str, batch: int) -> HopRun:
    before = bench.look(stores.administration, [child])
    done = child.ask({"hop": {"batch": batch, "copy": path == COPY}})
    used = spent(before, bench.look(stores.administration, [child]))
    wanted = (HOP, *bench.layout.brokers)
    cpu = {**{name: used.processes[name] for name in wanted}, POSTGRES: used.postgres}
    return HopRun(
        path=path,
        batch=batch,
        facts=done["facts"],
        seconds=round(done["seconds"], 3),
        facts_per_s=round(done["facts"] / done["seconds"], 1),
        cpu_per_100k=per_100k(cpu, done["facts"]),
    )


def as_raw(runs: Sequence[HopRun], bytes_per_fact: float) -> Raw:
    """The limit that follows from these runs, of which each path has at least one."""
    best = {path: max(run.facts_per_s for run in runs if run.path == path) for path in (KAFKA, COPY)}
    return Raw(
        facts=runs[0].facts,
        bytes_per_fact=round(bytes_per_fact, 1),
        best_per_s=best,
        limit_per_s=min(best.values()),
        runs=runs,
    )
