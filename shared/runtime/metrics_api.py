"""`GET /metrics`: what Prometheus scrapes. It holds no id and no name, so it asks for no token."""

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse

from shared.runtime.observed import Observed
from shared.telemetry.metrics import CONTENT_TYPE


def metrics_router(observed: Observed) -> APIRouter:
    """The one route."""
    router = APIRouter(tags=["kernel"])

    @router.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Counts and states of this process in Prometheus' text format, also while servers are away."""
        return Response(await observed.text(), media_type=CONTENT_TYPE)

    return router
