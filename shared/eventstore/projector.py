"""The projector: folds pages of facts into read models, the cursor in the same transaction."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, Engine, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from shared.contracts.fact import Envelope, decode, type_of
from shared.eventstore.changes import PositionKey
from shared.eventstore.projection import Projected, Projection, Source
from shared.eventstore.store import Store
from shared.eventstore.tables import EVENTS, events, positions
from shared.telemetry.conventions import FACTS, folding
from shared.telemetry.counted import PROJECTED, TRANSACTION_SECONDS
from shared.telemetry.metrics import Metrics
from shared.telemetry.traceparent import is_sampled, well_formed
from shared.telemetry.tracing import OFF, Around, Tracing
from shared.telemetry.wire import MAX_LINKS

PAGE = 2_000

STALE_SECONDS = 15.0
"""A round takes milliseconds, and one begins at least every second."""
PROJECTION = "projection"
"""The kind of its transactions, among those that are timed."""
LOOKS = 512
"""Facts of a page that are looked at for their traces."""

_any_fact = msgspec.json.Decoder(Envelope[msgspec.Raw])


def projection_consumer(service: str, projection: str) -> str:
    """The name of a projection's position row."""
    return f"{service}.projections.{projection}"


class OwnFacts:
    """The service's own event table as a source; a cursor is the position of the last fact folded."""

    def __init__(self, service: str, store: Store) -> None:
        """Reads which incarnation the store is."""
        self._service = service
        self._source = f"{service}@{store.incarnation()}"

    def key(self, projection: str) -> PositionKey:
        """See `Source`."""
        return PositionKey(projection_consumer(self._service, projection), self._source, EVENTS, 0)

    def end(self, connection: Connection) -> int:
        """See `Source`. Commit order is position order: nothing below it is still to come."""
        return connection.scalar(select(func.max(events.c.notification_id))) or 0

    def next_state(self, connection: Connection, after: int) -> bytes | None:
        """See `Source`."""
        query = select(events.c.state).where(events.c.notification_id > after)
        return connection.scalar(query.order_by(events.c.notification_id).limit(1))

    def page(
        self, connection: Connection, projection: Projection, after: int, until: int
    ) -> Sequence[Projected]:
        """See `Source`."""
        columns = events.c
        query = select(columns.notification_id, columns.topic, columns.state)
        query = query.where(columns.notification_id > after, columns.notification_id <= until)
        if projection.reads:
            names = [type_of(self._service, cls).name for cls in projection.reads]
            query = query.where(columns.topic.in_(names))
        rows = connection.execute(query.order_by(columns.notification_id))
        if not projection.reads:
            return [Projected(position, _any_fact.decode(state)) for position, _, state in rows]
        return [Projected(position, decode(state, name)) for position, name, state in rows]


class Behind(NamedTuple):
    """How far a read model is behind: facts, and the bytes of the first that it lacks; None where it lacks none."""

    facts: int
    first: bytes | None


