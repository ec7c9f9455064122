"""Working days (工作日): weekdays, less the arranged holidays, plus the weekend days worked in exchange."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from types import MappingProxyType

from shared.policy.package import CalendarYear
from shared.policy.refusals import NoCalendar

ONE_DAY = timedelta(days=1)
SATURDAY = 5


@dataclass(frozen=True, slots=True)
class WorkCalendar:
    """The years that a calendar package covers."""

    _exceptions: Mapping[int, frozenset[date]]

    @classmethod
    def of(cls, years: Iterable[CalendarYear]) -> WorkCalendar:
        """A calendar of these years; of two for one year the later in order stands."""
        exceptions = {year.year: frozenset((*year.off, *year.worked)) for year in years}
        return cls(MappingProxyType(exceptions))

    def is_working_day(self, day: date) -> bool:
        """Raises: NoCalendar: no package covers that year."""
        try:
            exceptions = self._exceptions[day.year]
        except KeyError:
            raise NoCalendar(day.year) from None
        return (day.weekday() < SATURDAY) != (day in exceptions)

    def add_working_days(self, start: date, days: int, *, opening_day_counted: bool) -> date:
        """The last day of a period of working days.

        Args:
            start: the day on which it opens.
            days: 1 or more.
            opening_day_counted: the start counts as the first day when it is a working day (公示); else
                counting begins on the day after it.

        Raises:
            NoCalendar: the period reaches a year that no package covers.
            ValueError: fewer than one day.
        """
        if days < 1:
            raise ValueError(f"a period has one working day or more, not {days}")
        day = start if opening_day_counted else start + ONE_DAY
        left = days
        while True:
            left -= self.is_working_day(day)
            if left == 0:
                return day
            day += ONE_DAY
