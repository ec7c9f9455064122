"""Read models: pages of facts folded into tables, with the cursor in the same transaction.

A projection never writes facts and never sends. It may be thrown away and rebuilt at any time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table

from shared.contracts.fact import Envelope, Fact


@dataclass(frozen=True, slots=True)
class Projected:
    """A fact as a projection meets it. `position` is its place in the source, for `as_of`."""

    position: int
    fact: Envelope[Any]


@dataclass(frozen=True, slots=True)
class Projection:
    """One read model.

    Attributes:
        name: the question that it answers ("claims_by_stage"); its tables are named after it.
        reads: the fact classes it needs; all others are passed over undecoded.
        fold: applies a page of facts, in order, on the connection of the page's transaction.
    """

    name: str
    tables: tuple[Table, ...]
    reads: tuple[type[Fact], ...]
    fold: Callable[[Connection, Sequence[Projected]], None]
