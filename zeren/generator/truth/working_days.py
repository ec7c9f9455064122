"""The working-day calendar."""

from __future__ import annotations

from datetime import date, timedelta

from zeren.generator.policy_files import PolicyFiles


class WorkingDays:
    """Working days by the State Council's arrangement of each year."""

    def __init__(self, policy: PolicyFiles) -> None:
        years = [package["calendar"] for package in policy.packages.values() if "calendar" in package]
        self._off = {day for year in years for day in year["off"]}
        self._worked = {day for year in years for day in year["worked"]}

    def is_working(self, day: date) -> bool:
        """Whether offices work that day."""
        return day in self._worked or (day.weekday() < 5 and day not in self._off)

    def after(self, day: date, count: int) -> date:
        """The working day that is `count` working days after a day, itself not counted."""
        while count > 0:
            day += timedelta(1)
            count -= self.is_working(day)
        return day
