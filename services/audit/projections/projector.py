"""The ledger's entries, in index order, as what audit's read models are folded from.

A projection sees the facts of all services. Within one service's partition they come in order; across topics the
order means nothing, so no fold may rest on it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Protocol

import msgspec
from sqlalchemy import Connection, select

from shared.contracts.audit import SERVICE
from shared.contracts.fact import Envelope, UnknownFactType, decode, registered
from shared.eventstore.changes import PositionKey
from shared.eventstore.projection import Projected, Projection
from shared.eventstore.projector import projection_consumer
from shared.eventstore.tables import positions

log = logging.getLogger(__name__)

LEDGER = "ledger"
_BIGINT_END = 1 << 63


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


class Log(Protocol):
    """The ledger itself; it is not imported here, so that the order of import stays one way."""

    def ledger_size(self, connection: Connection) -> int:
        """How many entries are committed."""

    def page(
        self, connection: Connection, first: int, limit: int, types: Sequence[str] | None = None
    ) -> Sequence[Logged]:
        """Entries with an index in [first, first + limit), in order; of these types, or all."""


class LedgerFacts:
    """The ledger as a source of facts; a cursor is how many entries were folded.

    Attributes:
        passed_over: entries that hold no such fact as they should, each counted every time it is met.
    """

    def __init__(self, ledger: Log) -> None:
        """Reads this ledger."""
        self._ledger = ledger
        self.passed_over = 0

    def key(self, projection: str) -> PositionKey:
        """See `Source`."""
        return PositionKey(projection_consumer(SERVICE, projection), LEDGER, LEDGER, 0)

    def end(self, connection: Connection) -> int:
        """See `Source`."""
        return self._ledger.ledger_size(connection)

    def next_state(self, connection: Connection, after: int) -> bytes | None:
        """See `Source`."""
        return next((row.entry for row in self._ledger.page(connection, after, 1)), None)

    def page(
        self, connection: Connection, projections: Sequence[Projection], after: int, until: int
    ) -> Sequence[Projected]:
        """See `Source`. Whatever anybody sent is in the ledger: what is no fact is passed over and counted."""
        read = {cls for each in projections for cls in each.reads}
        types = [entry.name for entry in registered() if entry.cls in read]
        found = []
        for row in self._ledger.page(connection, after, until - after, types):
            fact = _fact(row)
            if fact is None:
                self.passed_over += 1
                log.error("entry passed over", extra={"index": row.index})
            else:
                found.append(Projected(row.index, fact))
        return found


def as_of(connection: Connection, name: str) -> int:
    """How many entries of the ledger a projection has folded."""
    here = positions.c.consumer == projection_consumer(SERVICE, name)
    return connection.scalar(select(positions.c.position).where(here)) or 0


def _fact(row: Logged) -> Envelope[Any] | None:
    """The fact, or None where the bytes are none, or hold what PostgreSQL's text can't (NUL)."""
    try:
        fact = decode(row.entry, row.type)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, UnknownFactType):
        return None
    return fact if _fits(fact) and b"\\u0000" not in row.entry else None


def _fits(fact: Envelope[Any]) -> bool:
    """Whether what every read model keeps of an envelope has a place in PostgreSQL's types."""
    return fact.occurredat.tzinfo is not None and 0 < fact.streamversion < _BIGINT_END
