"""The worker of the intake topic, and the loop that wakes what was parked."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
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
from shared.eventstore.sql import single_statements
from shared.eventstore.store import StoreError, Unavailable
from shared.eventstore.tables import deadlines, parked
from shared.intake.evidence import SealedIntake
from shared.intake.forgotten import Forgotten
from shared.intake.handling import Handlers, ResolvedPerson
from shared.intake.incoming import (
    Attributed,
    Incoming,
    Unattributable,
    attribute,
    attributed,
    claimed_key,
    read_record,
)
from shared.intake.keys import KEY_AWAITED
from shared.intake.receipt import PARKING
from shared.intake.signature import parse_jws
from shared.intake.traced import IntakeSpans, Traced
from shared.intake.unsettled import (
    KEY_UNKNOWN,
    AfterWaiting,
    AwaitKey,
    AwaitOperator,
)
from shared.intake.work import ParkingDue, Quarantine, Submit, woken
from shared.messaging.consumer import Batches, Next, ReadAgain, Record, Stopped
from shared.messaging.topics import intake_topic
from shared.messaging.wakeup import REST_SECONDS, WakeUp
from shared.telemetry.counted import RECEIPTS
from shared.telemetry.tracing import OFF, Tracing, now

log = logging.getLogger(__name__)

WOKEN_AT_ONCE = 200
PORTION_BYTES = 2_000_000
"""Of records that are judged together, for several transactions: decoded they take ten times as much until they are
decided, and a poll behind a backlog brings 20 MB."""
SOURCE = "intake"


class IntakeWorker:
    """Decides records of the intake topic. Everything on it is answered: a receipt, or quarantine."""

    def __init__(
        self,
        executor: Executor,
        handlers: Handlers,
        sealed: SealedIntake,
        parking_due: ParkingDue,
        *,
        tracing: Tracing = OFF,
    ) -> None:
        self._executor = executor
        self._handlers = handlers
        self._sealed = sealed
        self._parking_due = parking_due
        self._consumer = f"{executor.service}.intake"
        self._tracing = tracing
        self._spans = IntakeSpans(tracing, self._consumer)
        self._stored: dict[PositionKey, Position] | None = None
        self._read_again: set[tuple[TopicPartition, int]] = set()
        self._begun_again: set[TopicPartition] = set()

    def forget(self) -> None:
        """See `Decide`."""
        self._stored = None
        self._begun_again.clear()

    def overdue(self) -> tuple[()]:
        """See `Decide`. Intake records have no chain: each stands for itself."""
        return ()

    def other_logs(self, ends: Mapping[TopicPartition, int]) -> list[ReadAgain]:
        """See `Decide`. What was decided before stands in the receipts' streams: it is answered by what is stored."""
        return [
            self._begin_again(partition, f"it ends at {end}, decided was up to {resume - 1}")
            for partition, end in ends.items()
            if end < (resume := self.resume(partition))
        ]

    def _begin_again(self, partition: TopicPartition, why: str) -> ReadAgain:
        self._begun_again.add(partition)
        return ReadAgain(partition, 0, f"not the log that was decided: {why}")

    def _in_another_log(self, partition: TopicPartition, records: Sequence[Record]) -> ReadAgain | None:
        """Whether what stands where the last decided record stood is another one: the topic was made anew."""
        stored = self._positions().get(self._key_of(partition))
        if stored is None or not stored.digest or partition in self._begun_again:
            return None
        if not records[0].offset <= stored.position <= records[-1].offset:
            return None
        there = next((one for one in records if one.offset == stored.position), None)
        if there is None or _digest(there) == stored.digest:
            return None
        return self._begin_again(partition, f"another record at offset {stored.position}")

    def decide(self, batches: Batches) -> Mapping[TopicPartition, Next]:
        """See `Decide`."""
        following: dict[TopicPartition, Next] = {}
        fresh: dict[TopicPartition, list[Record]] = {}
        for partition, records in batches.items():
            if again := self._in_another_log(partition, records):
                following[partition] = again
                continue
            fresh[partition] = self._fresh(partition, records)
            following[partition] = int(records[-1].offset) + 1
            if gap := self._gap(partition, fresh[partition]):
                following[partition] = gap
                del fresh[partition]
        return following | self._decide_fresh(fresh)

    def _decide_fresh(self, fresh: Mapping[TopicPartition, list[Record]]) -> dict[TopicPartition, Stopped]:
        """Decides what was not decided yet. Returns partitions that stop: a unit there could not even be parked."""
        try:
            self._decide_records([record for records in fresh.values() for record in records])
        except WorkFailed as error:
            if len(fresh) > 1:
                return self._decide_apart(fresh)
            (partition,) = fresh
            at = self.resume(partition)
            why = f"{type(error.__cause__).__name__} at or after offset {at}"
            return {partition: Stopped(partition, at, why)}
        except StoreError:
            self.forget()
            raise
        return {}

    def _decide_apart(self, fresh: Mapping[TopicPartition, list[Record]]) -> dict[TopicPartition, Stopped]:
        """Partition after partition, so that only the one that fails stops."""
        stopped: dict[TopicPartition, Stopped] = {}
        for partition, records in fresh.items():
            stopped |= self._decide_fresh({partition: self._fresh(partition, records)})
        return stopped

    def _fresh(self, partition: TopicPartition, records: Sequence[Record]) -> list[Record]:
        resume = self.resume(partition)
        return [record for record in records if record.offset >= resume]

    def _decide_records(self, records: Sequence[Record]) -> None:
        for portion in _portions(records):
            start = now()
            rows = self.judge([read_record(record, self._tracing) for record in portion])
            self._decide_all(self._works(rows), self._spans.fresh(rows), start, portion)

    def _decide_all(
        self,
        works: list[Work[str]],
        spans: Sequence[Traced | None],
        start: int,
        records: Sequence[Record] = (),
    ) -> None:
        """Decides all, in order, in as many transactions as it takes; one that fails is parked in its place."""
        topic = intake_topic(self._executor.service)
        moves: list[Move] = []

        def move(done: int) -> list[Move]:
            moves[:] = self._moves(records[:done])
            return moves

        while works:
            try:
                with self._spans.committing(topic) as batch:
                    written = self._executor.run(works, move)
                    self._spans.record(batch, spans, written, start)
            except WorkFailed as error:
                works[error.index] = _parked_instead(works[error.index], error)
                continue
            self._count(written.results)
            self._settle(moves)
            done = len(written.results)
            works, records, spans = works[done:], records[done:], spans[done:]

    def _count(self, outcomes: Sequence[str]) -> None:
        for outcome, times in Counter(outcomes).items():
            self._executor.metrics.add(RECEIPTS, times, outcome)

    def resume(self, partition: TopicPartition) -> int:
        """See `Decide`."""
        stored = self._positions().get(self._key_of(partition))
        return stored.position + 1 if stored and partition not in self._begun_again else 0

    def _gap(self, partition: TopicPartition, fresh: Sequence[Record]) -> ReadAgain | None:
        """Kafka's committed offset is a hint: after a restore it is ahead of the position row, which decides.

        What is gone from the topic (retention) can't be read again: it is asked for once, then gone on without.
        """
        resume = self.resume(partition)
        if not fresh or fresh[0].offset <= resume or (partition, resume) in self._read_again:
            return None
        self._read_again.add((partition, resume))
        return ReadAgain(
            partition, resume, f"offsets {resume} to {fresh[0].offset - 1} were not decided here"
        )

    def judge(self, incoming: Sequence[Incoming]) -> list[Attributed | Unattributable]:
        """Attributes a batch with the keys that are registered now."""
        wanted = frozenset(key for record in incoming if (key := claimed_key(record)))
        keys = self._executor.store.read(Reads(keys=wanted)).keys if wanted else {}
        return [attribute(record, keys, self._executor.service) for record in incoming]

    def _works(self, rows: Sequence[Attributed | Unattributable]) -> list[Work[str]]:
        persons = self._sealed.take(rows) if rows else {}
        return [self._work(row, persons.get(row.incoming.origin.digest)) for row in rows]

    def _work(self, row: Attributed | Unattributable, person: ResolvedPerson | None) -> Work[str]:
        if isinstance(row, Attributed):
            return Submit(row, self._handlers, person, self._parking_due)
        return AwaitKey(row, self._parking_due) if row.code == KEY_UNKNOWN else Quarantine(row)

    def _key_of(self, partition: TopicPartition) -> PositionKey:
        return PositionKey(self._consumer, SOURCE, partition.topic, partition.partition)

    def _positions(self) -> dict[PositionKey, Position]:
        if self._stored is None:
            self._stored = self._executor.store.positions(self._consumer)
        return self._stored

    def _moves(self, records: Sequence[Record]) -> list[Move]:
        newest = {self._key_of(TopicPartition(one.topic, one.partition)): one for one in records}
        stored = self._positions()
        return [
            Move(key, stored[key].position if key in stored else None, _at(one))
            for key, one in newest.items()
        ]

    def _settle(self, moves: Sequence[Move]) -> None:
        self._positions().update({move.key: move.new for move in moves})
        self._begun_again -= {TopicPartition(move.key.topic, move.key.partition) for move in moves}

    def wake(self, rows: Sequence[ParkedRow]) -> int:
        """Decides parked submissions that are ready or overdue. Returns how many were looked at."""
        start = now()
        works: list[Work[str]] = []
        spans: list[Traced | None] = []
        for row in rows:
            context = self._tracing.child(row.traceparent)
            works.append(self._woken(row, context))
            spans.append(self._spans.woken(row.origin, row.submission_type, context, row.traceparent))
        self._decide_all(works, spans, start)
        return len(rows)

    def _woken(self, row: ParkedRow, context: str) -> Work[str]:
        """The unit of a parked row, in the trace in which it was parked."""
        body = self._sealed.body(row.digest)
        if body is None:
            return self._forgotten(row, context)
        incoming = Incoming(body, row.jws.encode(), row.origin, context, row.traceparent)
        if row.awaited.startswith(KEY_AWAITED):
            return self._with_key(row, incoming)
        assert incoming.jws is not None
        key = self._key(parse_jws(incoming.jws).key_id)
        record = attributed(incoming, preamble(incoming.value), key, self._executor.service)
        work = Submit(record, self._handlers, self._sealed.resolve_again(record), self._parking_due)
        return woken(work, awaited=row.awaited, overdue=row.overdue)

    def _with_key(self, row: ParkedRow, incoming: Incoming) -> Work[str]:
        """What waited for its key is judged anew; past its deadline without one it is quarantined."""
        (judged,) = self.judge([incoming])
        if isinstance(judged, Unattributable):
            if judged.code == KEY_UNKNOWN and not row.overdue:
                return AwaitKey(judged, self._parking_due, again=True)
            return AfterWaiting(Quarantine(judged), str(row.receipt_id), row.digest)
        person = self._sealed.take([judged]).get(row.digest)
        submit = Submit(judged, self._handlers, person, self._parking_due)
        return AfterWaiting(submit, str(row.receipt_id), row.digest)

    def _forgotten(self, row: ParkedRow, traceparent: str) -> Forgotten:
        if not self._sealed.erased(row.digest):
            raise Unavailable(f"body of parked submission {row.digest} is not in the vault")
        return Forgotten(
            str(row.receipt_id), row.institution, row.submission_id, row.submission_type, row.origin,
            traceparent,
        )  # fmt: skip

    def _key(self, key_id: str) -> KnowKey:
        return self._executor.store.read(Reads(keys=frozenset((key_id,)))).keys[key_id]


