"""Foreign facts: taken in chain order, kept as their own bytes, followed by what the service's policies say."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import TopicPartition

from shared.contracts.fact import Envelope, Fact, decode, type_of
from shared.eventstore.businessdate import business_day_reads
from shared.eventstore.changes import Effect, KnowFact, Reads
from shared.eventstore.desk import Draft
from shared.eventstore.execute import Executor, WorkFailed
from shared.messaging.chain import Linked
from shared.messaging.consumer import ReadAgain, Record, Stopped
from shared.messaging.links import Link, Links

log = logging.getLogger(__name__)

Policies = Mapping[type[Fact], Callable[[Envelope[Any]], list[Effect]]]
"""By foreign fact: what follows besides knowing it."""

Reaction = Callable[[Envelope[Any], Draft], None]
"""A foreign fact that makes this service decide something itself (the adopted business day)."""


@dataclass(frozen=True, slots=True)
class Adopt:
    """Takes one foreign fact in."""

    state: bytes
    name: str
    policy: Callable[[Envelope[Any]], list[Effect]] | None
    reaction: Reaction | None

    def reads(self, _draft: Draft) -> Reads:
        """The business date; a reaction finds what else it needs."""
        return business_day_reads()

    def perform(self, draft: Draft) -> None:
        """Keeps the bytes, then what follows from them. What nobody here needs is passed over undecoded."""
        if self.policy is None and self.reaction is None:
            return
        fact = decode(self.state, self.name)
        if self.policy is not None:
            draft.stage(KnowFact(self.name, fact.subject, fact.streamversion, self.state))
            for effect in self.policy(fact):
                draft.stage(effect)
        if self.reaction is not None:
            self.reaction(fact, draft)


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
        links = taken.links
        failed: WorkFailed | None = None
        while links:
            try:
                links = links[self._write(links) :]
            except WorkFailed as error:
                failed = error
                links, rest = links[: error.index], links[error.index :]
                offset = rest[0][1].offset
        if failed is not None:
            raise Stopped(
                partition, offset, f"{type(failed.__cause__).__name__} at offset {offset}"
            ) from failed
        if taken.broken is not None:
            raise taken.broken
        if repeats := self._links.passed_over(taken):
            self._executor.run([], lambda _none: repeats)
            self._links.settle_moves(repeats)
        return self._links.following(partition, records)

    def _write(self, links: Sequence[Link]) -> int:
        """Decides and writes the first of them that fit one transaction. Returns how many."""
        works = [self._adopt(link) for _, link in links]
        done = len(self._executor.run(works, lambda n: self._links.moves(links[:n])).results)
        self._links.settle(links[:done])
        return done

    def _adopt(self, link: Linked[Record]) -> Adopt:
        name = link.headers.type
        return Adopt(link.record.value, name, self._policies.get(name), self._reactions.get(name))
