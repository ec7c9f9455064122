"""The procedure's figures and the no-repeat rule."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import msgspec
import pytest

from shared.policy.book import PolicyBook
from shared.policy.loading import load_packages
from shared.policy.refusals import NoRule, UnknownRegion

ON = date(2024, 5, 6)


def test_the_demonstration_procedure_has_these_figures(book: PolicyBook) -> None:
    """None of them is in the notice, so all of them are DEMO."""
    rule = book.procedure("350128", ON)
    assert rule.attendance_permille == 800
    assert rule.class_hour_minutes == 45
    assert (rule.age_from, rule.age_below) == (16, 60)
    assert rule.max_trainees == 50
    assert rule.pass_mark == 60
    assert rule.claim_within_months == 12
    assert rule.public_notice_working_days == 5
    assert rule.parking_business_days == 3
    assert rule.review_stages == ("FIRST_REVIEW",)
    assert rule.ref.demo
    assert not rule.ref.verified
    assert rule.ref.name == "demo-procedure@1#procedure"


@pytest.mark.parametrize(("attended", "enough"), [(1439, False), (1440, True), (1800, True), (0, False)])
def test_attendance_suffices_from_the_threshold_upwards(
    book: PolicyBook, attended: int, *, enough: bool
) -> None:
    """800 ‰ of 1,800 planned minutes is 1,440."""
    assert book.procedure("350100", ON).attended_enough(attended, 1800) is enough


def test_with_nothing_planned_no_attendance_suffices(book: PolicyBook) -> None:
    """A class without minutes completes nobody."""
    assert not book.procedure("350100", ON).attended_enough(0, 0)


@pytest.mark.parametrize(("age", "admitted"), [(15, False), (16, True), (59, True), (60, False)])
def test_ages_from_sixteen_to_under_sixty_are_admitted(book: PolicyBook, age: int, *, admitted: bool) -> None:
    """Whole years at the class's first day."""
    assert book.procedure("350100", ON).admits_age(age) is admitted


@pytest.mark.parametrize(
    ("certificate_on", "closes_on"),
    [
        (date(2024, 6, 1), date(2025, 6, 1)),
        (date(2024, 2, 29), date(2025, 2, 28)),
        (date(2024, 12, 31), date(2025, 12, 31)),
    ],
)
def test_a_claim_closes_twelve_months_after_the_certificate(
    book: PolicyBook, certificate_on: date, closes_on: date
) -> None:
    """The same day of the month, or the month's last."""
    assert book.procedure("350100", ON).claim_closes_on(certificate_on) == closes_on


def test_a_judgement_by_one_figure_leaves_a_small_trace(book: PolicyBook) -> None:
    """What facts of enrolment and certification carry."""
    trace = book.procedure("350100", ON).judged(
        "attendance_permille", {"attended": 1, "planned": 2}, "ENOUGH"
    )
    assert trace.result == "ENOUGH"
    assert trace.demo
    assert len(msgspec.json.encode(trace)) <= 300


def test_a_citys_procedure_beats_the_provinces_demonstration(folder: Path) -> None:
    """Among demonstrations the narrower region wins."""
    text = (folder / "demo-procedure.toml").read_text(encoding="utf-8")
    text = text.replace('"demo-procedure"', '"demo-procedure-xiamen"').replace('"350000"', '"350200"')
    (folder / "demo-procedure-xiamen.toml").write_text(
        text.replace("max_trainees = 50", "max_trainees = 30"), encoding="utf-8"
    )
    book = load_packages(folder)
    assert book.procedure("350200", ON).max_trainees == 30
    assert book.procedure("350100", ON).max_trainees == 50


def test_before_its_first_day_no_procedure_is_in_force(book: PolicyBook) -> None:
    """2023-01-01 is the first."""
    assert book.procedure("350100", date(2023, 1, 1))
    with pytest.raises(NoRule):
        book.procedure("350100", date(2022, 12, 31))
    with pytest.raises(UnknownRegion):
        book.procedure("110000", ON)


def test_the_no_repeat_rule_spans_training_and_skill_upgrade(book: PolicyBook) -> None:
    """人社厅发〔2023〕55号 三（十）, in force from its date; the only figure-free rule that is verified."""
    rule = book.no_repeat("350200", date(2023, 12, 28))
    assert rule.scope == ("TRAINING", "SKILL_UPGRADE")
    assert rule.key == ("person", "occupation", "level")
    assert rule.ref.verified
    assert rule.ref.package == "fujian-2024"
    with pytest.raises(NoRule):
        book.no_repeat("350200", date(2023, 12, 27))