def _parked_instead(work: Work[str], error: WorkFailed) -> Work[str]:
    """What is done instead of a unit that failed. Raises: NoBusinessDayYet: it must wait; WorkFailed: it can't park."""
    cause = error.__cause__
    if isinstance(cause, NoBusinessDayYet):
        raise cause
    if cause is None or not isinstance(work, Submit):
        raise error
    log.error("submission parked for an operator", extra={"receipt": work.record.receipt_id}, exc_info=cause)
    return AwaitOperator(work, cause)


def _portions(records: Sequence[Record]) -> Iterator[Sequence[Record]]:
    first = size = 0
    for after, record in enumerate(records, 1):
        size += len(record.value or b"")
        if size >= PORTION_BYTES:
            yield records[first:after]
            first, size = after, 0
    if first < len(records):
        yield records[first:]


def _at(record: Record) -> Position:
    return Position(int(record.offset), _digest(record), int(record.offset))


def _digest(record: Record) -> bytes:
    return sha256(record.value or b"").digest()


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
    institution: str = ""
    submission_id: str = ""
    submission_type: str = ""

    @property
    def origin(self) -> Origin:
        """Where it came from, as its receipt will say."""
        return Origin(
            digest=self.digest, jws=self.jws, topic=self.topic, partition=self.partition,
            offset=self.kafka_offset, logged_at=self.logged_at,
        )  # fmt: skip


