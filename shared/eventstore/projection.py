"""Read models: pages of facts folded into tables, with the cursor in the same transaction.

A projection never writes facts and never sends. It may be thrown away and built anew at any time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Connection, Table

from shared.contracts.fact import Envelope, Fact
from shared.eventstore.changes import PositionKey


class Projected(NamedTuple):
    """A fact as a projection meets it. `position` is its place in the source, for `as_of`."""

    position: int
    fact: Envelope[Any]


@dataclass(frozen=True, slots=True)
class Projection:
    """One read model.

    Attributes:
        name: the question that it answers ("claims_by_stage"); its tables are named after it.
        reads: the fact classes it needs; all others are passed over undecoded.
        fold: applies a page of facts, in order, on the connection of the page's transaction. It reads and writes
            no table but its own, and names them without a schema: a rebuild folds into tables beside the live ones.
    """

    name: str
    tables: tuple[Table, ...]
    reads: tuple[type[Fact], ...]
    fold: Callable[[Connection, Sequence[Projected]], None]

    def needs(self, fact: Envelope[Any]) -> bool:
        """Whether it is to be folded."""
        return type(fact.data) in self.reads


class Source(Protocol):
    """Where facts come from, in the order in which they are folded; what was read once never changes.

    A cursor says how far: 0 where nothing is folded, then as `page` counts.
    """

    def key(self, projection: str) -> PositionKey:
        """The row of a projection's cursor."""

    def end(self, connection: Connection) -> int:
        """The cursor of a projection that has folded all that is committed."""

    def next_state(self, connection: Connection, after: int) -> bytes | None:
        """The bytes of the first fact behind a cursor, whatever they are; None where there is none."""

    def page(
        self, connection: Connection, projections: Sequence[Projection], after: int, until: int
    ) -> Sequence[Projected]:
        """The facts that any of these projections needs, from their cursor `after` to their cursor `until`.

        Raises: UnknownFactType, msgspec.MsgspecError where bytes are not the fact that they should be.
        """
