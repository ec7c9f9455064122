"""A look at a service's database for its gauges: on a connection of its own, so that a full pool hides nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import NamedTuple

from aiokafka import TopicPartition
from sqlalchemy import Connection, text

from shared.contracts.fact import recorded_at
from shared.eventstore.projector import Projector
from shared.eventstore.sql import make_engine
from shared.eventstore.tables import EVENTS
from shared.messaging.topics import facts_topic
from shared.runtime.health import OUTAGES
from shared.telemetry.metric import Metric
from shared.telemetry.metrics import Seen
from shared.telemetry.seen import (
    FOLLOWER_LAG,
    HEAD,
    PARKED_FACTS,
    PARKED_FACTS_AGE,
    PARKED_KINDS,
    PARKED_SUBMISSIONS,
    PARKED_SUBMISSIONS_AGE,
    PROJECTION_LAG_FACTS,
    PROJECTION_LAG_SECONDS,
    RELAY_AGE,
    UNSENT_FACTS,
    UNSENT_RECEIPTS,
)

log = logging.getLogger(__name__)

STATEMENT_TIMEOUT = "2s"
"""Within the bound of a look: PostgreSQL gives up before whoever asks does."""

Gauges = Callable[[Connection], Mapping[Metric, float]]
"""Further gauges of a service's own."""

Offsets = Mapping[tuple[str, TopicPartition], int]
"""By consumer and partition, the offset of the first record that it has not decided."""

_OUT = text("""
    SELECT head, cursor, (SELECT count(*) FROM receipt_outbox),
           (SELECT state FROM events WHERE notification_id > cursor ORDER BY notification_id LIMIT 1)
    FROM (SELECT (SELECT coalesce(max(notification_id), 0) FROM events) AS head,
                 (SELECT coalesce(max(cursor), 0) FROM relay WHERE topic = :topic) AS cursor) AS reached
""")
_PARKED = text("""
    SELECT CASE WHEN awaited LIKE 'operator:%' THEN 'operator' WHEN awaited LIKE 'key:%' THEN 'key'
                WHEN awaited LIKE 'receipt:%' THEN 'receipt' ELSE 'fact' END, count(*), min(logged_at)
    FROM parked GROUP BY 1
""")
_PARKED_FACTS = text("""
    SELECT count(*) FILTER (WHERE error <> ''), count(*) FILTER (WHERE error = ''), min(parked_at) FROM parked_facts
""")
_POSITIONS = text("""
    SELECT consumer, topic, partition, max(position), max(kafka_offset)
    FROM positions GROUP BY consumer, topic, partition
""")


class Rows(NamedTuple):
    """What a look saw, and how far each consumer is."""

    seen: list[Seen]
    offsets: Offsets


class DatabaseLook:
    """Looks in one thread of its own: one that hangs in a stopped database holds up no other, and no second begins."""

    def __init__(
        self, url: str, service: str, projector: Projector, followers: Sequence[str], gauges: Gauges
    ) -> None:
        """Looks at a service's own tables.

        Args:
            url: of its database.
            service: its name.
            projector: knows its read models.
            followers: consumers of its event table besides these.
            gauges: what else it tells of.
        """
        self._engine = make_engine(url, pool_size=1)
        self._topic = facts_topic(service)
        self._projector = projector
        self._followers = followers
        self._gauges = gauges
        self._thread = ThreadPoolExecutor(1, "database look")
        self._under_way: asyncio.Future[Rows] | None = None

    async def look(self, seconds: float) -> Rows | None:
        """What is there now; None where the database does not tell within so many seconds."""
        if self._under_way is not None and not self._under_way.done():
            return None
        self._under_way = asyncio.get_running_loop().run_in_executor(self._thread, self._look)
        try:
            return await asyncio.wait_for(asyncio.shield(self._under_way), seconds)
        except OUTAGES as error:
            log.debug("no look at the database", extra={"why": type(error).__name__})
            return None

    def close(self) -> None:
        """Lets the connection go."""
        self._thread.shutdown(wait=False)
        self._engine.dispose()

    def _look(self) -> Rows:
        now = datetime.now(UTC)
        with self._engine.begin() as connection:
            connection.execute(text(f"SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT}'"))
            head, cursor, receipts, unsent = connection.execute(_OUT, {"topic": self._topic}).one()
            positions = connection.execute(_POSITIONS).all()
            seen = [
                Seen(HEAD, head),
                Seen(UNSENT_FACTS, head - cursor),
                Seen(UNSENT_RECEIPTS, receipts),
                *_aged(RELAY_AGE, now, unsent),
                *self._followed(head, {row[0]: row[3] for row in positions if row[1] == EVENTS}),
                *_parked(connection, now),
                *_parked_facts(connection, now),
                *self._projected(connection, now),
                *(Seen(metric, value) for metric, value in self._gauges(connection).items()),
            ]
        offsets = {
            (consumer, TopicPartition(topic, partition)): offset + 1
            for consumer, topic, partition, _, offset in positions
        }
        return Rows(seen, offsets)

    def _followed(self, head: int, reached: Mapping[str, int]) -> Iterator[Seen]:
        for name in self._followers:
            yield Seen(FOLLOWER_LAG, max(head - reached.get(name, 0), 0), (name,))

    def _projected(self, connection: Connection, now: datetime) -> Iterator[Seen]:
        for name, behind in self._projector.lacking(connection).items():
            yield Seen(PROJECTION_LAG_FACTS, behind.facts, (name,))
            yield from _aged(PROJECTION_LAG_SECONDS, now, behind.first, name)


def _aged(metric: Metric, now: datetime, state: bytes | None, *labels: str) -> Iterator[Seen]:
    """How long ago a fact was recorded; 0 where there is none, and nothing where its bytes don't say."""
    if state is None:
        yield Seen(metric, 0.0, labels)
    elif (at := recorded_at(state)) is not None:
        yield Seen(metric, _since(now, at), labels)


def _since(now: datetime, at: datetime | None) -> float:
    return max((now - at).total_seconds(), 0.0) if at is not None else 0.0


def _parked(connection: Connection, now: datetime) -> Iterator[Seen]:
    found = {kind: (count, oldest) for kind, count, oldest in connection.execute(_PARKED)}
    for kind in PARKED_KINDS:
        count, oldest = found.get(kind, (0, None))
        yield Seen(PARKED_SUBMISSIONS, count, (kind,))
        yield Seen(PARKED_SUBMISSIONS_AGE, _since(now, oldest), (kind,))


def _parked_facts(connection: Connection, now: datetime) -> Iterator[Seen]:
    failed, behind, oldest = connection.execute(_PARKED_FACTS).one()
    yield Seen(PARKED_FACTS, failed, ("failed",))
    yield Seen(PARKED_FACTS, behind, ("behind",))
    yield Seen(PARKED_FACTS_AGE, _since(now, oldest))
