"""Following the own event table for an effect outside the database, at least once: act first, then move the cursor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.dialects.postgresql import insert

from shared.contracts.fact import Envelope, Fact, decode, type_of
from shared.eventstore.changes import PositionKey
from shared.eventstore.store import Store
from shared.eventstore.tables import EVENTS, positions

PAGE = 500


class Follower:
    """One follower. What it does must be harmless when done twice: a crash repeats the last page."""

    def __init__(
        self,
        consumer: str,
        store: Store,
        engine: Engine,
        reads: Sequence[type[Fact]],
        act: Callable[[Sequence[Envelope[Any]]], None],
    ) -> None:
        """Follows facts of these classes.

        Args:
            consumer: the name of its position row, "payment.bank".
            store: of the facts.
            engine: of the same database.
            reads: the classes that it acts on.
            act: blocks; what it raises keeps the cursor where it is.
        """
        service = consumer.partition(".")[0]
        self._store = store
        self._engine = engine
        self._names = {type_of(service, cls).name for cls in reads}
        self._act = act
        self._key = PositionKey(consumer, f"{service}@{store.incarnation()}", EVENTS, 0)

    def follow_some(self) -> int:
        """Acts on one page. Returns how many facts it had."""
        stored = self._store.positions(self._key.consumer).get(self._key)
        rows = self._store.page(stored.position if stored else 0, PAGE)
        wanted = [decode(row.state, row.type) for row in rows if row.type in self._names]
        if wanted:
            self._act(wanted)
        if rows:
            self._move(rows[-1].position)
        return len(rows)

    def _move(self, position: int) -> None:
        row = {**self._key._asdict(), "position": position, "digest": b"", "kafka_offset": 0}
        moved = insert(positions).values(row)
        with self._engine.begin() as connection:
            connection.execute(
                moved.on_conflict_do_update(
                    index_elements=list(positions.primary_key.columns), set_={"position": position}
                )
            )
