"""`make bench`: measures the real stack. Exit codes: 0 measured and checked, 1 a check failed, 2 called wrongly.

130 interrupted; whatever ends it, everything that it started is stopped. A target that is not reached is no failure
of the bench: the report says so.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import click

from bench import arguments, report, statements
from bench.courses import FACTS_OF_A_CLASS, Curriculum
from bench.demo import run_demo
from bench.growth import Mark, run_growth, start_mark
from bench.latency import run_latency
from bench.layout import Layout
from bench.ledger import run_ledger
from bench.loader import load_process
from bench.machine import machine_facts
from bench.measured import Measured
from bench.opening import Numbers, Opening, register_institutions
from bench.page import page
from bench.profiling import POSTGRES
from bench.raw import run_raw
from bench.rebuild import run_rebuild
from bench.replay import run_replay
from bench.stock_path import run_stock
from bench.throughput import Bench, Pace, check_all, lines_of, run_throughput
from bench.watch import NotFinished
from shared.tlog.errors import TlogError
from zeren.cli.output import print_table
from zeren.demo.progress import Progress
from zeren.stack.client import Local
from zeren.stack.errors import StackError
from zeren.stack.files import write_private
from zeren.stack.local import reset, start_servers
from zeren.stack.paths import state_root
from zeren.stack.state import StateFolder
from zeren.stack.whole import running_stack
from zeren.verify.errors import VerifyError

FAILED, INTERRUPTED = 1, 130
PATIENCE_SECONDS = 60.0
REPORT, PAGE, PROFILES = "bench.json", "bench.html", "bench-profile"
FRESH = "fresh"


@dataclass(slots=True)
class Session:
    """One run of the bench on a stack that is up.

    Attributes:
        start: the growth's first mark, once it was passed.
    """

    asked: argparse.Namespace
    bench: Bench
    opening: Opening
    measured: Measured
    start: Mark | None = None

    @property
    def pace(self) -> Pace:
        """How part (a) and the growth are sent."""
        return Pace(in_flight=self.asked.in_flight, lag=self.asked.lag)


def _end_to_end(session: Session) -> None:
    """Part (a): warm-up and measured runs, one after the other, then the checks."""
    asked, bench, runs = session.asked, session.bench, session.measured.runs
    names = _names(asked)
    built = session.opening.prepare(names)
    for name in names:
        profile = asked.profile if name == list(names)[-1] else ()
        runs.append(run_throughput(bench, built[name], session.pace, name=name, profile=profile))
        bench.loader.forget(name)
        for line in lines_of(runs[-1]):
            click.echo(line)
    if arguments.GROWTH in asked.parts:
        session.start = start_mark(bench, runs[-1])
    if asked.no_check:
        runs[-1].wrong.append("stores not compared: --no-check")
    else:
        check_all(bench, runs[-1])


def _names(asked: argparse.Namespace) -> dict[str, int]:
    """The runs of part (a), in order, with their classes."""
    warm = "warm" if asked.warm_up else "cold"
    before = {FRESH if asked.stack == FRESH else "warm-up": asked.warm_up} if asked.warm_up else {}
    return before | {warm if one == 0 else f"{warm} {one + 1}": asked.classes for one in range(asked.runs)}


def _raw(session: Session) -> None:
    session.measured.raw = run_raw(session.bench, session.asked.classes * FACTS_OF_A_CLASS)


def _stock(session: Session) -> None:
    found = session.measured.stock = run_stock(session.bench, session.asked.stock_classes)
    session.bench.progress(f"stock: {found.facts_per_s:,.0f} facts/s, {found.facts:,} facts")


def _latency(session: Session) -> None:
    asked = session.asked
    found = run_latency(session.bench, session.opening, rate=asked.rate, seconds=asked.seconds)
    session.measured.latency = found
    session.bench.progress(f"receipt {found.receipt}, projected {found.projected} ms")


def _growth(session: Session) -> None:
    session.measured.growth = run_growth(
        session.bench, session.opening, session.pace, session.start, session.asked.marks
    )


def _ledger(session: Session) -> None:
    session.measured.ledger = run_ledger(session.bench)


def _rebuild(session: Session) -> None:
    session.measured.rebuild = run_rebuild(session.bench)


def _replay(session: Session) -> None:
    session.measured.replay = run_replay(session.bench)


STEPS: Mapping[str, Callable[[Session], None]] = {
    arguments.A: _end_to_end,
    arguments.RAW: _raw,
    arguments.STOCK: _stock,
    arguments.LATENCY: _latency,
    arguments.GROWTH: _growth,
    arguments.LEDGER: _ledger,
    arguments.REBUILD: _rebuild,
    arguments.REPLAY: _replay,
}
"""What is measured on the running stack, in this order; the demo has a stack of its own, when this one is down."""


def _measure(asked: argparse.Namespace, state: StateFolder, progress: Progress) -> Measured:
    """Brings the stack up and measures part by part; the report is written after each."""
    with ExitStack() as running:
        session = _opened(running, asked, state, progress)
        for name, step in STEPS.items():
            if name in asked.parts:
                with progress.part(name):
                    step(session)
                memory = session.bench.memory()
                session.measured.peak_rss_mb = {one: round(row["peak"], 1) for one, row in memory.items()}
                _write(session.measured)
        return session.measured


def _opened(running: ExitStack, asked: argparse.Namespace, state: StateFolder, progress: Progress) -> Session:
    loader = running.enter_context(load_process(state, asked.seed))
    if POSTGRES in asked.profile:
        with state.locked():
            statements.preload(state, start_servers(state, progress=progress))
        running.callback(statements.unload, state)
    servers = running.enter_context(running_stack(state, progress=progress))
    layout = Layout(servers, asked.split, asked.workers)
    layout.start()
    local = running.enter_context(Local(state, patience_seconds=PATIENCE_SECONDS, waiting=progress))
    with progress.part("登记/register"):
        register_institutions(servers, local, Curriculum(asked.seed))
    loader.connect()
    settings = {name: value for name, value in vars(asked).items() if name != "state"}
    return Session(
        asked,
        Bench(servers, layout, local, loader, asked.seed, state_root() / PROFILES, progress),
        Opening(local, loader, Numbers(state.path), progress),
        Measured(machine_facts(servers, state.path), settings),
    )


def _write(measured: Measured) -> None:
    """The report as far as it goes; what was measured stays, whatever comes next."""
    answer = report.as_answer(measured)
    report.write(state_root() / REPORT, answer)
    write_private(state_root() / PAGE, page(answer))


def main(given: Sequence[str]) -> int:
    """Runs it and answers the exit code."""
    asked = arguments.read_arguments(given)
    progress = Progress(lambda line: click.echo(line, err=True))
    if asked.stack == FRESH:
        reset(StateFolder.named(asked.state))
    state = StateFolder.named(asked.state)
    os.environ.setdefault("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    os.environ.setdefault("OTEL_TRACES_SAMPLER_ARG", str(asked.traced))
    try:
        measured = _measure(asked, state, progress)
        if arguments.DEMO in asked.parts:
            with progress.part(arguments.DEMO):
                measured.demo = run_demo()
            _write(measured)
    except KeyboardInterrupt:
        click.echo("已中断，全部停止 / interrupted; everything is stopped", err=True)
        return INTERRUPTED
    except (StackError, NotFinished, TlogError, VerifyError) as error:
        click.echo(str(error), err=True)
        return FAILED
    _tell(measured, progress)
    return FAILED if measured.wrong else 0


def _tell(measured: Measured, progress: Progress) -> None:
    columns = ("项目 / what", "目标 / target", "实测 / measured", "", "说明 / note")
    print_table("", columns, report.target_rows(report.as_answer(measured)))
    for one in measured.wrong:
        click.echo(f"不成立 / no figure: {one}")
    click.echo(f"{progress.told()}；{state_root() / REPORT}, {state_root() / PAGE}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
