"""The log's files (c2sp.org/tlog-tiles), for anyone with network access: checking needs no login.

Entries are facts, which hold no personal data, only random ids; in this release they are open as well.
"""

import gzip
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Path, Response
from fastapi.responses import PlainTextResponse
from sqlalchemy import Engine

from services.audit.ledger import reading
from shared.tlog.errors import MalformedPath
from shared.tlog.tiles import BundleRef, parse_path

IMMUTABLE = "public, max-age=31536000, immutable"
NEWEST = "public, max-age=1"
OCTETS = "application/octet-stream"
GZIP_LEVEL = 1
"""Facts shrink to a fifth already at the fastest level."""

TilePath = Annotated[
    str, Path(max_length=64, description="散列块路径 / c2sp.org/tlog-tiles", examples=["0/000"])
]
_MISSING: dict[int | str, dict[str, Any]] = {
    404: {"content": {"text/plain": {}}, "description": "账本没有该资源 / the ledger does not have it"}
}
_BYTES = _MISSING | {200: {"content": {OCTETS: {}}, "description": "二进制 / octets"}}
_NOT_LEDGERED: dict[int | str, dict[str, Any]] = {
    404: {
        "content": {"application/json": {"schema": {"type": "object"}}},
        "description": "尚未入账 / not ledgered, or no such path",
    }
}


def router(engine: Engine, vkey: str) -> APIRouter:
    """The routes under /log.

    Args:
        engine: of audit's database.
        vkey: the log's verifier key.
    """
    routes = APIRouter(prefix="/log", tags=["log"])
    _add_head(routes, engine, vkey)
    _add_tiles(routes, engine)
    return routes


def _add_head(routes: APIRouter, engine: Engine, vkey: str) -> None:
    @routes.get("/checkpoint", response_class=PlainTextResponse, responses=_MISSING)
    def checkpoint() -> Response:
        """账本检查点 / The newest published checkpoint, signed (c2sp.org/tlog-checkpoint)."""
        with engine.connect() as connection:
            note = reading.published_note(connection)
        return _missing() if note is None else PlainTextResponse(note, headers={"Cache-Control": NEWEST})

    @routes.get("/vkey", response_class=PlainTextResponse)
    def verifier_key() -> Response:
        """账本验证公钥 / The log's verifier key. Whoever checks should have it from elsewhere than this server."""
        return PlainTextResponse(vkey, headers={"Cache-Control": NEWEST})

    @routes.get("/index/{fact_id}", responses=_NOT_LEDGERED)
    def index(fact_id: UUID, response: Response) -> dict[str, int]:
        """事实在账本中的序号 / Where a fact stands; a hint only, a proof tells. Empty with 404: not ledgered."""
        with engine.connect() as connection:
            found = reading.index_of(connection, fact_id)
        response.headers["Cache-Control"] = "no-store"
        if found is None:
            response.status_code = 404
            return {}
        return {"index": found}


def _add_tiles(routes: APIRouter, engine: Engine) -> None:
    @routes.get("/tile/entries/{path:path}", response_class=Response, responses=_BYTES)
    def entries(path: TilePath, accept_encoding: Annotated[str, Header(max_length=1_000)] = "") -> Response:
        """记录包 / An entry bundle of up to 256 entries; gzip where it is accepted."""
        bundle = _resource(engine, f"tile/entries/{path}")
        if bundle is None:
            return _missing()
        headers = {"Cache-Control": IMMUTABLE, "Vary": "Accept-Encoding"}
        if _accepts_gzip(accept_encoding):
            headers["Content-Encoding"] = "gzip"
            bundle = gzip.compress(bundle, GZIP_LEVEL, mtime=0)
        return Response(bundle, media_type=OCTETS, headers=headers)

    @routes.get("/tile/{path:path}", response_class=Response, responses=_BYTES)
    def tile(path: TilePath) -> Response:
        """散列块 / A Merkle tile: up to 256 hashes of 32 bytes."""
        hashes = _resource(engine, f"tile/{path}")
        if hashes is None:
            return _missing()
        return Response(hashes, media_type=OCTETS, headers={"Cache-Control": IMMUTABLE})


def _resource(engine: Engine, path: str) -> bytes | None:
    try:
        ref = parse_path(path)
    except MalformedPath:
        return None
    with engine.connect() as connection:
        if isinstance(ref, BundleRef):
            return reading.read_bundle(connection, ref)
        return reading.read_tile(connection, ref)


def _missing() -> Response:
    """Not there yet, or never: a cache must ask again."""
    text = "账本没有该资源 / the ledger does not have it\n"
    return PlainTextResponse(text, 404, headers={"Cache-Control": "no-store"})


def _accepts_gzip(accept_encoding: str) -> bool:
    for offer in accept_encoding.lower().split(","):
        coding, _, quality = offer.partition(";")
        if coding.strip() == "gzip":
            return quality.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
