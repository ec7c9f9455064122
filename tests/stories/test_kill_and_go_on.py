"""The demo's load, killed whole and gone on with: kill -9 of servers, services, bank, institutions and the driver."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import psutil  # type: ignore[import-untyped]
import pytest

from tests.stories.running import STORY_SECONDS, demo_command
from zeren.cli.entry import main as zeren
from zeren.demo.dataset import generated_dataset
from zeren.stack.client import Local, ServiceRefused, ServiceUnreachable
from zeren.stack.paths import CHECKOUT
from zeren.stack.processes import marked
from zeren.stack.state import StateFolder
from zeren.stack.supervisor import Supervisor
from zeren.stack.whole import BANK, bank_folder

SECONDS = STORY_SECONDS / 2
LOOK_SECONDS = 0.01
TOLD_WITH_TIME = re.compile(r" *\d+\.\ds  ")
CLASSES_APPROVED = "2024-05-13 批准开班"


class Ending(NamedTuple):
    """How a demo ended: its exit code, its summary, and what it told on the way."""

    exit_code: int
    summary: dict[str, Any]
    told: str


class Load:
    """The demo on one state folder, out of sight: killed, and gone on with."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.told = ""
        self._driver: subprocess.Popen[str] | None = None

    @property
    def state(self) -> StateFolder:
        """As it is now: a demo that begins makes it anew."""
        return StateFolder.named(self.name)

    def start(self, *options: str) -> None:
        """Begins or goes on; returns at its first line, when the folder is its own."""
        self._driver = subprocess.Popen(
            demo_command(self.state, "--json", *options),
            cwd=CHECKOUT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.told = ""
        self.tells("演示")

    def tells(self, text: str) -> None:
        """Reads what it tells up to a line with this text."""
        assert self._driver is not None
        assert self._driver.stderr is not None
        while line := self._driver.stderr.readline():
            self.told += line
            if text in line:
                return
        raise AssertionError(f"it ended before {text}:\n{self.told[-3_000:]}")

    def kill_when(self, reached: Callable[[], bool]) -> None:
        """Kills every process of it at the moment at which something is so."""
        assert self._driver is not None
        deadline = time.monotonic() + SECONDS
        while not reached():
            assert self._driver.poll() is None, f"it ended before: {self._driver.communicate()[1][-3_000:]}"
            assert time.monotonic() < deadline, "the moment to kill it at did not come"
            time.sleep(LOOK_SECONDS)
        pids = [self._driver.pid, *(one.pid for one in Supervisor(self.state).status() if one.running)]
        pids += [one.pid for one in marked(self.state.id)]
        doomed = [psutil.Process(pid) for pid in pids]
        doomed += [child for one in doomed for child in one.children(recursive=True)]
        for one in doomed:
            if one.is_running():
                one.kill()
        self._driver.communicate()
        psutil.wait_procs(doomed, timeout=SECONDS)
        assert not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in doomed)

    def end(self) -> None:
        """Ends the driver if it runs; what it started is stopped with the state folder."""
        if self._driver is not None and self._driver.poll() is None:
            self._driver.kill()
            self._driver.communicate()

    def ends(self) -> Ending:
        """Waits for its end."""
        assert self._driver is not None
        shown, told = self._driver.communicate(timeout=STORY_SECONDS)
        return Ending(self._driver.returncode, json.loads(shown or "null"), self.told + told)


@pytest.fixture
def load(own_state: StateFolder) -> Iterator[Load]:
    """Not begun; ended by force where a test leaves it running."""
    load = Load(own_state.path.name)
    yield load
    load.end()


def up(name: str) -> None:
    """`zeren up`, as somebody else's command."""
    command = (sys.executable, "-m", "zeren", "up", "--state", name)
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, timeout=STORY_SECONDS, check=False)
    assert done.returncode == 0, done.stdout.decode()[-3_000:] + done.stderr.decode()[-3_000:]


def stop_the_bank(state: StateFolder) -> None:
    """Holds it still, so that a bank file stays without an answer."""
    (bank,) = [one for one in Supervisor(state).status() if one.name == BANK]
    psutil.Process(bank.pid).send_signal(signal.SIGSTOP)


