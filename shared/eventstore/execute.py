"""Executing a batch: read for all, decide one after the other, write once; on a conflict, decide again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from threading import Lock
from typing import Any, Generic, Protocol, TypeVar

from shared.contracts.fact import decode
from shared.eventstore.cache import KEPT_BYTES, StreamCache
from shared.eventstore.changes import Changes, Committed, Move, Reads
from shared.eventstore.desk import Desk, Draft, Effects, NotRead
from shared.eventstore.recorder import MAX_BYTES, MAX_FACTS
from shared.eventstore.store import Conflict, Store, StoreError, Unavailable
from shared.telemetry.counted import (
    BATCH_SECONDS,
    BATCH_UNITS,
    CONFLICTS,
    FACTS,
    TRANSACTION_BYTES,
    TRANSACTION_FACTS,
    TRANSACTION_SECONDS,
)
from shared.telemetry.metrics import Metrics
from shared.telemetry.traceparent import trace_id

R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")

log = logging.getLogger(__name__)

MAX_CONFLICTS = 50
"""Re-decisions of one batch in a row before it is given back: rivals that never let it through, or a fault."""

MOST_CHANGED = 10_000
"""Facts of others since the last batch whose streams are evicted one by one; of more, all that is kept is forgotten.
Who decides seldom, as an API does, would else read the ids of everything that was recorded in between."""

DECIDE = "decide"
"""The kind of its transactions, among those that are timed."""


class Work(Protocol[R_co]):
    """One unit of a batch: a submission, a foreign fact, an HTTP command, a wake-up."""

    def reads(self, draft: Draft) -> Reads:
        """What `perform` will look at, as far as it can be told.

        It may look through the draft itself; where that lacked something it is asked again once that is read.
        `waiting` tells nothing here: what is unread counts there as none.
        """

    def perform(self, draft: Draft) -> R_co:
        """Decides and stages. Deterministic in what it reads; a refusal must become a result."""


class WorkFailed(RuntimeError):
    """A unit can't be decided: a decode error or a fault in a decision. Trying again won't help.

    Attributes:
        index: which of the batch's units. Nothing of the batch was written.
    """

    def __init__(self, index: int, cause: Exception) -> None:
        super().__init__(f"unit {index}: {type(cause).__name__}")
        self.index = index
        self.__cause__ = cause


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """What became of a batch: results of its first units, all that fitted one transaction.

    Attributes:
        facts: how many facts each of these units led to.
        conflicts: how often it was decided again.
        seconds: how long its transaction took.
    """

    results: list[T]
    head: int
    facts: list[int] = field(default_factory=list)
    conflicts: int = 0
    seconds: float = 0.0


class Executor:
    """Runs batches against one store, one at a time: the table lock would let no more through.

    Attributes:
        conflicts: how often a re-check under the lock failed and the batch was decided again.
        metrics: where it counts; whoever feeds it counts there as well.
    """

    def __init__(  # noqa: PLR0913 - its adapters, all but three by name
        self,
        service: str,
        store: Store,
        effects: Effects,
        *,
        always: Reads | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        metrics: Metrics | None = None,
        kept_bytes: int = KEPT_BYTES,
    ) -> None:
        """An executor of a service on a store.

        Args:
            service: the name under which facts are encoded.
            store: that it reads and writes.
            effects: what follows from a fact, see `Effects`.
            always: read for every batch: the business date's stream.
            clock: the real clock, for `time` in facts.
            metrics: the process's; some of its own where none is given.
            kept_bytes: what the states of recent streams may take of memory.
        """
        self.service = service
        self.store = store
        self.conflicts = 0
        self.metrics = metrics or Metrics(service)
        self.metrics.expect(TRANSACTION_SECONDS, DECIDE)
        self._effects = effects
        self._always = always or Reads()
        self._clock = clock
        self._cache = StreamCache(kept_bytes)
        self._facts_a_unit: dict[type | None, float] = {}
        self._lock = Lock()

    def run(self, works: Sequence[Work[T]], moves: Callable[[int], list[Move]] = lambda _done: []) -> Done[T]:
        """Decides and writes as many of the first units as fit one transaction (at least one).

        Args:
            works: the units, in order.
            moves: the positions to move when the first n units are done.

        Raises:
            WorkFailed: a unit can't be decided.
            PositionMoved: another worker decided these records.
            Unavailable: the database is away; the same batch may be tried again.
        """
        with self._lock:
            began = time.monotonic()
            for again in range(MAX_CONFLICTS):
                try:
                    done = self._attempt(works, moves)
                    self.metrics.observe(BATCH_SECONDS, time.monotonic() - began)
                    self.metrics.observe(BATCH_UNITS, len(done.results))
                    return replace(done, conflicts=again) if again else done
                except Conflict as conflict:
                    self.conflicts += 1
                    self.metrics.add(CONFLICTS, 1)
                    log.info("batch decided again", extra={"why": str(conflict)})
                    self._cache.evict(conflict.streams, self._cache.seen)
                except StoreError:
                    self._cache.clear()
                    raise
            self._cache.clear()
            raise Unavailable(f"{MAX_CONFLICTS} conflicts in a row")

    def _attempt(self, works: Sequence[Work[T]], moves: Callable[[int], list[Move]]) -> Done[T]:
        desk = self._prepare()
        results: list[T] = []
        facts: list[int] = []
        kind = type(works[0]) if works else None
        a_unit, room, full = self._facts_a_unit.get(kind, 1.0), MAX_FACTS, False
        while len(results) < len(works) and not full and (room >= a_unit or not results):
            first = len(results)
            some = works[first : first + max(int(room / a_unit), 1)]
            self._prefetch(desk, some, first)
            full = self._decide(desk, some, results, facts)
            a_unit, room = max(len(desk.facts) / len(results), 1.0), MAX_FACTS - len(desk.facts)
        self._facts_a_unit[kind] = a_unit
        return self._write(desk, results, facts, moves(len(results)))

    def _decide(self, desk: Desk, works: Sequence[Work[T]], results: list[T], facts: list[int]) -> bool:
        """Decides units, one after the other, until the transaction is full. Returns whether it is."""
        for work in works:
            draft, result = self._perform(desk, work, len(results))
            more = sum(len(fact.state) for fact in draft.facts)
            full = len(desk.facts) + len(draft.facts) > MAX_FACTS or desk.size + more > MAX_BYTES
            if full and results:
                return True
            draft.merge()
            desk.size += more
            results.append(result)
            facts.append(len(draft.facts))
        return False

    def _prepare(self) -> Desk:
        changed = self.store.changed_since(self._cache.seen, MOST_CHANGED) if self._cache.seen else None
        if changed is None:
            self._cache.clear()
            self._cache.seen = self.store.head()
        else:
            head, streams = changed
            self._cache.evict(streams, head)
        return Desk(self.service, self._effects, self._clock())

    def _prefetch(self, desk: Desk, works: Sequence[Work[Any]], first: int) -> None:
        """Asks every unit what it needs; who looked for something that was not read yet, again once it is there."""
        self._load(desk, self._always)
        draft, asked = desk.draft(), list(enumerate(works, first))
        while asked:
            answers = [(each, *self._reads(each[1], draft, each[0])) for each in asked]
            asked = [each for each, needed, missed in answers if missed and not needed.within(desk.loaded)]
            self._load(desk, Reads.union(needed for _, needed, _ in answers))

    def _reads(self, work: Work[Any], draft: Draft, index: int) -> tuple[Reads, bool]:
        draft.missed = False
        try:
            return work.reads(draft), draft.missed
        except NotRead as missing:
            return missing.reads, True
        except Exception as error:
            raise WorkFailed(index, error) from error

    def _load(self, desk: Desk, needed: Reads) -> bool:
        missing = needed - desk.loaded
        if not missing:
            return False
        cached = {s: found for s in missing.streams if (found := self._cache.get(s)) is not None}
        desk.states.update(cached)
        desk.loaded |= Reads(streams=frozenset(cached))
        rest = missing - Reads(streams=frozenset(cached))
        desk.load(rest, self.store.read(rest))
        return True

    def _perform(self, desk: Desk, work: Work[T], index: int) -> tuple[Draft, T]:
        while True:
            draft = desk.draft()
            try:
                return draft, work.perform(draft)
            except NotRead as missing:
                if not self._load(desk, missing.reads):
                    raise WorkFailed(index, missing) from missing
            except Exception as error:
                raise WorkFailed(index, error) from error

    def _write(self, desk: Desk, results: list[T], facts: list[int], moves: list[Move]) -> Done[T]:
        if not (desk.facts or desk.effects or moves):
            return Done(results, self._cache.seen, facts)
        changes = Changes(
            seen=self._cache.seen,
            reads=desk.loaded,
            facts=desk.facts,
            effects=desk.effects,
            moves=moves,
            absent_foreign=desk.absent_foreign(),
            held=desk.held,
            absent_keys=desk.absent_keys(),
            parked=desk.parked,
            blocked=desk.blocked,
        )
        began = time.monotonic()
        committed = self.store.commit(changes)
        seconds = time.monotonic() - began
        self._count(desk, seconds)
        self._cache.keep(desk.states, committed.head)
        _tell(desk, committed)
        return Done(results, committed.head, facts, seconds=seconds)

    def _count(self, desk: Desk, seconds: float) -> None:
        self.metrics.observe(TRANSACTION_SECONDS, seconds, DECIDE)
        if desk.facts:
            self.metrics.add(FACTS, len(desk.facts))
            self.metrics.observe(TRANSACTION_FACTS, len(desk.facts))
            self.metrics.observe(TRANSACTION_BYTES, desk.size)


def _tell(desk: Desk, committed: Committed) -> None:
    """One line a batch; one a fact, with its ids, where the level asks for it."""
    if desk.facts:
        log.info("facts recorded", extra={"facts": len(desk.facts), "head": committed.head})
    if log.isEnabledFor(logging.DEBUG):
        for position, fact in enumerate(desk.facts, committed.first):
            ids = {"fact": fact.id, "type": fact.type, "stream": fact.stream, "version": fact.version}
            trace = trace_id(decode(fact.state, fact.type).traceparent)
            log.debug("fact recorded", extra={**ids, "position": position, "trace_id": trace})
