"""Working days agree with two independently published calendars, and periods count by them."""

from __future__ import annotations

from datetime import date, timedelta

import chinese_calendar  # type: ignore[import-untyped]
import holidays
import pytest

from shared.policy.book import PolicyBook
from shared.policy.refusals import NoCalendar

YEARS = (2024, 2025, 2026)


def days_of(year: int) -> list[date]:
    """Every day of a year."""
    first = date(year, 1, 1)
    return [first + timedelta(days=n) for n in range((date(year + 1, 1, 1) - first).days)]


@pytest.mark.parametrize("year", YEARS)
def test_every_day_agrees_with_chinesecalendar(book: PolicyBook, year: int) -> None:
    """Day by day, a whole year."""
    differing = [d for d in days_of(year) if book.is_working_day(d) != chinese_calendar.is_workday(d)]
    assert differing == []


@pytest.mark.parametrize("year", YEARS)
def test_every_day_agrees_with_holidays(book: PolicyBook, year: int) -> None:
    """Day by day, a whole year."""
    china = holidays.country_holidays("CN", years=year)
    assert any(china)
    differing = [d for d in days_of(year) if book.is_working_day(d) != china.is_working_day(d)]
    assert differing == []


@pytest.mark.parametrize(
    ("opens_on", "closes_on"),
    [
        (date(2024, 8, 15), date(2024, 8, 21)),
        (date(2024, 9, 26), date(2024, 10, 8)),
        (date(2024, 4, 4), date(2024, 4, 11)),
        (date(2024, 12, 30), date(2025, 1, 6)),
    ],
)
def test_a_notice_of_five_working_days_counts_its_opening_day(
    book: PolicyBook, opens_on: date, closes_on: date
) -> None:
    """Over a weekend, over the National Day with a Sunday worked, from a holiday, over the turn of a year."""
    assert book.add_working_days(opens_on, 5, opening_day_counted=True) == closes_on


def test_a_deadline_begins_to_count_on_the_day_after(book: PolicyBook) -> None:
    """Three business days after Thursday 2024-09-12: Friday, Saturday (worked), Wednesday."""
    assert book.add_working_days(date(2024, 9, 12), 3, opening_day_counted=False) == date(2024, 9, 18)
    assert book.add_working_days(date(2024, 9, 12), 1, opening_day_counted=True) == date(2024, 9, 12)


def test_a_year_without_a_calendar_package_is_refused(book: PolicyBook) -> None:
    """Nobody guesses next year's holidays; a period that would reach them is refused too."""
    with pytest.raises(NoCalendar) as refusal:
        book.is_working_day(date(2027, 1, 4))
    assert refusal.value.year == 2027
    with pytest.raises(NoCalendar):
        book.add_working_days(date(2026, 12, 31), 2, opening_day_counted=True)
    with pytest.raises(NoCalendar):
        book.is_working_day(date(2023, 12, 29))


def test_a_period_has_at_least_one_day(book: PolicyBook) -> None:
    """Nought or less is a caller's mistake."""
    with pytest.raises(ValueError, match="one working day or more"):
        book.add_working_days(date(2024, 1, 2), 0, opening_day_counted=True)
