"""Growth: which runs lead to a mark, and whose rate counts there."""

from __future__ import annotations

import pytest

from bench.figures import rate_of
from bench.growth import BEYOND, CHUNK, LAST, MARKS, Growth, runs_to, window


@pytest.mark.parametrize("store", [0, 300_000, 650_000, 990_000, 999_999])
@pytest.mark.parametrize("mark", MARKS)
def test_runs_pass_the_mark_at_their_end(store: int, mark: int) -> None:
    """Nine tenths of the last run lie before it; none is larger than the load can hold."""
    runs = runs_to(store, mark)
    if mark <= store:
        assert runs == []
        return
    *before, last = runs
    assert all(0 < one <= CHUNK for one in before)
    left = mark - store - sum(before)
    assert left == pytest.approx(last * (1 - BEYOND), abs=2)
    assert last <= CHUNK / (1 - BEYOND) + 1


def test_the_rate_at_a_mark_is_of_the_last_facts_before_it() -> None:
    """100,000 where the run has enough of them, and never from its beginning on."""
    assert window(700_000, 1_000_000) == LAST
    assert window(990_000, 1_000_000) == 6_000


def test_a_rate_between_two_numbers_of_facts() -> None:
    """40 facts in the first second, 60 in the second."""
    points = [(0.0, 0), (1.0, 40), (2.0, 100)]
    assert rate_of(points, 40, 100) == 60.0
    with pytest.raises(ValueError, match="never 101"):
        rate_of(points, 40, 101)


def test_without_two_marks_there_is_no_ratio() -> None:
    """One figure does not grow."""
    assert Growth().told()["ratio"] is None