def unread(local: Local, service: str) -> int:
    """How many records of its topics a service has not handled; 0 where it does not answer."""
    try:
        return sum(local.get(service, "/drain")["unread"].values())
    except (ServiceUnreachable, ServiceRefused):
        return 0


def one_fen_more(state: StateFolder) -> tuple[str, int]:
    """Puts it on a paid claim of the truth. Returns the claim's certificate, and what it really was paid."""
    path = state.path / "dataset" / "truth.json"
    truth = json.loads(path.read_text("utf-8"))
    claim = next(row for row in truth["claims"] if row["outcome"] == "paid")
    fen = int(claim["amount_fen"])
    claim["amount_fen"] = fen + 1
    path.write_text(json.dumps(truth), "utf-8")
    return str(claim["certificate_id"]), fen


def test_killed_at_the_start_in_mid_intake_and_before_the_bank_answers_it_goes_on_and_equals_the_truth(
    load: Load,
) -> None:
    """One load, three deaths of everything, `zeren up` after each: nothing is lost, doubled or decided otherwise.

    One fen that was put into the truth on the way is the only difference found: the comparison can fail, and says
    which claim, what was expected and what was seen.
    """
    load.start("--trainees", "30", "--seed", "3")
    load.tells("starting enrolment")
    load.kill_when((load.state.path / "dataset").exists)

    up(load.name)
    load.start("--resume")
    load.tells(CLASSES_APPROVED)
    with Local(load.state) as local:
        load.kill_when(lambda: unread(local, "enrolment") > 0)

    up(load.name)
    stop_the_bank(load.state)
    load.start("--resume")
    load.kill_when(lambda: any(bank_folder(load.state).glob("*.bank.jsonl")))
    assert not any((load.state.path / "bank-answers").iterdir())

    up(load.name)
    certificate, fen = one_fen_more(load.state)
    load.start("--resume", "--trainees", "30", "--seed", "3")
    ending = load.ends()
    assert ending.exit_code == 1, ending.told[-3_000:]
    summary = ending.summary
    assert set(summary) == {
        "facts", "receipts", "refusals", "regions", "paid_fen", "ledger", "truth_equal", "seconds",
    }  # fmt: skip
    assert summary["truth_equal"] is False
    (difference,) = [line for line in ending.told.splitlines() if not TOLD_WITH_TIME.match(line)]
    assert certificate in difference
    assert f"expected {fen + 1}, observed {fen}" in difference
    assert (summary["ledger"]["verified"], summary["ledger"]["size"]) == (True, summary["facts"])
    assert summary["paid_fen"] == sum(row["paid_fen"] for row in summary["regions"].values()) > 0
    _every_resend_got_the_stored_receipt(load.state, summary["receipts"])


def _every_resend_got_the_stored_receipt(state: StateFolder, received: int) -> None:
    lines = (state.path / "receipts.jsonl").read_text("utf-8").splitlines()
    assert len(lines) == received
    answers = defaultdict(set)
    for line in lines:
        answers[json.loads(line)["fact_id"]].add(line)
    assert len(answers) < received, "nothing was sent again"
    assert all(len(same) == 1 for same in answers.values())


@pytest.mark.parametrize(
    ("options", "wrong"),
    [(("--seed", "2"), "--seed"), (("--trainees", "31"), "--trainees")],
    ids=["another seed", "other trainees"],
)
def test_another_run_than_the_interrupted_one_is_not_gone_on_with(
    own_state: StateFolder, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], wrong: str
) -> None:
    """`--resume` with another seed or other trainees ends with exit code 1, names the option, and starts nothing."""
    generated_dataset(own_state, trainees=30, seed=1)
    assert zeren(["demo", "--resume", "--state", own_state.path.name, *options]) == 1
    assert wrong in capsys.readouterr().err
    assert list(marked(own_state.id)) == []


def test_where_no_demo_was_interrupted_there_is_nothing_to_go_on_with(
    own_state: StateFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--resume` on a state folder without a dataset ends with exit code 1 and says how to start afresh."""
    assert zeren(["demo", "--resume", "--state", own_state.path.name]) == 1
    assert f"zeren demo --state {own_state.path.name}" in capsys.readouterr().err
    assert list(marked(own_state.id)) == []
