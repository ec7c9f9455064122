"""The HTTP surface that every service has alike: refusals as JSON, health, drain state, OpenAPI."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any

from aiokafka.errors import KafkaError
from fastapi import APIRouter, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DataError, DBAPIError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from shared.access.answers import problem, status_of
from shared.eventstore.businessdate import NoBusinessDayYet
from shared.eventstore.execute import WorkFailed
from shared.eventstore.store import StoreError
from shared.refusal import Refusal
from shared.runtime.bounds import UNREADABLE, bounded
from shared.runtime.openapi import document
from shared.runtime.traced import TracedRequests
from shared.telemetry.tracing import OFF, Tracing
from shared.vault.errors import VaultUnavailable

log = logging.getLogger(__name__)

INVALID, CONFLICT, TOO_MANY, FAULT, UNAVAILABLE = 422, 409, 429, 500, 503
SOON = {"Retry-After": "1"}
OWN_STATE = ("/health/", "/metrics")
"""What tells of the process itself: answered whatever is away."""
_BY_THE_FRAMEWORK = {404: "request.unknown_path", 405: "request.method_not_allowed"}

State = dict[str, Any]
Call = Callable[[Request], Awaitable[Response]]
Middleware = Callable[[Request, Call], Awaitable[Response]]


def application(
    title: str,
    routers: Sequence[APIRouter],
    *,
    ready: Callable[[], Awaitable[State]],
    drained: Callable[[float], Awaitable[State]],
    away: Callable[[], bool] = lambda: False,
    tracing: Tracing = OFF,
) -> FastAPI:
    """The service's web application; `/openapi.json` describes it.

    Args:
        title: the service's name, for OpenAPI.
        routers: the service's own.
        ready: why it may not be ready, for `/health/ready`; "ready" tells.
        drained: what is still under way, for `/drain`, waiting so many seconds; "drained" tells.
        away: whether the database has not answered for long: then nobody is made to wait for it.
        tracing: records a span for each request, but those of `SILENT` paths.
    """
    app = FastAPI(title=f"Zeren {title}", version="1", docs_url=None, redoc_url=None)
    for router in routers:
        app.include_router(router)
    app.middleware("http")(bounded)
    app.middleware("http")(_answered_without(away))
    app.add_middleware(TracedRequests, tracing=tracing)
    app.exception_handler(Refusal)(_refused)
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(StoreError)(_unavailable)
    for outage in (VaultUnavailable, KafkaError, DBAPIError, PoolTimeout):
        app.exception_handler(outage)(_unavailable)
    for fault in (WorkFailed, DataError, ProgrammingError, Exception):
        app.exception_handler(fault)(_failed)
    app.exception_handler(HTTPException)(_not_taken)
    _add_health(app, ready, drained)
    document(app)
    return app


async def _not_taken(_request: Request, error: Exception) -> JSONResponse:
    """What the framework refuses by itself: no such path or method, a body that is none."""
    assert isinstance(error, HTTPException)
    code = _BY_THE_FRAMEWORK.get(error.status_code, "request.unreadable")
    status = error.status_code if error.status_code in _BY_THE_FRAMEWORK else UNREADABLE
    return JSONResponse(problem(code), status, headers=error.headers)


def _answered_without(away: Callable[[], bool]) -> Middleware:
    """Answers 503 at once while the database is away, but for the process's own state."""

    async def answered(request: Request, call: Call) -> Response:
        if away() and not request.url.path.startswith(OWN_STATE):
            return JSONResponse(problem("service.unavailable"), UNAVAILABLE, headers=SOON)
        return await call(request)

    return answered


async def _refused(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refusal)
    status = status_of(error.code)
    return JSONResponse(
        problem(error.code, error.field), status, headers=SOON if status == TOO_MANY else None
    )


async def _invalid(_request: Request, error: Exception) -> JSONResponse:
    """Where the first fault is; a superfluous field is told by what it stands in, for its name is the sender's."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = first["loc"][1:-1] if first["type"] == "extra_forbidden" else first["loc"][1:]
    return JSONResponse(problem("submission.invalid_field", ".".join(str(part) for part in place)), INVALID)


async def _unavailable(_request: Request, error: Exception) -> JSONResponse:
    log.warning("request not decided", extra={"why": type(error).__name__})
    return JSONResponse(problem("service.unavailable"), UNAVAILABLE, headers=SOON)


async def _failed(_request: Request, error: Exception) -> JSONResponse:
    if isinstance(error.__cause__, NoBusinessDayYet):
        return JSONResponse(problem("businessday.not_open"), CONFLICT)
    log.error("request failed", exc_info=error)
    return JSONResponse(problem("service.fault"), FAULT)


def _add_health(
    app: FastAPI, ready: Callable[[], Awaitable[State]], drained: Callable[[float], Awaitable[State]]
) -> None:
    @app.get("/health/live")
    async def live() -> dict[str, bool]:
        """The process answers."""
        return {"live": True}

    @app.get("/health/ready")
    async def health_ready(response: Response) -> State:
        """Ready to decide: database, assignment and relay are as they should be; else 503 with what is not."""
        state = await ready()
        response.status_code = 200 if state["ready"] else UNAVAILABLE
        return state

    @app.get("/drain")
    async def drain(wait: Annotated[float, Query(ge=0, le=30)] = 0) -> State:
        """What is still under way, at once or when nothing is any more, after at most `wait` seconds.

        Opening a business day waits until nothing is, in any service.
        """
        return await drained(wait)
