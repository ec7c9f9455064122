"""Every route of audit."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field
from sqlalchemy import Engine

from services.audit.api.claims import add_claims
from services.audit.api.log import log_router
from services.audit.api.names import Directory, Names
from services.audit.projections.progress_by_region import progress
from shared.access.actor import Actor
from shared.access.bearer import Authenticate
from shared.contracts.audit import SERVICE
from shared.eventstore.execute import Executor
from shared.policy.book import PolicyBook


class Error(BaseModel):
    """Why not: a permanent code with its texts, and the field at fault."""

    code: str = Field(examples=["action.duty_not_held"])
    zh: str = Field(examples=["您不承担该职责：请由责任人办理"])
    en: str = Field(examples=["You don't hold this duty: let its holder act"])
    field: str = Field(examples=[""])


class Worklist(BaseModel):
    """What waits for a handler. Nothing in audit does yet."""

    items: list[dict[str, str]] = Field(examples=[[]], max_length=100)
    next: str | None = Field(examples=[None])


_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": Error, "description": text}
    for status, text in (
        (401, "未登录 / not authenticated"),
        (403, "无此权限 / not entitled"),
        (404, "没有该对象 / no such thing"),
        (409, "尚未开启业务日期 / no business day is open"),
        (422, "请求不合规 / malformed or refused by a rule"),
    )
}
_REGION = {"region": "350128", "zh": "平潭", "target": 100, "enrolled": 3, "certified": 2, "paid_fen": 140000}
_PROGRESS = {"year": 2024, "regions": [_REGION], "total": {"target": 100, "enrolled": 3}, "as_of": 1204}


def router(
    executor: Executor,
    engine: Engine,
    book: PolicyBook,
    authenticate: Authenticate,
    *,
    directory: Directory,
    vkey: str,
) -> APIRouter:
    """Every route of audit.

    Args:
        executor: the service's own: readings of personal data are its facts.
        engine: of audit's database: ledger and read models.
        book: the policy in force, for targets and citations.
        authenticate: a FastAPI dependency that answers the `Actor`; /log asks nobody.
        directory: the vault, as far as audit may ask it.
        vkey: the log's verifier key.
    """
    routes = APIRouter()
    routes.include_router(log_router(engine, vkey))
    entitled = APIRouter(responses=_ERRORS, tags=[SERVICE])
    add_claims(entitled, engine, book, authenticate, Names(executor, directory))
    _add_overviews(entitled, engine, book, authenticate)
    routes.include_router(entitled)
    return routes


def _add_overviews(routes: APIRouter, engine: Engine, book: PolicyBook, authenticate: Authenticate) -> None:
    example: dict[int | str, dict[str, Any]] = {
        200: {"content": {"application/json": {"example": _PROGRESS}}, "description": "JSON"}
    }

    @routes.get("/progress", response_class=Response, responses=example)
    def show_progress(
        _actor: Annotated[Actor, Depends(authenticate)],
        year: Annotated[int, Query(ge=2000, le=2100)] = 2024,
    ) -> Response:
        """进度表 / Each region against its target of the year, and the sum of all rows."""
        with engine.connect() as connection:
            table = progress(connection, book, year)
        return Response(msgspec.json.encode(table), media_type="application/json")

    @routes.get("/worklist")
    def list_work(
        _actor: Annotated[Actor, Depends(authenticate)],
        _after: Annotated[str, Query(alias="after", max_length=64)] = "",
        _limit: Annotated[int, Query(alias="limit", ge=1, le=100)] = 50,
    ) -> Worklist:
        """待办 / What waits for the handler: nothing in audit yet."""
        return Worklist(items=[], next=None)
