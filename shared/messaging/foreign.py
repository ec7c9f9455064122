"""Foreign facts: taken in chain order, kept as their own bytes, followed by what the service's policies say."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from aiokafka import TopicPartition
from sqlalchemy import Engine

from shared.contracts.fact import Envelope, Fact, decode, type_of
from shared.eventstore.businessdate import NoBusinessDayYet, business_day_reads
from shared.eventstore.changes import AlsoKnownAs, Effect, KnowFact, Move, ParkFact, Reads, UnparkFact
from shared.eventstore.desk import Draft
from shared.eventstore.execute import Done, Executor, Work, WorkFailed
from shared.eventstore.sql import single_statements
from shared.messaging.consumer import Batches, Next, ReadAgain, Stopped
from shared.messaging.links import Link, Links
from shared.messaging.parked_facts import Foreign, discarding, keys_to_take, parked_rows
from shared.messaging.wakeup import REST_SECONDS, WakeUp
from shared.telemetry.conventions import committing, processing, transaction
from shared.telemetry.counted import BATCH_SECONDS, BATCH_UNITS, FACTS_PARKED, FOREIGN_FACTS
from shared.telemetry.tracing import OFF, Batch, Hop, Tracing

log = logging.getLogger(__name__)

TAKEN_AT_ONCE = 200

Policy = Callable[[Envelope[Any]], Sequence[Effect | AlsoKnownAs]]
Policies = Mapping[type[Fact], Policy]
"""By foreign fact: what follows besides knowing it."""

Reaction = Callable[[Envelope[Any], Draft], None]
"""A foreign fact that makes this service decide something itself (the adopted business day)."""


def learn(draft: Draft, fact: Envelope[Any], state: bytes, policy: Policy) -> None:
    """Stages that a foreign fact is known, as its own bytes, and what follows from it."""

    def known(subject: str) -> KnowFact:
        return KnowFact(fact.type, subject, fact.streamversion, state)

    draft.stage(known(fact.subject))
    for effect in policy(fact):
        draft.stage(known(effect.subject) if isinstance(effect, AlsoKnownAs) else effect)


@dataclass(frozen=True, slots=True)
class Adopt:
    """Takes one foreign fact in, unless one of its key is parked: then it waits behind.

    Attributes:
        batch: whose spans it belongs to; it answers the one of its own trace.
    """

    fact: Foreign
    policy: Policy | None
    reaction: Reaction | None
    batch: Batch

    def reads(self, _draft: Draft) -> Reads:
        """The business date and what is parked; a reaction finds what else it needs."""
        return business_day_reads() | Reads(blocked=frozenset((self.fact.consumer,)))

    def perform(self, draft: Draft) -> Hop | None:
        """Keeps the bytes, then what follows from them. What nobody here needs is passed over undecoded."""
        if self.policy is None and self.reaction is None:
            return None
        if draft.blocked(self.fact.consumer, self.fact.key):
            draft.stage(self.fact.parked(draft.now))
            return None
        return self.take(draft)

    def take(self, draft: Draft) -> Hop | None:
        """Takes it in, whatever is parked; what a reaction decides carries the context of the answered span."""
        name, state = self.fact.type, self.fact.state
        fact = decode(state, name)
        hop = self.batch.of(self.fact.hop or fact.traceparent)
        if self.policy is not None:
            learn(draft, fact, state, self.policy)
        if self.reaction is not None:
            caused = fact if hop is None else msgspec.structs.replace(fact, traceparent=hop.context)
            self.reaction(caused, draft)
        return hop


@dataclass(frozen=True, slots=True)
class ParkFailed:
    """Parks a fact that can't be taken in; one that two people gave up already is passed over."""

    adopt: Adopt
    cause: BaseException

    def reads(self, _draft: Draft) -> Reads:
        """What was decided about it, and what is parked."""
        fact = self.adopt.fact
        return Reads(streams=frozenset((fact.id,)), blocked=frozenset((fact.consumer,)))

    def perform(self, draft: Draft) -> None:
        """Stages the parked row."""
        fact = self.adopt.fact
        if not draft.state(discarding, fact.id).over:
            draft.blocked(fact.consumer, fact.key)
            draft.stage(fact.parked(draft.now, self.cause))


