"""Folding the ledger's entries, in index order, into read models.

A projection sees the facts of all services. Within one service's partition they come in order; across topics the
order means nothing, so no fold may rest on it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

import msgspec
from sqlalchemy import Connection, Engine, delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError

from services.audit.projections.schema import ledger_cursors
from shared.contracts.fact import Envelope, UnknownFactType, decode, registered
from shared.eventstore.projection import Projected, Projection

log = logging.getLogger(__name__)

PAGE = 2_000

_any_fact = msgspec.json.Decoder(Envelope[msgspec.Raw])


class Logged(Protocol):
    """An entry of the ledger."""

    @property
    def index(self) -> int:
        """From 0."""

    @property
    def type(self) -> str:
        """The fact's type; "" where it has none."""

    @property
    def entry(self) -> bytes:
        """The fact's bytes."""


class Source(Protocol):
    """Where entries come from; the ledger is not imported here, so that the order of import stays one way."""

    def ledger_size(self, connection: Connection) -> int:
        """How many entries are committed."""

    def page(
        self, connection: Connection, first: int, limit: int, types: Sequence[str] | None
    ) -> Sequence[Logged]:
        """Entries with an index in [first, first + limit), in order; of these types, or all."""


class LedgerProjector:
    """Brings projections up to the ledger's size, a page at a time, each with a cursor of its own.

    A projection with empty `reads` is given every fact with its data undecoded (`msgspec.Raw`).

    Attributes:
        passed_over: entries since the start that no projection could decode, all told.
    """

    def __init__(self, engine: Engine, source: Source, projections: Sequence[Projection]) -> None:
        self.passed_over = 0
        self._engine = engine
        self._source = source
        self._projections = tuple(projections)
        self._types = {projection.name: _types(projection) for projection in projections}

    async def run(self, wait: Callable[[], Awaitable[None]]) -> None:
        """Projects for ever; an outage is waited for. `wait` returns when the log may have grown."""
        while True:
            try:
                moved = await asyncio.to_thread(self.advance)
            except DBAPIError as error:
                log.warning("projections wait", extra={"why": type(error).__name__}, exc_info=error)
                moved = 0
            if not moved:
                await wait()

    def advance(self) -> int:
        """Folds one page into each projection. Returns over how many entries they moved; 0: all are up to date."""
        return sum(self._advance(projection) for projection in self._projections)

    def rebuild(self, name: str) -> None:
        """Empties a projection; advancing fills it again with the same rows."""
        projection = next(found for found in self._projections if found.name == name)
        with self._engine.begin() as connection:
            # The cursor's row first, as advancing does: a page on its way is committed before or refused after.
            connection.execute(
                update(ledger_cursors).where(ledger_cursors.c.projection == name).values(next=0)
            )
            for table in reversed(projection.tables):
                connection.execute(delete(table))

    def behind(self) -> dict[str, int]:
        """By projection: how many entries it has yet to fold."""
        with self._engine.begin() as connection:
            size = self._source.ledger_size(connection)
            rows = connection.execute(select(ledger_cursors.c.projection, ledger_cursors.c.next))
            at: dict[str, int] = {row[0]: row[1] for row in rows}
        return {projection.name: size - at.get(projection.name, 0) for projection in self._projections}

    def _advance(self, projection: Projection) -> int:
        with self._engine.begin() as connection:
            first = _cursor(connection, projection.name)
            until = min(first + PAGE, self._source.ledger_size(connection))
            if until <= first or not _move(connection, projection.name, first, until):
                return 0
            rows = self._source.page(connection, first, until - first, self._types[projection.name])
            projection.fold(connection, self._decoded(projection, rows))
            return until - first

    def _decoded(self, projection: Projection, rows: Sequence[Logged]) -> list[Projected]:
        page = []
        for row in rows:
            fact = _fact(row, typed=bool(projection.reads))
            if fact is None:
                self.passed_over += 1
                log.error("entry passed over", extra={"projection": projection.name, "index": row.index})
            else:
                page.append(Projected(row.index, fact))
        return page


def as_of(connection: Connection, name: str) -> int:
    """How many entries of the ledger a projection has folded."""
    query = select(ledger_cursors.c.next).where(ledger_cursors.c.projection == name)
    return connection.scalar(query) or 0


def _cursor(connection: Connection, name: str) -> int:
    found = connection.scalar(select(ledger_cursors.c.next).where(ledger_cursors.c.projection == name))
    if found is None:
        connection.execute(insert(ledger_cursors).values(projection=name, next=0).on_conflict_do_nothing())
    return found or 0


def _move(connection: Connection, name: str, first: int, until: int) -> bool:
    """Compare-and-set of a cursor; False where another projector was there first."""
    here = (ledger_cursors.c.projection == name) & (ledger_cursors.c.next == first)
    return connection.execute(update(ledger_cursors).where(here).values(next=until)).rowcount == 1


def _types(projection: Projection) -> list[str] | None:
    return [entry.name for entry in registered() if entry.cls in projection.reads] or None


def _fact(row: Logged, *, typed: bool) -> Envelope[Any] | None:
    """The fact, or None where the bytes are none, or hold what PostgreSQL's text can't (NUL)."""
    try:
        fact = decode(row.entry, row.type) if typed else _any_fact.decode(row.entry)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, UnknownFactType):
        return None
    return None if b"\\u0000" in row.entry else fact
