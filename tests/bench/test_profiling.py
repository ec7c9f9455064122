"""Profiles are read from collapsed stacks."""

from __future__ import annotations

import os

import pytest

from bench.processes import Look, cpu_seconds, memory_mb, spent
from bench.profiling import (
    Stack,
    UnknownProcess,
    by_function,
    by_self,
    cumulative,
    read_collapsed,
    speedscope,
    wanted_processes,
)

TEXT = """main (run.py:1);decide (desk.py:20);decide (desk.py:21) 3
main (run.py:1);copy (write.py:5) 1
"""
STACKS = [
    Stack(("main (run.py:1)", "decide (desk.py:20)", "decide (desk.py:21)"), 3),
    Stack(("main (run.py:1)", "copy (write.py:5)"), 1),
]


def test_collapsed_stacks_are_read() -> None:
    """A line a stack."""
    assert read_collapsed(TEXT) == STACKS


def test_a_recursion_counts_once() -> None:
    """`decide` calls itself in three samples; it was there in three, not in six."""
    functions = by_function(STACKS)
    assert by_self(functions) == {"decide (desk.py)": 3, "copy (write.py)": 1}
    assert cumulative(functions) == {"main (run.py)": 4, "decide (desk.py)": 3, "copy (write.py)": 1}


def test_a_speedscope_file_names_each_frame_once() -> None:
    """Weights are seconds."""
    (profile,) = speedscope("worker", STACKS)["profiles"]
    assert profile["samples"] == [[0, 1, 2], [0, 3]]
    assert profile["weights"] == [0.03, 0.01]
    assert profile["endValue"] == 0.04


def test_a_role_without_its_own_process_is_profiled_with_its_service() -> None:
    """Written with a dot or a hyphen."""
    pids = {"enrolment": 1, "enrolment-worker": 2, "audit": 3}
    assert wanted_processes(["enrolment.worker", "audit-worker"], pids) == {"enrolment-worker": 2, "audit": 3}
    assert wanted_processes(["enrolment.projector"], pids) == {"enrolment": 1}
    with pytest.raises(UnknownProcess, match="no process nobody"):
        wanted_processes(["nobody"], pids)


def look(audit: float, sessions: dict[int, float], postmaster: float) -> Look:
    owners = {7: "audit → audit", 8: "walwriter", 9: "audit → audit"}
    return Look({"audit": audit}, sessions, postmaster, owners)


def test_a_session_that_ends_is_not_lost() -> None:
    """Its seconds come back with the postmaster's; what it had used before is taken off."""
    used = spent(look(1.0, {7: 2.0, 8: 1.0}, 5.0), look(4.0, {8: 1.5, 9: 0.5}, 8.0))
    assert used.processes == {"audit": 3.0}
    assert used.postgres == pytest.approx(2.0)
    assert used.sessions == pytest.approx({"walwriter": 0.5, "audit → audit": 0.5, "ended": 1.0})


def test_a_process_tells_what_it_uses() -> None:
    """This one has used some CPU, and its peak is not below what it has now."""
    assert cpu_seconds(os.getpid()) > 0
    memory = memory_mb(os.getpid())
    assert memory["peak"] >= memory["now"] > 10
