"""Part (a): signed submissions become ledgered and projected facts through all four services.

Facts a second = facts ledgered and projected ÷ wall time from the first submission sent to the last fact done. A run
whose checks find anything is no figure.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from bench import checks, statements
from bench.courses import Curriculum, Stage
from bench.figures import curve, per_100k, rate_between
from bench.layout import Layout
from bench.loader import NAME as LOAD
from bench.loader import Loader
from bench.processes import Look, Spent, look, memory_mb, spent
from bench.profiling import POSTGRES, Sessions, profiled, wanted_processes
from bench.watch import Sample, Stores, Watch
from zeren.generator.organisations import Organisation
from zeren.stack.child import Child
from zeren.stack.client import Local
from zeren.stack.days import wait_drained
from zeren.stack.errors import StackError
from zeren.stack.local import Servers
from zeren.stack.supervisor import Progress

STAGES = [stage for stage in Stage if stage is not Stage.APPLY]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How the load is sent.

    Attributes:
        in_flight: unanswered submissions a service, at most.
        lag: classes between two steps of a class.
    """

    in_flight: int
    lag: int


@dataclass(slots=True, kw_only=True)
class Throughput:
    """One run.

    Attributes:
        name: "fresh", "warm", …
        facts_per_s: see the module.
        start_per_s, end_per_s: over the second and the last but one tenth of the facts, by the ledger's growth.
        cpu_per_100k: CPU seconds per 100,000 facts by process, of PostgreSQL all together.
        sessions_per_100k: PostgreSQL's by whose session it is.
        peak_rss_mb: VmHWM by process since its start.
        parked: submissions that had to wait for another service's facts.
        curve: (seconds, facts ledgered).
        wrong: what the checks found; empty where the run is a figure.
        profiled: processes that were profiled meanwhile: the figure is not for comparing.
    """

    name: str
    facts: int
    facts_by_service: Mapping[str, int]
    bytes_per_fact: float
    submissions: int
    seconds: float
    seconds_to_last_receipt: float
    facts_per_s: float
    start_per_s: float
    end_per_s: float
    cores_busy: float
    cpu_per_100k: Mapping[str, float]
    cpu_whole_per_100k: float
    sessions_per_100k: Mapping[str, float]
    peak_rss_mb: Mapping[str, float]
    facts_in_store: int
    parked: int
    curve: Sequence[tuple[float, int]]
    wrong: list[str] = field(default_factory=list)
    profiled: Sequence[str] = ()

    def told(self) -> dict[str, Any]:
        """For the report."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Bench:
    """What every part of a bench run uses.

    Attributes:
        seed: from which organisations and classes follow.
        profiles: where profiles are written.
    """

    servers: Servers
    layout: Layout
    local: Local
    loader: Loader
    seed: int
    profiles: Path
    progress: Progress

    @property
    def organisations(self) -> Sequence[Organisation]:
        """The training institutions and assessment bodies that send."""
        found = Curriculum(self.seed).organisations
        return (*found.schools, *found.bodies)

    def python_pids(self) -> dict[str, int]:
        """Every process but PostgreSQL, the load with them."""
        found = {name: pid for name, pid in self.layout.pids().items() if name != POSTGRES}
        return {**found, LOAD: self.loader.pid}

    def look(self, administration: psycopg.Connection, children: Sequence[Child] = ()) -> Look:
        """CPU of all of them now, and of processes of the bench's own."""
        pids = {**self.python_pids(), **{child.name: child.pid for child in children}}
        return look(pids, self.layout.pids()[POSTGRES], administration)

    def memory(self) -> dict[str, dict[str, float]]:
        """`peak` and `now` of every process of the stack, in MB."""
        return {name: memory_mb(pid) for name, pid in self.layout.pids().items()}


def run_throughput(
    bench: Bench, built: Mapping[str, Any], pace: Pace, *, name: str, profile: Sequence[str] = ()
) -> Throughput:
    """Sends what was built, whose classes are open, and measures. Raises: NotFinished, StackError."""
    wait_drained(bench.local)
    with ExitStack() as running:
        stores = running.enter_context(Stores.of(bench.servers))
        before, facts_before, parked_before = stores.sample(), stores.facts(), stores.parked()
        expected = facts_before + built["facts"]
        _collect_profiles(running, bench, profile)
        looked = bench.look(stores.administration)
        watch = running.enter_context(Watch(stores, _telling(bench.progress, before, built["facts"])))
        sent = bench.loader.send(name, STAGES, in_flight=pace.in_flight, lag=pace.lag)
        done = watch.until_done(expected)
        used = spent(looked, bench.look(stores.administration))
        memory = {name: round(one["peak"], 1) for name, one in bench.memory().items()}
        facts = stores.facts()
        found = _figures(name, sent, before, done, watch.samples, used)
        found.peak_rss_mb = memory
        found.facts_in_store = facts
        found.parked = stores.parked() - parked_before
        found.bytes_per_fact = round(stores.bytes_since(before.heads) / found.facts, 1)
    found.profiled = list(profile)
    found.wrong = [
        *checks.check_receipts(sent, built),
        *checks.check_counts(facts - facts_before, built["facts"], done.ledgered - before.ledgered),
    ]
    return found


