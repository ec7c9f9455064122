"""Business days: opened here, read by every service."""

import asyncio
from datetime import date, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response

from services.enrolment.api.edge import Asked, Dependency, Edge
from services.enrolment.api.models import BusinessDay, DaysOpened, OpenDays
from services.enrolment.domain.business_day import days_to_open
from shared.access.commands import SHANGHAI, Commanded
from shared.contracts.fact import Circumstances
from shared.eventstore.businessdate import STREAM, MoveDay, business_day, business_day_reads
from shared.eventstore.changes import Reads
from shared.eventstore.desk import Draft
from shared.policy.book import PolicyBook

DAY = "DAY"
PROVINCE = "350000"


def add_routes(routes: APIRouter, edge: Edge, asked_by: Dependency, handler: Dependency) -> None:
    """Adds the opening of days and the look at the clock."""

    @routes.post("/business-days", response_model=DaysOpened, tags=["business days"])
    async def open_days(body: OpenDays, asked: Annotated[Asked, Depends(asked_by)]) -> Response:
        """Opens business days (duty DAY), one fact each. Days opened already change nothing.

        Open several at once only where no deadline lies between: what waits is judged on the last of them.
        """
        await edge.demand(asked, DAY, action="OpenBusinessDay", subject=STREAM)

        def decide(draft: Draft, commanded: Commanded) -> dict[str, Any]:
            facts = _open(draft, commanded, body.through, edge.book)
            return {"date": draft.state(business_day, STREAM), "facts": facts}

        return await edge.run(asked, decide)

    @routes.get("/business-day", tags=["business days"], dependencies=[Depends(handler)])
    async def get_business_day() -> BusinessDay:
        """The business date as the store has it now, not as a read model saw it."""
        done = await asyncio.to_thread(edge.executor.run, [_Today()])
        today = done.results[0]
        return BusinessDay(date=today, next=today + timedelta(days=1) if today else None)


def _open(draft: Draft, commanded: Commanded, through: date, book: PolicyBook) -> list[str]:
    """Stages the days, each decided on its own date: the first has no business date before it."""
    facts: list[str] = []
    for opened in days_to_open(draft.state(business_day, STREAM), through, book):
        given = Circumstances(
            occurredat=commanded.now.astimezone(SHANGHAI),
            businessdate=opened.date,
            actor=commanded.actor.name,
            duty=DAY,
            region=PROVINCE,
            correlationid=STREAM,
            causationid=commanded.causation_id,
            traceparent=commanded.traceparent,
        )
        facts += draft.execute(business_day, STREAM, MoveDay(opened), given)
    return facts


class _Today:
    """A unit of work that only looks."""

    def reads(self, _draft: Draft) -> Reads:
        return business_day_reads()

    def perform(self, draft: Draft) -> date | None:
        return draft.state(business_day, STREAM)
