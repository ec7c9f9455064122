"""Following the own event table for an effect outside the database, at least once: act first, then move the cursor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.dialects.postgresql import insert

from shared.contracts.fact import Envelope, Fact, decode, type_of
from shared.eventstore.changes import PositionKey
from shared.eventstore.sql import rows_of, single_statements
from shared.eventstore.store import Store
from shared.eventstore.tables import EVENTS, positions

PAGE = 500
_WANTED = """SELECT notification_id, topic, state FROM events
             WHERE notification_id > %s AND notification_id <= %s AND topic = ANY(%s)
             ORDER BY notification_id LIMIT %s"""
_STANDING = """SELECT coalesce((SELECT position FROM positions
                                WHERE consumer = %s AND source = %s AND topic = %s AND partition = %s), 0),
                      coalesce((SELECT max(notification_id) FROM events), 0)"""


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
        self._single = single_statements(engine)
        self._names = [type_of(service, cls).name for cls in reads]
        self._act = act
        self._key = PositionKey(consumer, f"{service}@{store.incarnation()}", EVENTS, 0)

    def follow_some(self) -> int:
        """Acts on one page. Returns how many facts were passed, those of other classes included."""
        with self._single.connect() as connection:
            ((after, head),) = rows_of(connection, _STANDING, tuple(self._key))
            if head <= after:
                return 0
            rows = rows_of(connection, _WANTED, (after, head, self._names, PAGE))
        if rows:
            self._act([decode(state, name) for _, name, state in rows])
        reached = rows[-1][0] if len(rows) == PAGE else head
        self._move(reached)
        return int(reached - after)

    def _move(self, position: int) -> None:
        row = {**self._key._asdict(), "position": position, "digest": b"", "kafka_offset": 0}
        moved = insert(positions).values(row)
        with self._single.connect() as connection:
            connection.execute(
                moved.on_conflict_do_update(
                    index_elements=list(positions.primary_key.columns), set_={"position": position}
                )
            )