def check_all(bench: Bench, found: Throughput) -> None:
    """The checks that read every store again; after the clock, and once after several runs.

    What can't be checked is as wrong as what differs, but the measurement is kept for the report.
    """
    try:
        bench.progress("核对三处摘要与账本根 / comparing digests in three places, recomputing the root")
        found.wrong += checks.check_stores(bench.servers, bench.progress)
        bench.progress("读模型与事实逐行核对 / comparing read models with the facts")
        found.wrong += checks.check_read_models(bench.servers)
    except StackError as error:
        found.wrong.append(f"not checked: {error}")


def _figures(
    name: str, sent: Mapping[str, Any], before: Sample, done: Sample, samples: Sequence[Sample], used: Spent
) -> Throughput:
    began = float(sent["first_sent"])
    seconds = max(done.at, float(sent["last_receipt"])) - began
    facts = done.ledgered - before.ledgered
    points = curve(samples, began, before.ledgered)
    cpu = {**used.processes, POSTGRES: used.postgres}
    whole = sum(spent for one, spent in cpu.items() if one != LOAD)
    return Throughput(
        name=name,
        facts=facts,
        facts_by_service={service: done.heads[service] - head for service, head in before.heads.items()},
        bytes_per_fact=0.0,
        submissions=int(sent["submissions"]),
        seconds=round(seconds, 3),
        seconds_to_last_receipt=round(float(sent["last_receipt"]) - began, 3),
        facts_per_s=round(facts / seconds, 1),
        start_per_s=round(rate_between(points, 0.1, 0.3), 1),
        end_per_s=round(rate_between(points, 0.7, 0.9), 1),
        cores_busy=round(sum(cpu.values()) / seconds, 2),
        cpu_per_100k=per_100k(cpu, facts),
        cpu_whole_per_100k=round(whole * 100_000 / facts, 3),
        sessions_per_100k=_largest(per_100k(used.sessions, facts)),
        peak_rss_mb={},
        facts_in_store=0,
        parked=0,
        curve=[(round(at, 2), count) for at, count in points],
    )


def _largest(seconds: Mapping[str, float]) -> dict[str, float]:
    """In order, without what is next to nothing."""
    ordered = sorted(seconds.items(), key=lambda item: -item[1])
    return {name: spent for name, spent in ordered if spent >= 0.005}


def _telling(progress: Progress, before: Sample, facts: int) -> Callable[[Sample], None]:
    last = time.monotonic()

    def tell(sample: Sample) -> None:
        nonlocal last
        if sample.at - last >= 5:
            last = sample.at
            done = sample.ledgered - before.ledgered
            progress(f"已入账 {done}/{facts} / ledgered")

    return tell


def _collect_profiles(running: ExitStack, bench: Bench, names: Sequence[str]) -> None:
    """Starts what was asked for; it is written when `running` ends."""
    if not names:
        return
    python = [name for name in names if name != POSTGRES]
    chosen = wanted_processes(python, bench.python_pids())
    bench.progress(f"剖析 / profiling: {', '.join((*chosen, *(n for n in names if n == POSTGRES)))}")
    if POSTGRES in names:
        running.callback(_write_postgres(running, bench))
    running.enter_context(profiled(chosen, bench.profiles))


def _write_postgres(running: ExitStack, bench: Bench) -> Callable[[], None]:
    administration = running.enter_context(bench.servers.postgres.connect())
    owners = look(bench.python_pids(), bench.layout.pids()[POSTGRES], administration).owners
    sessions = Sessions(running.enter_context(bench.servers.postgres.connect()), owners)
    statements.reset(administration)
    running.enter_context(sessions)

    def write() -> None:
        bench.profiles.mkdir(mode=0o700, exist_ok=True)
        (bench.profiles / "postgres.sessions.txt").write_text(sessions.text(), "utf-8")
        (bench.profiles / "postgres.statements.txt").write_text(statements.totals(administration), "utf-8")

    return write


def lines_of(found: Throughput) -> Iterable[str]:
    """The run for a terminal."""
    mark = "（剖析中，不可比 / profiled, not for comparing）" if found.profiled else ""
    yield (
        f"{found.name}: {found.facts_per_s:,.0f} facts/s{mark} — {found.facts:,} facts, {found.submissions:,} "
        f"submissions, {found.seconds:.2f} s (last receipt {found.seconds_to_last_receipt:.2f} s), "
        f"{found.bytes_per_fact:.0f} bytes a fact, {found.parked} parked, store {found.facts_in_store:,}"
    )
    yield f"  start {found.start_per_s:,.0f}/s, end {found.end_per_s:,.0f}/s, {found.cores_busy:.2f} cores busy"
    yield f"  CPU s per 100k: {found.cpu_whole_per_100k:.2f} (load {found.cpu_per_100k[LOAD]:.2f} not counted)"
    for name, seconds in _largest(found.cpu_per_100k).items():
        peak = found.peak_rss_mb.get(name)
        yield f"    {name:<22} {seconds:6.3f} s" + (f"   {peak:7.0f} MB peak" if peak else "")
    yield "  PostgreSQL by session: " + ", ".join(
        f"{one} {s:.3f}" for one, s in found.sessions_per_100k.items()
    )
    if found.wrong:
        yield "  不成立 / NO FIGURE: " + "; ".join(found.wrong)
