"""Adopting the business day that enrolment opened."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from shared.contracts.enrolment import BusinessDayOpened
from shared.contracts.fact import Circumstances, Encoded, Envelope, type_of
from shared.contracts.intake import BusinessDayAdopted
from shared.eventstore.businessdate import STREAM, MoveDay, business_day
from shared.eventstore.changes import Effect, MarkDeadlines
from shared.eventstore.desk import Draft

OPENED = type_of("enrolment", BusinessDayOpened).name


def adopt(fact: Envelope[Any], draft: Draft) -> None:
    """Appends this service's own `BusinessDayAdopted`.

    A reaction of `ForeignFacts`, registered under `OPENED`. A day that is adopted already changes nothing.
    """
    opened: BusinessDayOpened = fact.data
    given = Circumstances(
        occurredat=fact.occurredat,
        businessdate=opened.date,
        actor=f"system:{draft.service}",
        duty="SYSTEM",
        region=fact.region,
        correlationid=fact.correlationid,
        causationid=fact.id,
        traceparent=fact.traceparent,
    )
    moved = MoveDay(BusinessDayAdopted(date=opened.date, working=opened.working))
    draft.execute(business_day, STREAM, moved, given)


def adopted_effects(fact: Encoded) -> Iterable[Effect]:
    """A day that begins marks the deadlines up to the day before."""
    if isinstance(fact.data, BusinessDayAdopted):
        yield MarkDeadlines(fact.data.date - timedelta(days=1))
