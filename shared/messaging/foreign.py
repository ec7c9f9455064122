"""Foreign facts: taken in chain order, kept as their own bytes, followed by what the service's policies say."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import TopicPartition
from sqlalchemy import Engine

from shared.contracts.fact import Envelope, Fact, decode, type_of
from shared.eventstore.businessdate import NoBusinessDayYet, business_day_reads
from shared.eventstore.changes import AlsoKnownAs, Effect, KnowFact, ParkFact, Reads, UnparkFact
from shared.eventstore.desk import Draft
from shared.eventstore.execute import Executor, Work, WorkFailed
from shared.messaging.consumer import ReadAgain, Record, Stopped
from shared.messaging.links import Link, Links
from shared.messaging.parked_facts import Foreign, discarding, keys_to_take, parked_rows
from shared.messaging.wakeup import WakeUp

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
    """Takes one foreign fact in, unless one of its key is parked: then it waits behind."""

    fact: Foreign
    policy: Policy | None
    reaction: Reaction | None

    def reads(self, _draft: Draft) -> Reads:
        """The business date and what is parked; a reaction finds what else it needs."""
        return business_day_reads() | Reads(blocked=frozenset((self.fact.consumer,)))

    def perform(self, draft: Draft) -> None:
        """Keeps the bytes, then what follows from them. What nobody here needs is passed over undecoded."""
        if self.policy is None and self.reaction is None:
            return
        if draft.blocked(self.fact.consumer, self.fact.key):
            draft.stage(self.fact.parked(draft.now))
        else:
            self.take(draft)

    def take(self, draft: Draft) -> None:
        """Takes it in, whatever is parked."""
        name, state = self.fact.type, self.fact.state
        fact = decode(state, name)
        if self.policy is not None:
            learn(draft, fact, state, self.policy)
        if self.reaction is not None:
            self.reaction(fact, draft)


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

    def perform(self, draft: Draft) -> None:
        """Takes it in and ends its wait."""
        fact = self.adopt.fact
        draft.blocked(fact.consumer, fact.key)
        self.adopt.take(draft)
        draft.stage(UnparkFact(fact.id, fact.consumer, fact.key))


class ForeignFacts:
    """The worker of a `BatchConsumer` on facts topics."""

    def __init__(
        self,
        consumer: str,
        executor: Executor,
        policies: Mapping[str, Policies],
        reactions: Mapping[str, Reaction] | None = None,
    ) -> None:
        """Takes what the service follows.

        Args:
            consumer: the name of the position rows, "payment.policies".
            executor: decides and writes.
            policies: by source service, by fact class.
            reactions: by fact name.
        """
        self._consumer = consumer
        self._executor = executor
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

    def decide(self, partition: TopicPartition, records: Sequence[Record]) -> int:
        """See `Decide`. Whatever fails after links were taken drops them: the database says where to go on."""
        try:
            return self._decide(partition, records)
        except BaseException:
            self.forget()
            raise

    def _decide(self, partition: TopicPartition, records: Sequence[Record]) -> int:
        taken = self._links.take(partition, records)
        self._write_all(taken.links)
        if taken.broken is not None:
            raise taken.broken
        if repeats := self._links.passed_over(taken):
            self._executor.run([], lambda _none: repeats)
            self._links.settle_moves(repeats)
        return self._links.following(partition, records)

    def _write_all(self, links: Sequence[Link]) -> None:
        """Takes them in, in order; one that can't be is parked in its place, and the partition flows on."""
        works: list[Work[None]] = [self._adopt(link) for link in links]
        while works:
            try:
                done = self._write(links, works)
            except WorkFailed as error:
                works[error.index] = parked_instead(works[error.index], error)
                continue
            links, works = links[done:], works[done:]

    def _write(self, links: Sequence[Link], works: Sequence[Work[None]]) -> int:
        """Writes the first of them that fit one transaction. Returns how many."""
        done = len(self._executor.run(works, lambda n: self._links.moves(links[:n])).results)
        self._links.settle(links[:done])
        return done

    def _adopt(self, link: Link) -> Adopt:
        at, linked = link
        record, headers = linked.record, linked.headers
        key = (record.key or b"").decode("utf-8", "replace")
        return self._adopt_fact(
            Foreign(
                self._consumer, key, at.source, at.topic, at.partition, headers.position, linked.offset,
                headers.type, record.value,
            )
        )  # fmt: skip

    def _adopt_fact(self, fact: Foreign) -> Adopt:
        return Adopt(fact, self._policies.get(fact.type), self._reactions.get(fact.type))

    def take_parked(self, engine: Engine, key: str) -> int:
        """Tries the parked facts of a key again, in order, up to the next that fails. Returns how many went in.

        Blocks. Whoever parks behind them meanwhile is seen by the re-check and taken as well.
        """
        went_in = 0
        while rows := parked_rows(engine, self._consumer, key=key, limit=TAKEN_AT_ONCE):
            works: list[Work[None]] = [TakeParked(self._adopt_fact(_foreign(row))) for row in rows]
            try:
                went_in += len(self._executor.run(works).results)
            except WorkFailed as error:
                if error.index:
                    went_in += len(self._executor.run(works[: error.index]).results)
                self._executor.run([parked_instead(works[error.index], error)])
                return went_in
        return went_in

    async def run_parked(self, engine: Engine, wakeup: WakeUp) -> None:
        """Takes in, for ever, what waits behind nothing any more: its first was settled in mid-way."""
        while True:
            for key in await asyncio.to_thread(keys_to_take, engine, self._consumer):
                await asyncio.to_thread(self.take_parked, engine, key)
            await wakeup.wait()


def parked_instead(work: Work[None], error: WorkFailed) -> ParkFailed:
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
