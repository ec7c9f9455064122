"""A demo that was killed in the middle of things leaves nothing that the next one can't take over."""

from __future__ import annotations

import json
import subprocess
import time

import psutil  # type: ignore[import-untyped]

from tests.stories.running import STORY_SECONDS, demo_command
from zeren.stack.paths import CHECKOUT
from zeren.stack.state import StateFolder

FIRST_DAY = "2024-05-13"
"""Institutions have sent that day's submissions when the first line of it is shown: more are under way."""


def test_the_demo_runs_again_after_everything_was_killed(own_state: StateFolder) -> None:
    """Kill -9 of it and of every child in mid-intake; the next one ends as if nothing had been."""
    _kill_in_mid_intake(own_state)
    command = demo_command(own_state, "--trainees", "40", "--seed", "3", "--json")
    again = subprocess.run(command, cwd=CHECKOUT, capture_output=True, timeout=STORY_SECONDS, check=False)
    assert again.returncode == 0, again.stderr.decode()[-3_000:]
    summary = json.loads(again.stdout)
    assert set(summary) == {
        "facts", "receipts", "refusals", "regions", "paid_fen", "ledger", "truth_equal", "seconds",
    }  # fmt: skip
    assert summary["truth_equal"] is True
    assert summary["ledger"] == {
        "size": summary["facts"],
        "root": summary["ledger"]["root"],
        "verified": True,
    }
    assert summary["facts"] > 1_000
    assert summary["paid_fen"] == sum(row["paid_fen"] for row in summary["regions"].values()) > 0


def _kill_in_mid_intake(state: StateFolder) -> None:
    command = demo_command(state, "--trainees", "40", "--seed", "3", "--json")
    process = subprocess.Popen(
        command, cwd=CHECKOUT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        if FIRST_DAY in line:
            break
    assert process.poll() is None, "it ended before it could be killed"
    whole = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    assert len(whole) > 8
    for one in whole:
        try:
            one.kill()
        except psutil.NoSuchProcess:
            continue
    process.stderr.close()
    process.wait()
    deadline = time.monotonic() + 30
    while any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in whole):
        assert time.monotonic() < deadline, "killed processes still run"
        time.sleep(0.05)
