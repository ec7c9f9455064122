"""What goes wrong in a run of `make chaos`, and when: a function of the seed."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.chaos.plan import (
    KILL,
    LEAST_INSIDE,
    LEAST_OF_A_KIND,
    LONG_STOP_SECONDS,
    SERVICES,
    STOP,
    TARGETS,
    plan,
)

STEPS = {target: range(3 + n, 20) for n, target in enumerate(TARGETS)}
SEEDS = range(1, 9)


def test_the_same_seed_gives_the_same_plan() -> None:
    """A run can be repeated; another seed is another run."""
    assert plan(1, 30, STEPS) == plan(1, 30, STEPS)
    assert plan(1, 30, STEPS) != plan(2, 30, STEPS)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_kind_comes_often_enough(seed: int) -> None:
    """Of thirty faults each target has three, killed and stopped; ten at least lie inside an open transaction."""
    faults = plan(seed, 30, STEPS)
    assert len(faults) == 30
    assert all(count >= LEAST_OF_A_KIND for count in Counter(one.target for one in faults).values())
    kinds = {(one.target, one.action) for one in faults}
    assert kinds == {(target, action) for target in TARGETS for action in (KILL, STOP)}
    assert sum(one.inside for one in faults) >= LEAST_INSIDE
    assert {one.target for one in faults if one.inside} == set(SERVICES)


@pytest.mark.parametrize("seed", SEEDS)
def test_faults_come_where_their_targets_have_work(seed: int) -> None:
    """In the order of the steps, each at a step that its target is eligible for; some stops are long ones."""
    faults = plan(seed, 60, STEPS)
    assert [one.number for one in faults] == list(range(1, 61))
    assert [one.step for one in faults] == sorted(one.step for one in faults)
    assert all(one.step in STEPS[one.target] for one in faults)
    assert any(one.seconds >= LONG_STOP_SECONDS[0] for one in faults if one.action == STOP)