@dataclass(frozen=True, slots=True)
class TakeParked:
    """Takes in a fact that was parked, in its turn."""

    adopt: Adopt

    def reads(self, draft: Draft) -> Reads:
        """As when it was new."""
        return self.adopt.reads(draft)

    def perform(self, draft: Draft) -> Hop | None:
        """Takes it in and ends its wait."""
        fact = self.adopt.fact
        draft.blocked(fact.consumer, fact.key)
        hop = self.adopt.take(draft)
        draft.stage(UnparkFact(fact.id, fact.consumer, fact.key))
        return hop


class ForeignFacts:
    """The worker of a `BatchConsumer` on facts topics."""

    def __init__(
        self,
        consumer: str,
        executor: Executor,
        policies: Mapping[str, Policies],
        reactions: Mapping[str, Reaction] | None = None,
        *,
        tracing: Tracing = OFF,
    ) -> None:
        """Takes what the service follows.

        Args:
            consumer: the name of the position rows, "payment.policies".
            executor: decides and writes.
            policies: by source service, by fact class.
            reactions: by fact name.
            tracing: records a span for each trace whose facts are taken in.
        """
        self._consumer = consumer
        self._tracing = tracing
        self._executor = executor
        self._metrics = executor.metrics
        for metric in (FOREIGN_FACTS, FACTS_PARKED):
            self._metrics.expect(metric, consumer)
        self._policies = {
            type_of(service, cls).name: policy
            for service, rows in policies.items()
            for cls, policy in rows.items()
        }
        self._reactions = dict(reactions or {})
        self._links = Links(consumer, executor.store.positions)

    def forget(self) -> None:
        """See `Decide`."""
        self._links.forget()

    def resume(self, partition: TopicPartition) -> int:
        """See `Decide`."""
        return self._links.resume(partition)

    def overdue(self) -> list[Stopped | ReadAgain]:
        """See `Decide`."""
        return self._links.overdue()

    def other_logs(self, _ends: Mapping[TopicPartition, int]) -> tuple[()]:
        """See `Decide`. The chain says what was taken, whatever the offsets."""
        return ()

    def decide(self, batches: Batches) -> Mapping[TopicPartition, Next]:
        """See `Decide`. Whatever fails after links were taken drops them: the database says where to go on."""
        try:
            return self._decide(batches)
        except BaseException:
            self.forget()
            raise

    def _decide(self, batches: Batches) -> Mapping[TopicPartition, Next]:
        taken = self._links.take_all(batches)
        links = [link for one in taken.values() for link in one.links]
        if any(map(self._needed, links)):
            self._write_all(links)
        else:
            self._pass_over(self._links.moves(links))
        self._metrics.add(FOREIGN_FACTS, len(links), self._consumer)
        self._pass_over(self._links.passed_over(taken.values()))
        return self._links.after(batches, taken)

    def _pass_over(self, moves: Sequence[Move]) -> None:
        if moves:
            began = time.monotonic()
            self._executor.store.move(moves)
            self._links.settle(moves)
            self._metrics.observe(BATCH_SECONDS, time.monotonic() - began)
            self._metrics.observe(BATCH_UNITS, 0)

    def _write_all(self, links: Sequence[Link]) -> None:
        """Takes them in, in order; one that can't be is parked in its place, and the partition flows on."""
        with self._batch(links[0][0].topic) as batch:
            needed = [number for number, link in enumerate(links) if self._needed(link)]
            works: list[Work[Hop | None]] = [self._adopt(links[number], batch) for number in needed]
            ends = [*needed[1:], len(links)]  # a unit's turn is over where the next one's begins
            while True:
                try:
                    done = self._write(links, works, ends, batch)
                except WorkFailed as error:
                    works[error.index] = parked_instead(works[error.index], error)
                    self._metrics.add(FACTS_PARKED, 1, self._consumer)
                    continue
                works, ends = works[done:], ends[done:]
                if not works:
                    return

    def _batch(self, topic: str) -> Batch:
        return Batch(self._tracing, committing(topic, self._consumer), processing(topic, self._consumer))

    def _write(
        self, links: Sequence[Link], works: Sequence[Work[Hop | None]], ends: Sequence[int], batch: Batch
    ) -> int:
        """Writes as many units as fit one transaction, and all positions before the next unit. Returns how many."""
        moves: list[Move] = []

        def move(done: int) -> list[Move]:
            moves[:] = self._links.moves(links[: ends[done - 1]])
            return moves

        written = self._executor.run(works, move)
        self._links.settle(moves)
        _tell(batch, written)
        return len(written.results)

    def _needed(self, link: Link) -> bool:
        name = link[1].headers.type
        return name in self._policies or name in self._reactions

    def _adopt(self, link: Link, batch: Batch) -> Adopt:
        at, linked = link
        record, headers = linked.record, linked.headers
        key = (record.key or b"").decode("utf-8", "replace")
        return self._adopt_fact(
            Foreign(
                self._consumer, key, at.source, at.topic, at.partition, headers.position, linked.offset,
                headers.type, record.value, headers.hop,
            ),
            batch,
        )  # fmt: skip

    def _adopt_fact(self, fact: Foreign, batch: Batch) -> Adopt:
        return Adopt(fact, self._policies.get(fact.type), self._reactions.get(fact.type), batch)

    def take_parked(self, engine: Engine, key: str) -> int:
        """Tries the parked facts of a key again, in order, up to the next that fails. Returns how many went in.

        Blocks. Whoever parks behind them meanwhile is seen by the re-check and taken as well.
        """
        went_in = 0
        while rows := parked_rows(engine, self._consumer, key=key, limit=TAKEN_AT_ONCE):
            with self._batch(rows[0].topic) as batch:
                adopts = [self._adopt_fact(_foreign(row), batch) for row in rows]
                works: list[Work[Hop | None]] = [TakeParked(adopt) for adopt in adopts]
                try:
                    went_in += self._take(works, batch)
                except WorkFailed as error:
                    if error.index:
                        went_in += self._take(works[: error.index], batch)
                    self._executor.run([parked_instead(works[error.index], error)])
                    return went_in
        return went_in

    def _take(self, works: Sequence[Work[Hop | None]], batch: Batch) -> int:
        written = self._executor.run(works)
        _tell(batch, written)
        return len(written.results)

    async def run_parked(self, engine: Engine, wakeup: WakeUp) -> None:
        """Takes in, for ever, what waits behind nothing any more: its first was settled in mid-way."""
        single = single_statements(engine)

        async def look() -> bool:
            for key in await asyncio.to_thread(keys_to_take, single, self._consumer):
                await asyncio.to_thread(self.take_parked, engine, key)
            return False

        await wakeup.keep_looking(look, rest=REST_SECONDS)


def _tell(batch: Batch, written: Done[Hop | None]) -> None:
    """Adds a transaction to the batch's spans."""
    for hop in written.results:
        if hop is not None:
            hop.count += 1
    batch.add(transaction(len(written.results), sum(written.facts), written.conflicts, written.seconds))


def parked_instead(work: Work[Hop | None], error: WorkFailed) -> ParkFailed:
    """What is done instead of a unit that failed. Raises: NoBusinessDayYet: it must wait, not park."""
    cause = error.__cause__
    if isinstance(cause, NoBusinessDayYet):
        raise cause
    if cause is None or not isinstance(work, Adopt | TakeParked):
        raise error
    adopt = work if isinstance(work, Adopt) else work.adopt
    fact = adopt.fact
    log.error(
        "foreign fact parked",
        extra={"parked_fact": fact.id, "type": fact.type, "source": fact.source, "position": fact.position},
        exc_info=cause,
    )
    return ParkFailed(adopt, cause)


def _foreign(row: ParkFact) -> Foreign:
    return Foreign(
        row.consumer, row.key, row.source, row.topic, row.partition, row.position, row.kafka_offset, row.type,
        row.state,
    )  # fmt: skip