class ParkingLot:
    """Wakes parked submissions, in the order in which they were parked, in capped batches."""

    def __init__(self, engine: Engine, worker: IntakeWorker, wakeup: WakeUp) -> None:
        self._single = single_statements(engine)
        self._worker = worker
        self._wakeup = wakeup

    async def run(self) -> None:
        """Wakes for ever. Raises: Unavailable: whoever keeps it up begins again."""
        await self._wakeup.keep_looking(self._look, rest=REST_SECONDS)

    async def _look(self) -> bool:
        try:
            return bool(await asyncio.to_thread(self.wake_some))
        except WorkFailed as error:
            log.warning("parked submissions wait", extra={"why": str(error)}, exc_info=error)
            return False

    def wake_some(self) -> int:
        """Wakes one batch. Returns how many there were. Blocks."""
        with self._single.connect() as connection:
            rows = [ParkedRow(*row) for row in connection.execute(_due(WOKEN_AT_ONCE))]
        return self._worker.wake(rows) if rows else 0


def _due(limit: int) -> Any:
    name = parked.c.receipt_id.cast(Text) + "/" + parked.c.digest
    overdue = func.coalesce(deadlines.c.marked, literal(value=False))
    return (
        select(
            parked.c.receipt_id, parked.c.digest, parked.c.awaited, parked.c.jws, parked.c.topic, parked.c.partition,
            parked.c.kafka_offset, parked.c.logged_at, parked.c.traceparent, overdue, parked.c.institution,
            parked.c.submission_id, parked.c.submission_type,
        )
        .outerjoin(deadlines, and_(deadlines.c.kind == PARKING, deadlines.c.key == name))
        .where(or_(parked.c.ready, overdue))
        .order_by(parked.c.seq)
        .limit(limit)
    )  # fmt: skip
