"""What a process answers over HTTP: its state to everyone, and in the api role the service's own routes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import uvicorn
from fastapi import APIRouter

from shared.eventstore.projector import Projector
from shared.runtime.database_look import DatabaseLook
from shared.runtime.drain import Drain
from shared.runtime.metrics_api import metrics_router
from shared.runtime.observed import Observed
from shared.runtime.readiness import Readiness
from shared.runtime.web import application
from shared.telemetry.metric import Metric
from shared.telemetry.outages import DATABASE

if TYPE_CHECKING:
    from shared.runtime.service import Context

HOST = "127.0.0.1"


class Served:
    """The state of a process in its roles, as it is served.

    Attributes:
        roles: in which it runs.
        projector: keeps its read models up to date.
    """

    def __init__(
        self,
        context: Context,
        roles: Sequence[str],
        projector: Projector,
        drain: Drain,
        look: DatabaseLook,
        at_least_lag_of: Mapping[Metric, str],
    ) -> None:
        """Reads the state of a service; see `Observed`."""
        self.roles = tuple(roles)
        self.projector = projector
        self._drain = drain
        self._readiness = Readiness(context, self.roles, projector)
        self._observed = Observed(context, self._readiness, drain, look, at_least_lag_of)

    def loop(
        self, context: Context, port: int, routers: Callable[[], Sequence[APIRouter]]
    ) -> Callable[[], Coroutine[Any, Any, None]]:
        """Serves on a port of this machine: health, drain state, metrics, and these routes."""

        async def ready() -> dict[str, Any]:
            return self._readiness.state()

        async def drained(seconds: float) -> dict[str, Any]:
            return {**await self._drain.wait(seconds), "stopped": self._readiness.stopped()}

        async def serve() -> None:
            app = application(
                context.service,
                [metrics_router(self._observed), *routers()],
                ready=ready,
                drained=drained,
                away=partial(context.servers.lost, DATABASE),
                tracing=context.tracing,
            )
            config = uvicorn.Config(
                app, host=HOST, port=port, log_config=None, access_log=False, lifespan="off"
            )
            server = uvicorn.Server(config)
            server.capture_signals = _no_signals  # type: ignore[method-assign, assignment]
            await server.serve()

        return serve

    async def close(self) -> None:
        """Lets connections go."""
        await self._drain.close()
        await self._observed.close()


def _no_signals() -> contextlib.nullcontext[None]:
    """The service stops its web server itself; uvicorn must not take the signals."""
    return contextlib.nullcontext()
