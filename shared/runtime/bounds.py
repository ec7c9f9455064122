"""What a request may be at most, judged before anything of it is decided: address, headers, body, characters."""

from collections.abc import Awaitable, Callable

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from shared.access.answers import problem

MAX_BODY_BYTES = 1_048_576
MAX_ADDRESS_BYTES = 4_096
MAX_HEADER_BYTES = 16_384
"""Of all names and values together. The server itself breaks off at 64 KiB."""

BINARY = ("/v1/traces",)
"""Paths whose body is no text, and is not kept as such."""

UNREADABLE, LENGTH_REQUIRED, TOO_LARGE, TOO_LONG, HEADERS_TOO_LARGE = 400, 411, 413, 414, 431


async def bounded(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
    """Refuses what is over a bound; a body of unknown length is not read at all."""
    status, code = _over(request)
    if not status and await _holds_nul(request):
        status, code = UNREADABLE, "request.unreadable"
    return JSONResponse(problem(code), status) if status else await call(request)


def _over(request: Request) -> tuple[int, str]:
    """The status and code of the bound that is passed; 0 and "" where none is."""
    length = request.headers.get("content-length", "0")
    if len(request.scope["query_string"]) + len(request.scope["raw_path"]) > MAX_ADDRESS_BYTES:
        return TOO_LONG, "request.address_too_long"
    if sum(len(name) + len(value) for name, value in request.scope["headers"]) > MAX_HEADER_BYTES:
        return HEADERS_TOO_LARGE, "request.headers_too_large"
    if "transfer-encoding" in request.headers:
        return LENGTH_REQUIRED, "request.length_missing"
    if not (length.isascii() and length.isdigit() and len(length) < 20) or int(length) > MAX_BODY_BYTES:
        return TOO_LARGE, "request.too_large"
    return 0, ""


async def _holds_nul(request: Request) -> bool:
    """Whether a NUL stands in the address or the body, plain or as JSON writes it: PostgreSQL's text takes none."""
    if "%00" in request.scope["raw_path"].decode("latin-1") or b"%00" in request.scope["query_string"]:
        return True
    if request.url.path in BINARY:
        return False
    body = await request.body()
    return b"\0" in body or b"\\u0000" in body
