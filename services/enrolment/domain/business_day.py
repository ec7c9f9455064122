"""Opening business days (业务日期): one fact a day, none skipped. The stream itself is the kernel's."""

from __future__ import annotations

from datetime import date, timedelta

from shared.contracts.enrolment import BusinessDayOpened
from shared.policy.book import PolicyBook
from shared.policy.refusals import NoCalendar
from shared.refusal import Refusal

MAX_DAYS = 400
"""Days that one request may open: a year and a little."""


class TooManyDays(Refusal):
    """More than `MAX_DAYS` at once."""

    code = "businessday.too_many"


class CalendarMissing(Refusal):
    """No calendar package says whether those days are worked."""

    code = "businessday.no_calendar"


def days_to_open(current: date | None, through: date, book: PolicyBook) -> list[BusinessDayOpened]:
    """The facts that bring the business date to `through`; none where it is there or beyond.

    Args:
        current: the business date, or None before the first, which is then `through` itself.
        through: the last day to open.
        book: whose calendar says which days are worked.

    Raises: TooManyDays, CalendarMissing.

    Source: 国务院办公厅 holiday arrangements, in the calendar packages.
    """
    first = through if current is None else current + timedelta(days=1)
    count = (through - first).days + 1
    if count > MAX_DAYS:
        raise TooManyDays("through")
    try:
        return [_opened(first + timedelta(days=number), book) for number in range(count)]
    except NoCalendar:
        raise CalendarMissing("through") from None


def _opened(day: date, book: PolicyBook) -> BusinessDayOpened:
    return BusinessDayOpened(date=day, working=book.is_working_day(day))
