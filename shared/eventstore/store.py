"""What a store promises; `sql` keeps it on PostgreSQL, `memory` in a dict, one suite of behaviours judges both.

StoreError
├── Conflict        something this batch read has changed: read again, decide again
├── PositionMoved   another worker moved the position: read positions, seek, go on
└── Unavailable     an outage or a lock timeout: wait and try the same batch again
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from shared.eventstore.changes import Changes, Committed, Found, Move, Position, PositionKey, Reads, Stored


class StoreError(Exception):
    """A batch that was not written. Nothing of it is in the database."""


class Conflict(StoreError):
    """What the batch rests on is no longer so.

    Attributes:
        streams: those that changed; a cache must drop them. Empty where it was something else.
        head: the event table's head now.
    """

    def __init__(self, why: str, streams: frozenset[str] = frozenset(), head: int = 0) -> None:
        super().__init__(why)
        self.streams = streams
        self.head = head


class PositionMoved(StoreError):
    """A compare-and-set of a position failed: another worker decided these records."""


class Unavailable(StoreError):
    """The database is away, or a lock was not to be had in time."""


class Store(Protocol):
    """One service's store. Every method blocks; call them from a worker thread."""

    def incarnation(self) -> UUID:
        """Which store wrote the positions; a restored or new one differs."""

    def head(self) -> int:
        """The highest position; 0 where the table is empty."""

    def read(self, reads: Reads) -> Found:
        """Reads without locks. Take `head` first: what is read is at least that new."""

    def changed_since(self, seen: int, most: int) -> tuple[int, frozenset[str]] | None:
        """The head, and the streams appended to after `seen`; None where those are more than `most` facts."""

    def commit(self, changes: Changes) -> Committed:
        """Writes all or nothing. Raises: Conflict, PositionMoved, Unavailable."""

    def move(self, moves: Sequence[Move]) -> None:
        """Moves positions past records from which nothing follows. Raises: PositionMoved, Unavailable.

        A crash of the server may take it back: they are then read again, and passed over again.
        """

    def page(self, after: int, limit: int) -> Sequence[Stored]:
        """Facts with a position above `after`, in order."""

    def positions(self, consumer: str) -> dict[PositionKey, Position]:
        """Where a consumer stands."""
