"""The business date (业务日期) of one service, as its own stream fixes it.

Enrolment writes `BusinessDayOpened`; every other service appends its own `BusinessDayAdopted`, so that its
position order says on which date each decision was made. Nothing here reads a wall clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from shared.contracts.enrolment import BusinessDayOpened
from shared.contracts.fact import SHANGHAI
from shared.contracts.intake import BusinessDayAdopted
from shared.decider import Decider
from shared.eventstore.changes import Reads
from shared.eventstore.desk import Draft
from shared.identity import derive_id
from shared.refusal import Refusal


class NoBusinessDayYet(RuntimeError):
    """The first business day is not open: nothing can be decided. Open it with `zeren day open`."""


class BusinessDayNotNext(Refusal):
    """Days open one after the other, none skipped, never backwards."""

    code = "businessday.not_next"


Moved = BusinessDayOpened | BusinessDayAdopted


@dataclass(frozen=True, slots=True)
class MoveDay:
    """Asks for one day to begin.

    Attributes:
        fact: `BusinessDayOpened` in enrolment, `BusinessDayAdopted` elsewhere.
    """

    fact: Moved


def _decide(command: MoveDay, day: date | None) -> list[Moved]:
    if day is not None and command.fact.date <= day:
        return []
    if day is not None and command.fact.date != day + timedelta(days=1):
        raise BusinessDayNotNext("date")
    return [command.fact]


def _evolve(_day: date | None, event: Moved) -> date | None:
    return event.date


business_day: Decider[MoveDay, date | None, Moved] = Decider(
    "business_day", None, _decide, _evolve, (BusinessDayOpened, BusinessDayAdopted)
)

STREAM = derive_id("businessday")
"""The stream has one id in every service: each has its own store."""


def business_day_reads() -> Reads:
    """What every decision reads."""
    return Reads(streams=frozenset((STREAM,)))


def business_date(draft: Draft) -> date:
    """The service's business date. Raises: NoBusinessDayYet."""
    day = draft.state(business_day, STREAM)
    if day is None:
        raise NoBusinessDayYet
    return day


def business_time(day: date, at: datetime) -> datetime:
    """A fact's `occurredat`: its business date at the local time of day of a real moment, +08:00.

    Whoever decides, institution or handler: two facts of one day stand in the order in which they came about.
    """
    return datetime.combine(day, at.astimezone(SHANGHAI).timetz())
