"""Opening business days: one after the other, working or not by the calendar."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from services.enrolment.domain.business_day import MAX_DAYS, CalendarMissing, TooManyDays, days_to_open
from tests.book import BOOK
from tests.domain.enrolment.facts import TODAY


def test_the_very_first_day_opens_alone():
    (opened,) = days_to_open(None, TODAY, BOOK)
    assert (opened.date, opened.working) == (TODAY, True)


def test_every_day_between_is_opened_holidays_included():
    """2024-06-10 is the Dragon Boat Festival (端午节), a Monday."""
    opened = days_to_open(date(2024, 6, 7), date(2024, 6, 11), BOOK)
    assert [(day.date.day, day.working) for day in opened] == [
        (8, False),
        (9, False),
        (10, False),
        (11, True),
    ]


@pytest.mark.parametrize("through", [TODAY, TODAY - timedelta(days=1)])
def test_a_day_that_is_open_or_past_opens_nothing(through: date):
    assert days_to_open(TODAY, through, BOOK) == []


def test_at_most_400_days_at_once():
    assert len(days_to_open(TODAY, TODAY + timedelta(days=MAX_DAYS), BOOK)) == MAX_DAYS
    with pytest.raises(TooManyDays):
        days_to_open(TODAY, TODAY + timedelta(days=MAX_DAYS + 1), BOOK)


def test_a_year_without_a_calendar_is_refused_not_guessed():
    with pytest.raises(CalendarMissing):
        days_to_open(date(2022, 12, 30), date(2023, 1, 2), BOOK)
