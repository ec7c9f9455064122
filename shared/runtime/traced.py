"""A span for each HTTP request: its route's template and its status, never its path, query, headers or body."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.access.edge import CONTEXT
from shared.telemetry.conventions import STATUS, serving
from shared.telemetry.traceparent import HEADER
from shared.telemetry.tracing import Tracing, now

SILENT = ("/health/", "/drain", "/metrics", "/v1/traces")
"""Asked all the time by machines; and spans about the taking in of spans would never end."""
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"))
OTHER_METHOD = "_OTHER"
FAULTS = 500
"""From this status on it is the server's fault: an error of the span."""


class TracedRequests:
    """ASGI middleware: the request's context stands in its scope, for the facts that it leads to."""

    def __init__(self, app: ASGIApp, tracing: Tracing) -> None:
        self._app = app
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http" or not self._tracing.on or scope["path"].startswith(SILENT):
            await self._app(scope, receive, send)
            return
        parent, start, status = _parent(scope), now(), 0
        context = scope[CONTEXT] = self._tracing.child(parent)

        async def answering(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        error = ""
        try:
            await self._app(scope, receive, answering)
        except BaseException as raised:
            error, status = type(raised).__name__, status or FAULTS  # answered further out
            raise
        finally:
            method = scope["method"] if scope["method"] in METHODS else OTHER_METHOD
            self._tracing.record(
                serving(method, getattr(scope.get("route"), "path", "")), context, start=start, parent=parent,
                attributes={STATUS: status} if status else {}, error=error or (str(status) if status >= FAULTS else ""),
            )  # fmt: skip


def _parent(scope: Scope) -> str:
    """The header as text; several, or one that is no ASCII, are none."""
    found = [value for name, value in scope["headers"] if name == HEADER.encode()]
    return found[0].decode() if len(found) == 1 and found[0].isascii() else ""
