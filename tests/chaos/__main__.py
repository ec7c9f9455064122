"""`make chaos`: the demo's load on a fresh stack while its processes are killed and stopped, then the checker.

Exit codes: 0 nothing was found, 1 something was, 2 called wrongly, 130 interrupted. A failed run keeps its data.
"""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack, closing
from functools import partial

import click

from tests.chaos.checker import check
from tests.chaos.commands import asked_again, verdicts
from tests.chaos.history import History, read_acknowledged
from tests.chaos.injector import Injector
from tests.chaos.load import ChaosPlay, PatientParties, RecordingLocal, eligible
from tests.chaos.plan import BANK, LEAST_KILLS, TARGETS, plan
from tests.chaos.rebuilt import differing_read_models
from tests.chaos.report import Report
from tests.chaos.stack import Stack
from tests.chaos.stores import ReceiptsSeen, read_stores
from zeren.demo.dataset import read_dataset
from zeren.demo.progress import Progress
from zeren.demo.run import _end
from zeren.generator.generate import generate
from zeren.stack.days import wait_drained
from zeren.stack.local import Servers, reset
from zeren.stack.paths import state_root
from zeren.stack.state import StateFolder
from zeren.stack.whole import running_stack

INTERRUPTED = 130
REPORT = "chaos.json"


class Run:
    """One run, from a fresh stack to the checker's verdict."""

    def __init__(self, report: Report, progress: Progress) -> None:
        self.report = report
        self._progress = progress
        self._history = History()
        self._over = threading.Event()

    def run(self, state: StateFolder) -> None:
        """Fills the report. Raises: StackError, and what is left of a stack that did not come back."""
        report = self.report
        with ExitStack() as running:
            folder = state.path / "dataset"
            generate(folder, trainees=report.trainees, seed=report.seed)
            dataset = read_dataset(folder)
            servers = running.enter_context(running_stack(state, progress=self._progress))
            running.callback(self._over.set)
            sent = state.path / "acknowledged.jsonl"
            parties = running.enter_context(closing(PatientParties(state, dataset.records_file, sent)))
            stack = running.enter_context(
                closing(Stack(servers, parties, ended=self._history.ended_by_itself, over=self._over))
            )
            stack.split_payment()
            local = running.enter_context(RecordingLocal(state, self._history))
            faults = plan(report.seed, report.kills, eligible(dataset, TARGETS, BANK))
            injector = Injector(
                faults, stack, servers.postgres, self._history, tell=self._progress, over=self._over
            )
            usccs = [one.uscc for one in dataset.organisations]
            seen: list[ReceiptsSeen] = []
            play = ChaosPlay(
                servers, local, dataset, parties, self._progress, injector=injector,
                registered=lambda: seen.append(running.enter_context(closing(ReceiptsSeen(servers, usccs)))),
            )  # fmt: skip
            try:
                play.play()
            finally:
                report.faults, report.ended = self._history.faults, self._history.ended
                report.not_done = injector.put_off
            self._progress("核对 / checking")
            ending = _end(local, dataset, parties, play.people_refused)
            report.findings["truth"] = ending.differences
            report.findings["repeated_commands"] = list(asked_again(local, self._history, report.seed))
            wait_drained(local)
            self._check(servers, usccs, seen[0])

    def _check(self, servers: Servers, usccs: Sequence[str], seen: ReceiptsSeen) -> None:
        stores = read_stores(servers, usccs)
        stores.acknowledged = read_acknowledged(servers.state.path / "acknowledged.jsonl")
        stores.seen = list(seen.seen)
        stores.answered = [one.answered for one in self._history.commands]
        self.report.figures = stores.figures()
        self.report.findings |= check(stores)
        self.report.findings["read_models"] = list(differing_read_models(servers, stores))
        self.report.findings |= verdicts(servers.state)
        self.report.findings["ended_by_themselves"] = self.report.ended
        self.report.findings["too_few_faults"] = self.report.too_few()


def _arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--kills", type=int, default=30, help=f"故障次数 / faults, {LEAST_KILLS} and more for all"
    )
    parser.add_argument("--seed", type=int, default=1, help="随机种子 / seed")
    parser.add_argument("--trainees", type=int, default=300, help="学员人数 / trainees")
    parser.add_argument("--state", default="chaos", help="状态目录名 / state folder's name")
    found = parser.parse_args(arguments)
    if found.kills < 0 or found.trainees < 30:
        parser.error("--kills 不得为负，学员至少 30 名 / --kills can't be negative, at least 30 trainees")
    return found


def main(arguments: Sequence[str]) -> int:
    """Runs it and answers the exit code."""
    asked = _arguments(arguments)
    progress = Progress(partial(click.echo, err=True))
    reset(StateFolder.named(asked.state))
    state = StateFolder.named(asked.state)
    report = Report(seed=asked.seed, kills=asked.kills, trainees=asked.trainees)
    try:
        Run(report, progress).run(state)
    except KeyboardInterrupt:
        reset(state)
        click.echo("已中断，全部停止 / interrupted; everything is stopped", err=True)
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - whatever ends the load is a finding
        report.findings["run"] = [f"{type(error).__name__}: {error}"]
    report.seconds = progress.seconds
    report.write(state_root() / REPORT)
    for line in report.lines():
        click.echo(line)
    if report.passed:
        reset(state)
    else:
        click.echo(
            f"数据留在 {state.path}；zeren up --state {asked.state} 可再启动 / its data stays there", err=True
        )
    return 0 if report.passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
