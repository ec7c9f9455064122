"""Overviews for whoever is authenticated: progress against targets, and an empty worklist."""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Query, Response
from sqlalchemy import Engine

from services.audit.api.models import PROGRESS, Worklist
from services.audit.projections.progress_by_region import progress
from shared.access.edge import Dependency
from shared.policy.book import PolicyBook


def add_views(routes: APIRouter, engine: Engine, book: PolicyBook, authenticate: Dependency) -> None:
    """Adds the table of progress."""

    @routes.get(
        "/progress", response_class=Response, responses=PROGRESS, dependencies=[Depends(authenticate)]
    )
    def show_progress(year: Annotated[int, Query(ge=2000, le=2100)] = 2024) -> Response:
        """进度表 / Each region against its target of the year, and the sum of all rows."""
        with engine.connect() as connection:
            table = progress(connection, book, year)
        return Response(msgspec.json.encode(table), media_type="application/json")


def add_worklist(routes: APIRouter, authenticate: Dependency) -> None:
    """Adds what waits for a handler."""

    @routes.get("/worklist", dependencies=[Depends(authenticate)])
    async def list_work(
        _after: Annotated[str, Query(alias="after", max_length=64)] = "",
        _limit: Annotated[int, Query(alias="limit", ge=1, le=100)] = 50,
    ) -> Worklist:
        """待办 / What waits for the handler: nothing in audit yet."""
        return Worklist(items=[], next=None)
