"""Read models beside a fold of the raw facts into empty tables: live = fold = rebuild."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from psycopg import sql
from sqlalchemy import Connection, Engine, Table, create_engine, select

from services.audit.projections.catalogue import PROJECTIONS as OF_THE_LEDGER
from shared.contracts.fact import SERVICES, decode, fact_type, header
from shared.eventstore.projection import Projected, Projection
from tests.chaos.rows import Stores
from zeren.stack.local import Servers

SCRATCH = "chaos_fold"
PAGE = 2_000
FOLDING = ("enrolment", "certification", "payment")
LEDGER = "audit"

Fact = tuple[int, str, bytes]
"""Position, type, bytes."""


def differing_read_models(servers: Servers, stores: Stores) -> Iterator[str]:
    """The tables whose rows are not those that a fold of the facts gives."""
    for service in SERVICES:
        importlib.import_module(f"shared.contracts.{service}")
    for service in FOLDING:
        facts = [(row.position, row.type, row.state) for row in stores.stored if row.service == service]
        yield from _differing(servers, service, _projections(service), facts)
    entries = [(leaf.index, header(leaf.entry).type, leaf.entry) for leaf in stores.leaves]
    yield from _differing(servers, LEDGER, OF_THE_LEDGER, entries)


def _projections(service: str) -> Sequence[Projection]:
    found: Sequence[Projection] = importlib.import_module(f"services.{service}.consumers").PROJECTIONS
    assert found, f"{service} has read models"
    return found


def _differing(
    servers: Servers, service: str, projections: Sequence[Projection], facts: Sequence[Fact]
) -> Iterator[str]:
    live = create_engine(servers.postgres.url(service))
    try:
        for projection in projections:
            with _empty_database(servers) as scratch:
                _fold(scratch, projection, facts)
                with live.connect() as now, scratch.connect() as folded:
                    for table in projection.tables:
                        yield from _compare(service, table, now, folded)
    finally:
        live.dispose()


def _compare(service: str, table: Table, live: Connection, folded: Connection) -> Iterator[str]:
    shown, should = (Counter(map(repr, connection.execute(select(table)))) for connection in (live, folded))
    if shown != should:
        more, less = (shown - should).total(), (should - shown).total()
        yield (
            f"读模型与重算不符 / {service}.{table.name}: {more} rows that the facts don't give, {less} missing"
        )


def _fold(engine: Engine, projection: Projection, facts: Sequence[Fact]) -> None:
    projection.tables[0].metadata.create_all(engine, tables=projection.tables)
    for at in range(0, len(facts), PAGE):
        page = [
            Projected(position, decode(state, kind))
            for position, kind, state in facts[at : at + PAGE]
            if fact_type(kind).cls in projection.reads
        ]
        with engine.begin() as connection:
            projection.fold(connection, page)


@contextmanager
def _empty_database(servers: Servers) -> Iterator[Engine]:
    drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(SCRATCH))
    with servers.postgres.connect() as connection:
        connection.execute(drop)
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(SCRATCH)))
    engine = create_engine(servers.postgres.url(SCRATCH))
    try:
        yield engine
    finally:
        engine.dispose()
        with servers.postgres.connect() as connection:
            connection.execute(drop)
