"""Business days: opened here, read by every service."""

from datetime import date, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from services.enrolment.api.models import BusinessDay, DaysOpened, OpenDays
from services.enrolment.domain.business_day import days_to_open
from shared.access.commands import Commanded
from shared.access.edge import Asked, Dependency, Edge, Reply
from shared.contracts.fact import PROVINCE
from shared.eventstore.businessdate import STREAM, MoveDay, business_day
from shared.eventstore.desk import Draft
from shared.policy.book import PolicyBook

DAY = "DAY"


def add_routes(routes: APIRouter, edge: Edge, asked_by: Dependency, handler: Dependency) -> None:
    """Adds the opening of days and the look at the clock."""

    @routes.post("/business-days", response_model=DaysOpened, tags=["business days"])
    async def open_days(body: OpenDays, asked: Annotated[Asked, Depends(asked_by)]) -> Response:
        """Opens business days (duty DAY), one fact each. Days opened already change nothing.

        Open several at once only where no deadline lies between: what waits is judged on the last of them.
        """
        await edge.demand(asked, DAY, action="OpenBusinessDay", subject=STREAM)

        def decide(draft: Draft, commanded: Commanded) -> Reply:
            facts = _open(draft, commanded, body.through, edge.book)
            return Reply({"date": draft.state(business_day, STREAM), "facts": facts})

        return await edge.run_undated(asked, decide)

    @routes.get("/business-day", tags=["business days"], dependencies=[Depends(handler)])
    async def get_business_day() -> BusinessDay:
        """The business date as the store has it now, not as a read model saw it."""
        today = await edge.today()
        return BusinessDay(date=today, next=today + timedelta(days=1) if today else None)


def _open(draft: Draft, commanded: Commanded, through: date, book: PolicyBook) -> list[str]:
    """Stages the days, each decided on its own date: the first has no business date before it."""
    facts: list[str] = []
    for opened in days_to_open(draft.state(business_day, STREAM), through, book):
        given = commanded.given_on(opened.date, region=PROVINCE, correlation=STREAM, duty=DAY)
        facts += draft.execute(business_day, STREAM, MoveDay(opened), given)
    return facts
