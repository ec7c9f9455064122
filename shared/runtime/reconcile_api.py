"""HTTP reads for reconciliation: what the event table holds, by position and digest, for whoever compares it."""

import base64
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Response

from shared.access.actor import Actor
from shared.access.bearer import require
from shared.contracts.fact import header
from shared.messaging.topics import partition_of
from shared.tlog.hashing import leaf_hash

if TYPE_CHECKING:
    from shared.runtime.service import Context

MOST_ROWS = 5_000
UNREADABLE = -1
"""Stands for the partition of a row whose bytes are no fact: it was altered, a service writes none such."""

_PAGE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "事件表一页 / a page of the event table",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}


def reconcile_router(context: "Context") -> APIRouter:
    """The route over the event table."""
    router = APIRouter(tags=["kernel"])

    @router.get("/events/digests", response_class=Response, responses=_PAGE)
    def event_digests(
        actor: Annotated[Actor, Depends(context.authenticate)],
        after: Annotated[int, Query(ge=0, lt=1 << 62)] = 0,
        limit: Annotated[int, Query(ge=0, le=MOST_ROWS)] = MOST_ROWS,
    ) -> Response:
        """事件表的位置、分区与摘要 / Position, facts partition and digest of each row after a position.

        `digests`: base64 of 32 bytes a row, the RFC 6962 leaf hash of the row's bytes, as the ledger has it.
        `source` and `head` are those of the whole table; limit 0 asks for them alone. For AUDITOR and OPERATOR.
        """
        require(actor, "AUDITOR", "OPERATOR")
        store = context.store
        head = store.head()
        rows = store.page(after, limit) if limit else ()
        page = {
            "source": f"{context.service}@{store.incarnation()}",
            "head": head,
            "positions": [row.position for row in rows],
            "partitions": [_partition(row.state) for row in rows],
            "digests": base64.b64encode(b"".join([leaf_hash(row.state) for row in rows])).decode(),
        }
        return Response(msgspec.json.encode(page), media_type="application/json")

    return router


def _partition(state: bytes) -> int:
    try:
        return partition_of(header(state).partitionkey)
    except (msgspec.MsgspecError, UnicodeError):
        return UNREADABLE
