"""The days of the run, all in 2024, and what is done on each. Few days are active: each costs time in the demo."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

YEAR = 2024


def _day(month: int, day: int) -> date:
    return date(YEAR, month, day)


APPLIED = _day(5, 13)
ENROLLED = _day(5, 14)
SESSION_DAYS = tuple(_day(5, day) for day in (15, 16, 17, 20, 21, 22, 23, 24))
SHEET_DAYS = tuple(_day(5, day) for day in (15, 17, 21, 24))
"""Institutions send their sheets on these days, those of the days between together with the next."""
COMPLETED = _day(5, 27)
CANDIDATES = _day(5, 28)
ASSESSED = _day(5, 29)
CERTIFIED_FIRST = _day(5, 31)
CERTIFIED_SECOND = _day(6, 3)
CLAIMED = _day(6, 4)
REVIEWED = _day(6, 5)
PUBLICISED = _day(6, 6)
"""Five working days of notice end on 06-13: 06-10 is a holiday."""
PAID = _day(6, 14)
REPEATED = _day(6, 17)

UPLIFT_FROM = _day(6, 1)
"""The first certificate date with Xiamen's uplift: the second wave of certificates bears it."""

STEPS: dict[date, tuple[str, ...]] = {
    APPLIED: ("register", "send", "approve_classes"),
    **dict.fromkeys((ENROLLED, *SHEET_DAYS, COMPLETED, CANDIDATES, ASSESSED), ("send",)),
    **dict.fromkeys((CERTIFIED_FIRST, CERTIFIED_SECOND, CLAIMED), ("send",)),
    REVIEWED: ("accept", "review"),
    PUBLICISED: ("publicise",),
    PAID: ("approve", "pay"),
    REPEATED: ("send",),
}
"""Per active day, in order. "register" puts organisations on the books, "send" sends the day's records and
people's claims phase by phase; the others are handlers' work on everything that waits for it."""


@dataclass(frozen=True, slots=True)
class PlannedSession:
    """A session of three hours, in the morning or the afternoon."""

    ref: str
    held_on: date
    afternoon: bool

    @property
    def hours(self) -> tuple[str, str]:
        """Beginning and end, local time."""
        return ("14:00", "17:00") if self.afternoon else ("08:30", "11:30")


SESSION_MINUTES = 180


def plan(class_ref: str, sessions: int) -> list[PlannedSession]:
    """A class plan: a morning each session day, and afternoons from the second day on for what is over."""
    mornings = [(day, False) for day in SESSION_DAYS]
    afternoons = [(day, True) for day in SESSION_DAYS[1 : 1 + sessions - len(mornings)]]
    slots = sorted(mornings + afternoons)
    return [PlannedSession(f"{class_ref}-S{n:02d}", day, late) for n, (day, late) in enumerate(slots, 1)]


def sheet_day(session: PlannedSession) -> date:
    """The day on which the sheet of a session is sent."""
    return next(day for day in SHEET_DAYS if day >= session.held_on)
