"""The worker of the intake topic, and the loop that wakes what was parked."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from aiokafka import TopicPartition
from sqlalchemy import Engine, Text, and_, func, or_, select
from sqlalchemy.sql import literal

from shared.contracts.checking import preamble
from shared.contracts.intake import Origin
from shared.eventstore.businessdate import NoBusinessDayYet
from shared.eventstore.changes import KnowKey, Move, Position, PositionKey, Reads
from shared.eventstore.execute import Executor, Work, WorkFailed
from shared.eventstore.store import StoreError, Unavailable
from shared.eventstore.tables import deadlines, parked
from shared.intake.evidence import SealedIntake
from shared.intake.handling import Handlers
from shared.intake.incoming import (
    Attributed,
    Incoming,
    Unattributable,
    attribute,
    attributed,
    claimed_key,
    read_record,
)
from shared.intake.receipt import PARKING
from shared.intake.signature import parse_jws
from shared.intake.work import ParkingDue, Quarantine, Submit, woken
from shared.messaging.consumer import Record, Stopped
from shared.messaging.wakeup import WakeUp

log = logging.getLogger(__name__)

WOKEN_AT_ONCE = 200
SOURCE = "intake"


class IntakeWorker:
    """Decides records of the intake topic. Everything on it is answered: a receipt, or quarantine."""

    def __init__(
        self, executor: Executor, handlers: Handlers, sealed: SealedIntake, parking_due: ParkingDue
    ) -> None:
        self._executor = executor
        self._handlers = handlers
        self._sealed = sealed
        self._parking_due = parking_due
        self._consumer = f"{executor.service}.intake"
        self._stored: dict[PositionKey, Position] | None = None

    def forget(self) -> None:
        """See `Decide`."""
        self._stored = None

    def overdue(self) -> tuple[()]:
        """See `Decide`. Intake records have no chain: each stands for itself."""
        return ()

    def decide(self, partition: TopicPartition, records: Sequence[Record]) -> int:
        """See `Decide`."""
        key = PositionKey(self._consumer, SOURCE, partition.topic, partition.partition)
        stored = self._position(key)
        fresh = [record for record in records if stored is None or record.offset > stored.position]
        rows = self.judge([read_record(record) for record in fresh])
        works = self._works(rows)
        while works:
            batch = fresh[len(fresh) - len(works) :]
            try:
                done = self._executor.run(works, lambda n, b=batch: [self._move(key, b[n - 1])])  # type: ignore[misc]
            except WorkFailed as error:
                self._stop(partition, batch, works, error)
                raise
            except StoreError:
                self.forget()
                raise
            self._settle(key, batch[len(done.results) - 1])
            works = works[len(done.results) :]
        return int(records[-1].offset) + 1

    def _stop(
        self,
        partition: TopicPartition,
        batch: Sequence[Record],
        works: Sequence[Work[str]],
        error: WorkFailed,
    ) -> None:
        """Decides what stands before the one that can't be decided, then stops there."""
        if isinstance(error.__cause__, NoBusinessDayYet):
            raise error.__cause__
        key = PositionKey(self._consumer, SOURCE, partition.topic, partition.partition)
        done = 0
        while done < error.index:
            before = works[done : error.index]
            rest = batch[done:]
            results = self._executor.run(before, lambda n, b=rest: [self._move(key, b[n - 1])]).results  # type: ignore[misc]
            self._settle(key, rest[len(results) - 1])
            done += len(results)
        offset = int(batch[error.index].offset)
        raise Stopped(partition, offset, f"{type(error.__cause__).__name__} at offset {offset}") from error

    def judge(self, incoming: Sequence[Incoming]) -> list[Attributed | Unattributable]:
        """Attributes a batch with the keys that are registered now."""
        wanted = frozenset(key for record in incoming if (key := claimed_key(record)))
        keys = self._executor.store.read(Reads(keys=wanted)).keys if wanted else {}
        return [attribute(record, keys, self._executor.service) for record in incoming]

    def _works(self, rows: Sequence[Attributed | Unattributable]) -> list[Work[str]]:
        persons = self._sealed.take(rows) if rows else {}
        return [
            Quarantine(row)
            if isinstance(row, Unattributable)
            else Submit(row, self._handlers, persons.get(row.incoming.origin.digest), self._parking_due)
            for row in rows
        ]

    def _position(self, key: PositionKey) -> Position | None:
        if self._stored is None:
            self._stored = self._executor.store.positions(self._consumer)
        return self._stored.get(key)

    def _move(self, key: PositionKey, last: Record) -> Move:
        stored = self._position(key)
        return Move(key, stored.position if stored else None, _at(last))

    def _settle(self, key: PositionKey, last: Record) -> None:
        assert self._stored is not None
        self._stored[key] = _at(last)

    def wake(self, rows: Sequence[ParkedRow]) -> int:
        """Decides parked submissions that are ready or overdue. Returns how many were looked at."""
        works: list[Work[str]] = []
        for row in rows:
            record = self._reopen(row)
            person = self._sealed.resolve_again(record)
            work = Submit(record, self._handlers, person, self._parking_due)
            works.append(woken(work, awaited=row.awaited, overdue=row.overdue))
        while works:
            works = works[len(self._executor.run(works).results) :]
        return len(rows)

    def _reopen(self, row: ParkedRow) -> Attributed:
        body = self._sealed.body(row.digest)
        if body is None:
            raise Unavailable(f"body of parked submission {row.digest} is not in the vault")
        jws = row.jws.encode()
        origin = Origin(
            digest=row.digest, jws=row.jws, topic=row.topic, partition=row.partition, offset=row.kafka_offset,
            logged_at=row.logged_at,
        )  # fmt: skip
        key = self._key(parse_jws(jws).key_id)
        incoming = Incoming(body, jws, origin, row.traceparent)
        return attributed(incoming, preamble(body), key, self._executor.service)

    def _key(self, key_id: str) -> KnowKey:
        return self._executor.store.read(Reads(keys=frozenset((key_id,)))).keys[key_id]


