"""Rates and percentiles, on samples written by hand."""

from __future__ import annotations

import pytest

from bench.figures import curve, per_100k, percentile, rate_between, seconds_at
from bench.watch import Sample, is_done

HEADS = {"enrolment": 60, "certification": 20, "payment": 15, "audit": 5}


def sample(at: float, ledgered: int, **projected: int) -> Sample:
    return Sample(at, HEADS, ledgered, {**HEADS, "audit": ledgered, **projected})


def test_a_percentile_is_a_value_that_was_measured() -> None:
    """By nearest rank: half of four values are not above the second."""
    assert percentile([4.0, 1.0, 3.0, 2.0], 50) == 2.0
    assert percentile([4.0, 1.0, 3.0, 2.0], 99) == 4.0
    assert percentile([7.0], 0) == 7.0


def test_no_values_have_no_percentile() -> None:
    """None is made up."""
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)


def test_the_curve_begins_with_the_clock() -> None:
    """Samples from before the first submission are not of the run; the store's earlier facts don't count."""
    samples = [sample(9.0, 100), sample(11.0, 140), sample(12.0, 200)]
    assert curve(samples, 10.0, 100) == [(0.0, 0), (1.0, 40), (2.0, 100)]


def test_between_two_samples_the_facts_grow_evenly() -> None:
    """A fifth of the way in facts is a fifth of the way in time."""
    points = [(0.0, 0), (1.0, 40), (2.0, 100)]
    assert seconds_at(points, 20) == 0.5
    assert seconds_at(points, 70) == 1.5
    with pytest.raises(ValueError, match="never 101"):
        seconds_at(points, 101)


def test_a_rate_is_of_its_share_of_the_facts_alone() -> None:
    """The first half came at 50 a second, the second at 25."""
    points = [(0.0, 0), (1.0, 50), (3.0, 100)]
    assert rate_between(points, 0.0, 0.5) == 50.0
    assert rate_between(points, 0.5, 1.0) == 25.0


def test_seconds_are_told_per_hundred_thousand_facts() -> None:
    """Three seconds for 300,000 facts are one."""
    assert per_100k({"audit": 3.0}, 300_000) == {"audit": 1.0}


@pytest.mark.parametrize("behind", ["enrolment", "payment", "audit"])
def test_a_run_is_not_done_while_a_read_model_is_behind(behind: str) -> None:
    """The ledger alone does not end the clock."""
    assert is_done(sample(1.0, 100), 100)
    assert not is_done(sample(1.0, 100, **{behind: 1}), 100)


def test_a_run_is_not_done_while_a_fact_is_not_ledgered() -> None:
    """Read models may be first."""
    assert not is_done(sample(1.0, 99), 100)
