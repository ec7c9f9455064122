"""Latencies count from when a thing was due or recorded, whatever came in between."""

from __future__ import annotations

from datetime import date

import pytest

from bench.courses import Curriculum, Sending, Stage, training_of
from bench.figures import points
from bench.latency import visible_ms
from bench.open_loop import Walk, in_turn

DAY = date(2024, 5, 13)


@pytest.fixture(scope="module")
def courses() -> list[dict[Stage, tuple[Sending, ...]]]:
    curriculum = Curriculum(1)
    return [dict(curriculum.course(number, DAY)) for number in range(3)]


def kinds(sendings: object) -> set[str]:
    return {one.submission_id.split("-")[1] for one in sendings}  # type: ignore[attr-defined]


def test_a_class_is_taught_in_two_steps(courses) -> None:
    """Enrolments, then sheets; the completion is left out."""
    training = training_of(courses[0])
    assert kinds(training.enrolments) == {"EnrolTrainee"}
    assert kinds(training.sheets) == {"RecordAttendanceSheet"}
    assert (len(training.enrolments), len(training.sheets)) == (30, 28)


def test_sheets_of_all_classes_come_in_turn(courses) -> None:
    """The first session of each class, then the next; no more than asked for, and none twice."""
    turns = list(in_turn(courses, 7))
    assert [one.submission_id.split("-")[0] for one in turns] == [
        f"B00000{number}" for number in (0, 1, 2, 0, 1, 2, 0)
    ]
    assert len({one.submission_id for one in turns}) == 7
    assert len(list(in_turn(courses, 1_000))) == 3 * 28


async def handed_over(_sending: Sending) -> None:
    """A producer that takes everything."""


def test_a_sheet_that_left_late_has_waited() -> None:
    """Due at 10 s, answered at 10.25: a quarter of a second, whenever it left."""
    walk = Walk(handed_over, rate=1.0)
    walk._due = {"one": 10.0, "two": 11.0}
    walk.take("one", 10.25, refused=False)
    walk.take("two", 11.5, refused=True)
    walk.take("two", 11.6, refused=False)
    assert walk.walked.receipt_ms == [250.0, 500.0]
    assert (walk.walked.refused, walk.walked.twice) == (1, 1)


async def test_a_sheet_without_a_receipt_is_told(courses) -> None:
    """Everything goes out by the clock, and what nobody answers is counted."""
    sent: list[str] = []

    async def send(sending: Sending) -> None:
        sent.append(sending.submission_id)

    walk = Walk(send, rate=10_000.0)
    sheets = list(in_turn(courses, 5))
    await walk._send_all(sheets)
    assert sent == [one.submission_id for one in sheets]
    assert set(walk._due) == set(sent)
    assert len(walk.walked.late_ms) == 5


def test_a_fact_is_visible_at_the_first_look_behind_it() -> None:
    """Of two looks the first that finds the cursor there counts; a cursor that was read late never goes back."""
    looks = [(1.0, 0), (2.0, 5), (3.0, 4), (4.0, 9)]
    found, never = visible_ms([(5, 0.5), (6, 3.5), (9, 4.0)], looks)
    assert found == [1_500.0, 500.0, 0.0]
    assert never == 0


def test_a_fact_that_was_never_seen_is_no_latency() -> None:
    """It is told, not left out silently."""
    assert visible_ms([(10, 1.0)], [(2.0, 9)]) == ([], 1)


def test_the_report_has_percentiles_of_what_was_measured() -> None:
    """Of a thousand values; none of none."""
    found = points([float(value) for value in range(1, 1_001)])
    assert found == {"p50": 500.0, "p90": 900.0, "p99": 990.0, "p99.9": 999.0, "max": 1_000.0}
    assert points([]) == {}