def _at(record: Record) -> Position:
    return Position(int(record.offset), b"", int(record.offset))


class ParkedRow(NamedTuple):
    """A parked submission whose wait is over, one way or the other."""

    receipt_id: UUID
    digest: str
    awaited: str
    jws: str
    topic: str
    partition: int
    kafka_offset: int
    logged_at: datetime
    traceparent: str
    overdue: bool


class ParkingLot:
    """Wakes parked submissions, in the order in which they were parked, in capped batches."""

    def __init__(self, engine: Engine, worker: IntakeWorker, wakeup: WakeUp) -> None:
        self._engine = engine
        self._worker = worker
        self._wakeup = wakeup

    async def run(self) -> None:
        """Wakes for ever."""
        while True:
            try:
                if not await asyncio.to_thread(self.wake_some):
                    await self._wakeup.wait()
            except (StoreError, WorkFailed) as error:
                log.warning("parked submissions wait", extra={"why": str(error)}, exc_info=error)
                await self._wakeup.wait()

    def wake_some(self) -> int:
        """Wakes one batch. Returns how many there were. Blocks."""
        with self._engine.begin() as connection:
            rows = [ParkedRow(*row) for row in connection.execute(_due(WOKEN_AT_ONCE))]
        return self._worker.wake(rows) if rows else 0


def _due(limit: int) -> Any:
    name = parked.c.receipt_id.cast(Text) + "/" + parked.c.digest
    overdue = func.coalesce(deadlines.c.marked, literal(value=False))
    return (
        select(
            parked.c.receipt_id, parked.c.digest, parked.c.awaited, parked.c.jws, parked.c.topic, parked.c.partition,
            parked.c.kafka_offset, parked.c.logged_at, parked.c.traceparent, overdue,
        )
        .outerjoin(deadlines, and_(deadlines.c.kind == PARKING, deadlines.c.key == name))
        .where(or_(parked.c.ready, overdue))
        .order_by(parked.c.seq)
        .limit(limit)
    )  # fmt: skip
