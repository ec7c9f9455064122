"""The projector: folds pages of the own event table into read models, the cursor in the same transaction."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Engine

from shared.contracts.fact import decode, type_of
from shared.eventstore.changes import Position, PositionKey, Stored
from shared.eventstore.projection import Projected, Projection
from shared.eventstore.store import Store
from shared.eventstore.tables import EVENTS, positions

PAGE = 2_000


def projection_consumer(service: str, projection: Projection) -> str:
    """The name of a projection's position row."""
    return f"{service}.projections.{projection.name}"


class Projector:
    """Keeps one service's read models. Blocking; one at a time a projection, others lose the compare-and-set."""

    def __init__(self, service: str, store: Store, engine: Engine, projections: Sequence[Projection]) -> None:
        self._service = service
        self._store = store
        self._engine = engine
        self._projections = projections
        self._source = f"{service}@{store.incarnation()}"

    def project_some(self) -> int:
        """Folds one page into each projection. Returns how many facts the longest page had."""
        return max((self._page(projection) for projection in self._projections), default=0)

    def _key(self, projection: Projection) -> PositionKey:
        return PositionKey(projection_consumer(self._service, projection), self._source, EVENTS, 0)

    def _cursor(self, projection: Projection) -> int:
        key = self._key(projection)
        stored = self._store.positions(key.consumer).get(key)
        return stored.position if stored else 0

    def _page(self, projection: Projection) -> int:
        cursor = self._cursor(projection)
        rows = self._store.page(cursor, PAGE)
        if rows:
            with self._engine.begin() as connection:
                if self._advance(connection, self._key(projection), cursor, rows[-1].position):
                    projection.fold(connection, self._wanted(projection, rows))
        return len(rows)

    def _wanted(self, projection: Projection, rows: Sequence[Stored]) -> list[Projected]:
        names = {type_of(self._service, cls).name for cls in projection.reads}
        return [Projected(row.position, decode(row.state, row.type)) for row in rows if row.type in names]

    def _advance(self, connection: Connection, key: PositionKey, cursor: int, new: int) -> bool:
        """Compare-and-set of the cursor; False where another projector was there first."""
        new_row = Position(new, b"", 0)
        if cursor == 0:
            from_start = positions.insert().values(**key._asdict(), **new_row._asdict())
            connection.execute(from_start)
            return True
        where = [positions.c[name] == value for name, value in key._asdict().items()]
        moved = positions.update().where(*where, positions.c.position == cursor).values(**new_row._asdict())
        return connection.execute(moved).rowcount == 1
