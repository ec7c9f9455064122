"""The projector: folds pages of facts into read models, the cursor in the same transaction."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, Engine, bindparam, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError

from shared.contracts.fact import decode, type_of
from shared.eventstore.changes import PositionKey
from shared.eventstore.projection import Projected, Projection, Source
from shared.eventstore.sql import rows_of, single_statements
from shared.eventstore.store import Store, Unavailable
from shared.eventstore.tables import EVENTS, events, positions
from shared.telemetry.conventions import FACTS, folding
from shared.telemetry.counted import PROJECTED, TRANSACTION_SECONDS
from shared.telemetry.metrics import Metrics
from shared.telemetry.traceparent import is_sampled, well_formed
from shared.telemetry.tracing import OFF, Around, Tracing
from shared.telemetry.wire import MAX_LINKS

log = logging.getLogger(__name__)

PAGE = 2_000

STALE_SECONDS = 15.0
"""A round takes milliseconds, and one begins at least every second."""
PROJECTION = "projection"
"""The kind of its transactions, among those that are timed."""
LOOKS = 512
"""Facts of a page that are looked at for their traces."""

_OWN = """SELECT notification_id, topic, state FROM events
          WHERE notification_id > %s AND notification_id <= %s AND topic = ANY(%s) ORDER BY notification_id"""


_KEY = [positions.c[name] for name in PositionKey._fields]
_THESE = tuple_(*_KEY).in_(bindparam("keys", expanding=True))
_CURSORS = select(*_KEY, positions.c.position).where(_THESE)
_MOVE = (
    positions.update()
    .where(_THESE, positions.c.position == bindparam("after"))
    .values(position=bindparam("until"))
    .returning(*_KEY)
)
"""Made once, as every statement of a look or a page should be, see `upsert`."""


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
        self, connection: Connection, projections: Sequence[Projection], after: int, until: int
    ) -> Sequence[Projected]:
        """See `Source`."""
        names = {type_of(self._service, cls).name for each in projections for cls in each.reads}
        rows = rows_of(connection, _OWN, [after, until, list(names)])
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
        self._single = single_statements(engine)
        self._tracing = tracing
        self._source = source
        self._projections = projections
        self._metrics = metrics or Metrics("")
        self._metrics.expect(TRANSACTION_SECONDS, PROJECTION)
        for projection in projections:
            self._metrics.expect(PROJECTED, projection.name)
        self._round_ended = time.monotonic()

    def project_some(self) -> int:
        """Folds one page into each projection that is behind; those that stand at one place share it.

        One look tells which are: mostly none is. Returns how much was to be folded; 0: all are up to date.
        """
        with self._single.connect() as connection:
            end, at = self._source.end(connection), self._cursors(connection)
        behind: dict[int, list[Projection]] = {}
        for each in self._projections:
            if at[each.name] < end:
                behind.setdefault(at[each.name], []).append(each)
        moved = sum(self._advance(here, after, end) for after, here in behind.items())
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

    def _advance(self, projections: Sequence[Projection], after: int, end: int) -> int:
        """Folds one page into all of them, or, where one of them can't, into one after the other up to that one."""
        until = min(after + PAGE, end)
        try:
            self._advance_to(projections, after, until)
        except Exception as error:
            if len(projections) == 1 or _connection_lost(error):
                raise
            log.warning("read models fold apart", extra={"why": type(error).__name__})
            for each in projections:
                self._advance_to([each], after, until)
        return until - after

    def _advance_to(self, projections: Sequence[Projection], after: int, until: int) -> None:
        began = time.monotonic()
        with self._engine.begin() as connection:
            mine = self._moved(connection, projections, after, until)
            page = self._source.page(connection, mine, after, until) if mine else []
            for each in mine:
                self._fold(connection, each, page)
        self._metrics.observe(TRANSACTION_SECONDS, time.monotonic() - began, PROJECTION)
        for each in mine:
            self._metrics.add(PROJECTED, until - after, each.name)

    def _moved(
        self, connection: Connection, projections: Sequence[Projection], after: int, until: int
    ) -> list[Projection]:
        """Those whose cursor was moved here; with the others another projector was first."""
        keys = {self._source.key(each.name): each for each in projections}
        return [keys[key] for key in _move(connection, list(keys), after, until)]

    def _fold(self, connection: Connection, projection: Projection, page: Sequence[Projected]) -> None:
        needed = [each for each in page if projection.needs(each.fact)]
        if needed:
            with Around(self._tracing, folding(projection.name)) as span:
                projection.fold(connection, needed)
                _tell(span, needed)


def _connection_lost(error: Exception) -> bool:
    """Whether nobody could have folded the page: the server is away, or has cut the connection."""
    return isinstance(error, Unavailable) or (isinstance(error, DBAPIError) and error.connection_invalidated)


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
    return {PositionKey(*row[:-1]): row.position for row in connection.execute(_CURSORS, {"keys": keys})}


def lock_cursor(connection: Connection, key: PositionKey) -> int:
    """The cursor, which nobody moves until this transaction ends: a page on its way is committed before."""
    _ensure(connection, key)
    here = select(positions.c.position).where(*_at(key)).with_for_update()
    return int(connection.execute(here).scalar_one())


def set_cursor(connection: Connection, key: PositionKey, position: int) -> None:
    """Moves a cursor that is locked."""
    connection.execute(positions.update().where(*_at(key)).values(position=position))


def _move(
    connection: Connection, keys: Sequence[PositionKey], after: int, until: int
) -> Sequence[PositionKey]:
    """Compare-and-set of cursors. Returns those that stood there: elsewhere another projector was first."""
    if after == 0:
        for key in keys:
            _ensure(connection, key)
    moved = connection.execute(_MOVE, {"keys": keys, "after": after, "until": until})
    return [PositionKey(*row) for row in moved]


def _ensure(connection: Connection, key: PositionKey) -> None:
    first = {**key._asdict(), "position": 0, "digest": b"", "kafka_offset": 0}
    connection.execute(insert(positions).values(first).on_conflict_do_nothing())


def _at(key: PositionKey) -> Sequence[ColumnElement[bool]]:
    return [positions.c[name] == value for name, value in key._asdict().items()]