class Projector:
    """Keeps read models up to date, a page at a time, each with a cursor of its own.

    Blocking. Two at once are correct: a page is folded by whoever moves the cursor.
    """

    def __init__(
        self,
        engine: Engine,
        source: Source,
        projections: Sequence[Projection],
        *,
        tracing: Tracing = OFF,
        metrics: Metrics | None = None,
    ) -> None:
        """Folds what the source has into the projections' tables.

        Args:
            engine: of the database that holds the tables and the source.
            source: of the facts.
            projections: what to keep up to date.
            tracing: records a span for each page, linked to the traces of its facts.
            metrics: where it counts; some of its own where none is given.
        """
        self._engine = engine
        self._tracing = tracing
        self._source = source
        self._projections = projections
        self._metrics = metrics or Metrics("")
        self._metrics.expect(TRANSACTION_SECONDS, PROJECTION)
        for projection in projections:
            self._metrics.expect(PROJECTED, projection.name)
        self._round_ended = time.monotonic()

    def project_some(self) -> int:
        """Folds one page into each projection that is behind.

        One look tells which are: mostly none is. Returns how much was to be folded; 0: all are up to date.
        """
        with self._engine.begin() as connection:
            end, at = self._source.end(connection), self._cursors(connection)
        moved = sum(
            self._advance(each, at[each.name], end) for each in self._projections if at[each.name] < end
        )
        self._round_ended = time.monotonic()
        return moved

    def stale(self) -> bool:
        """Whether it has not got to the end of a round for long."""
        return time.monotonic() - self._round_ended > STALE_SECONDS

    def behind(self) -> dict[str, int]:
        """By projection: how much it has yet to fold."""
        with self._engine.connect() as connection:
            end = self._source.end(connection)
            return {name: max(end - at, 0) for name, at in self._cursors(connection).items()}

    def lacking(self, connection: Connection) -> dict[str, Behind]:
        """The same, with the first fact that each lacks."""
        found, end = {}, self._source.end(connection)
        for name, at in self._cursors(connection).items():
            first = self._source.next_state(connection, at) if at < end else None
            found[name] = Behind(max(end - at, 0), first)
        return found

    def _cursors(self, connection: Connection) -> dict[str, int]:
        keys = [self._source.key(each.name) for each in self._projections]
        at = cursors(connection, keys)
        return {each.name: at.get(key, 0) for each, key in zip(self._projections, keys, strict=True)}

    def _advance(self, projection: Projection, after: int, end: int) -> int:
        key = self._source.key(projection.name)
        until = min(after + PAGE, end)
        began = time.monotonic()
        with (
            Around(self._tracing, folding(projection.name)) as span,
            self._engine.begin() as connection,
        ):
            if not _move(connection, key, after, until):
                return until - after  # another was first: the next look tells how far
            page = self._source.page(connection, projection, after, until)
            if page:
                projection.fold(connection, page)
                _tell(span, page)
        self._metrics.observe(TRANSACTION_SECONDS, time.monotonic() - began, PROJECTION)
        self._metrics.add(PROJECTED, until - after, projection.name)
        return until - after


def _tell(span: Around, page: Sequence[Projected]) -> None:
    """Tells a page's span of the traces of its facts, as far as a bounded look finds them."""
    if not is_sampled(span.context):
        return
    looked_at = (each.fact.traceparent for each in page[:: -(-len(page) // LOOKS)])
    found = dict.fromkeys(one for one in looked_at if is_sampled(one) and well_formed(one))
    span.links = list(found)[:MAX_LINKS]
    span.add({FACTS: len(page)})


def cursor(connection: Connection, key: PositionKey) -> int:
    """How far a projection is; 0 before its first page."""
    return connection.scalar(select(positions.c.position).where(*_at(key))) or 0


def cursors(connection: Connection, keys: Sequence[PositionKey]) -> dict[PositionKey, int]:
    """How far each of these is; one that has no page yet is left out. One statement for all."""
    key = tuple_(*(positions.c[name] for name in PositionKey._fields))
    query = select(*(positions.c[name] for name in PositionKey._fields), positions.c.position).where(
        key.in_(keys)
    )
    return {PositionKey(*row[:-1]): row.position for row in connection.execute(query)}


def lock_cursor(connection: Connection, key: PositionKey) -> int:
    """The cursor, which nobody moves until this transaction ends: a page on its way is committed before."""
    _ensure(connection, key)
    here = select(positions.c.position).where(*_at(key)).with_for_update()
    return int(connection.execute(here).scalar_one())


def set_cursor(connection: Connection, key: PositionKey, position: int) -> None:
    """Moves a cursor that is locked."""
    connection.execute(positions.update().where(*_at(key)).values(position=position))


def _move(connection: Connection, key: PositionKey, after: int, until: int) -> bool:
    """Compare-and-set of the cursor; False where another projector was there first."""
    if after == 0:
        _ensure(connection, key)
    moved = positions.update().where(*_at(key), positions.c.position == after).values(position=until)
    return connection.execute(moved).rowcount == 1


def _ensure(connection: Connection, key: PositionKey) -> None:
    first = {**key._asdict(), "position": 0, "digest": b"", "kafka_offset": 0}
    connection.execute(insert(positions).values(first).on_conflict_do_nothing())


def _at(key: PositionKey) -> Sequence[ColumnElement[bool]]:
    return [positions.c[name] == value for name, value in key._asdict().items()]
