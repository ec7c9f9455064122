"""The HTTP surface that every service has alike: refusals as JSON, health, drain state, OpenAPI."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any

from aiokafka.errors import KafkaError
from fastapi import APIRouter, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError

from shared.access.answers import problem, status_of
from shared.eventstore.businessdate import NoBusinessDayYet
from shared.eventstore.execute import WorkFailed
from shared.eventstore.store import StoreError
from shared.refusal import Refusal
from shared.vault.errors import VaultUnavailable

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 1_048_576
INVALID, CONFLICT, LENGTH_REQUIRED, TOO_LARGE, FAULT, UNAVAILABLE = 422, 409, 411, 413, 500, 503

State = dict[str, Any]


def application(
    title: str,
    routers: Sequence[APIRouter],
    *,
    ready: Callable[[], Awaitable[State]],
    drained: Callable[[float], Awaitable[State]],
) -> FastAPI:
    """The service's web application; `/openapi.json` describes it.

    Args:
        title: the service's name, for OpenAPI.
        routers: the service's own.
        ready: why it may not be ready, for `/health/ready`; "ready" tells.
        drained: what is still under way, for `/drain`, waiting so many seconds; "drained" tells.
    """
    app = FastAPI(title=f"Zeren {title}", version="1", docs_url=None, redoc_url=None)
    for router in routers:
        app.include_router(router)
    app.middleware("http")(_bounded)
    app.exception_handler(Refusal)(_refused)
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(StoreError)(_unavailable)
    for outage in (VaultUnavailable, KafkaError, DBAPIError):
        app.exception_handler(outage)(_unavailable)
    app.exception_handler(WorkFailed)(_failed)
    _add_health(app, ready, drained)
    return app


async def _bounded(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
    """Refuses a body over the bound before it is read; one of unknown length is not read either."""
    if "transfer-encoding" in request.headers:
        return JSONResponse(problem("request.length_missing"), LENGTH_REQUIRED)
    length = request.headers.get("content-length", "0")
    if not length.isdigit() or int(length) > MAX_BODY_BYTES:
        return JSONResponse(problem("request.too_large"), TOO_LARGE)
    return await call(request)


async def _refused(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refusal)
    return JSONResponse(problem(error.code, error.field), status_of(error.code))


async def _invalid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    place = error.errors()[0].get("loc", ())
    return JSONResponse(
        problem("submission.invalid_field", ".".join(str(part) for part in place[1:])), INVALID
    )


async def _unavailable(_request: Request, error: Exception) -> JSONResponse:
    log.warning("request not decided", extra={"why": type(error).__name__})
    return JSONResponse(problem("service.unavailable"), UNAVAILABLE, headers={"Retry-After": "1"})


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
