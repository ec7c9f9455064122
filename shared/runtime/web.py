"""The HTTP surface that every service has alike: refusals as JSON, health, drain state, OpenAPI."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from shared.access.answers import problem, status_of
from shared.eventstore.businessdate import NoBusinessDayYet
from shared.eventstore.execute import WorkFailed
from shared.eventstore.store import StoreError
from shared.refusal import Refusal

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 1_048_576
CONFLICT, TOO_LARGE, FAULT, UNAVAILABLE = 409, 413, 500, 503


def application(
    title: str, routers: Sequence[APIRouter], *, ready: Callable[[], Awaitable[dict[str, Any]]],
    drained: Callable[[float], Awaitable[dict[str, Any]]],
) -> FastAPI:  # fmt: skip
    """The service's web application.

    Args:
        title: the service's name, for OpenAPI.
        routers: the service's own.
        ready: why it may not be ready, for `/health/ready`; "ready" tells.
        drained: what is still under way, for `/drain`, waiting so many seconds; "drained" tells.
    """
    app = FastAPI(title=f"Zeren {title}", version="1", docs_url="/docs", redoc_url=None)
    for router in routers:
        app.include_router(router)

    @app.middleware("http")
    async def bounded(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
        length = request.headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MAX_BODY_BYTES:
            return JSONResponse(problem("request.too_large"), TOO_LARGE)
        return await call(request)

    @app.exception_handler(Refusal)
    async def refused(_request: Request, refusal: Refusal) -> JSONResponse:
        return JSONResponse(problem(refusal.code, refusal.field), status_of(refusal.code))

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first.get("loc", ())[1:])
        return JSONResponse(problem("submission.invalid_field", field), 422)

    @app.exception_handler(StoreError)
    async def unavailable(_request: Request, error: StoreError) -> JSONResponse:
        log.warning("request not decided", extra={"why": str(error)})
        return JSONResponse(problem("service.unavailable"), UNAVAILABLE, headers={"Retry-After": "1"})

    @app.exception_handler(WorkFailed)
    async def failed(_request: Request, error: WorkFailed) -> JSONResponse:
        if isinstance(error.__cause__, NoBusinessDayYet):
            return JSONResponse(problem("businessday.not_open"), CONFLICT)
        log.error("request failed", exc_info=error)
        return JSONResponse(problem("service.fault"), FAULT)

    @app.get("/health/live")
    async def live() -> dict[str, bool]:
        """The process answers."""
        return {"live": True}

    @app.get("/health/ready")
    async def health_ready(response: Response) -> dict[str, Any]:
        """Ready to decide: database, assignment and relay are as they should be; else 503 with what is not."""
        state = await ready()
        response.status_code = 200 if state["ready"] else 503
        return state

    @app.get("/drain")
    async def drain(wait: Annotated[float, Query(ge=0, le=30)] = 0) -> dict[str, Any]:
        """What is still under way, at once or when nothing is any more, after at most `wait` seconds.

        Opening a business day waits until nothing is, in any service.
        """
        return await drained(wait)

    return app
