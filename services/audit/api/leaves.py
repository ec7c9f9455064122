"""Which leaf is which fact's, for whoever compares the ledger with Kafka and the event tables."""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Query, Response
from sqlalchemy import Engine

from services.audit.ledger import reading
from shared.access.actor import Actor
from shared.access.bearer import require
from shared.access.edge import Dependency

MOST_LEAVES = 5_000
PLAIN = r"^[\x21-\x7e]+$"
"""What a source's name is made of; PostgreSQL's text takes no NUL."""


def add_leaves(routes: APIRouter, engine: Engine, authenticate: Dependency) -> None:
    """Adds the list of leaves by where they came from."""

    @routes.get("/ledger/leaves", response_class=Response)
    def list_leaves(
        actor: Annotated[Actor, Depends(authenticate)],
        source: Annotated[str, Query(max_length=128, pattern=PLAIN)],
        partition: Annotated[int, Query(ge=0, lt=1 << 31)],
        after: Annotated[int, Query(ge=0, lt=1 << 62)] = 0,
        limit: Annotated[int, Query(ge=1, le=MOST_LEAVES)] = MOST_LEAVES,
    ) -> Response:
        """来源与分区的叶：位置与账本序号 / Position and ledger index of a source's leaves on a partition.

        Where a leaf stands is audit's own word; what it is, its bytes at that index say. `size` is the ledger's now,
        of which the published checkpoint may lack the newest. For AUDITOR and OPERATOR.
        """
        require(actor, "AUDITOR", "OPERATOR")
        with engine.connect() as connection:
            rows = reading.places(connection, source, partition, after=after, limit=limit)
            size = reading.ledger_size(connection)
        page = {"size": size, "positions": [row[0] for row in rows], "indexes": [row[1] for row in rows]}
        return Response(msgspec.json.encode(page), media_type="application/json")
