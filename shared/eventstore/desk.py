"""The desk: everything a batch has read, and what its decisions have staged so far.

Each command of a batch works on a `Draft`; only a draft that succeeds is merged, so rivals within one batch are
refused in memory and a refusal leaves nothing behind.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, TypeVar

from shared.contracts.fact import Circumstances, Encoded, Envelope, Fact, decode, encode, type_of
from shared.decider import Decider
from shared.eventstore.changes import (
    Answer,
    Effect,
    EndKey,
    Found,
    KnowFact,
    KnowKey,
    Park,
    ParkFact,
    Reads,
    Release,
    Reserve,
    Unpark,
    UnparkFact,
)

C = TypeVar("C")
S = TypeVar("S")
E = TypeVar("E", bound=Fact)

Effects = Callable[[Encoded], Iterable[Effect]]
"""What follows from a fact in the kernel's other tables; replaying facts through it rebuilds them."""


class NotRead(LookupError):
    """A decision looked at what its `reads` did not name: the executor reads it and decides again."""

    def __init__(self, reads: Reads) -> None:
        super().__init__(str(reads))
        self.reads = reads


def as_far_as_known(wanted: Reads, more: Callable[[], Reads]) -> Reads:
    """`wanted`, and what follows from it once it has been read: for `reads` that need to look themselves."""
    try:
        return wanted | more()
    except NotRead:
        return wanted


class Desk:
    """One batch's view. Owned by the executor, which adds up its facts' bytes in `size`; decisions see only drafts.

    Attributes:
        held: reservations as they were read.
        holders: by scope and key: as read, and then as the batch's decisions took and freed them.
    """

    def __init__(self, service: str, effects: Effects, now: datetime) -> None:
        self.service = service
        self.effects_of = effects
        self.now = now
        self.loaded = Reads()
        self.states: dict[str, tuple[int, Any]] = {}
        self.events: dict[str, list[Envelope[Any]]] = {}
        self.held: dict[tuple[str, str], str] = {}
        self.holders: defaultdict[str, dict[str, str | None]] = defaultdict(dict)
        self.foreign: dict[tuple[str, str], list[Envelope[Any]]] = {}
        self.keys: dict[str, KnowKey] = {}
        self.answers: dict[str, Answer] = {}
        self.parked: dict[str, frozenset[str]] = {}
        self.waiting: dict[str, frozenset[str]] = {}
        self.awaiting: dict[str, int] = {}
        self.more_awaiting: Counter[str] = Counter()
        self.blocked: dict[str, dict[str, int]] = {}
        self.more_blocked: Counter[tuple[str, str]] = Counter()
        self.facts: list[Encoded] = []
        self.size = 0
        self.effects: list[Effect] = []

    def load(self, reads: Reads, found: Found) -> None:
        """Adds what the store answered; streams that it did not find are known to be empty.

        What the batch's decisions staged meanwhile stands over it.
        """
        for (scope, name), holder in found.reservations.items():
            if scope not in self.loaded.scopes and (scope, name) not in self.loaded.reservations:
                self.held[scope, name] = holder
                self.holders[scope].setdefault(name, holder)
        self.loaded |= reads
        for stream in reads.streams:
            self.events[stream] = [decode(row.state, row.type) for row in found.streams.get(stream, ())]
        for key in reads.foreign:
            read = [decode(state, key[0]) for state in found.foreign.get(key, ())]
            self.foreign[key] = read + self.foreign.get(key, [])
        self.keys = {**found.keys, **self.keys}
        self.answers.update(found.answers)
        self.parked.update(found.parked)
        self.awaiting.update(found.awaiting)
        self.blocked.update(found.blocked)

    def absent_foreign(self) -> frozenset[tuple[str, str]]:
        """Foreign facts that a decision found missing: they are looked for again under the lock."""
        return frozenset(key for key in self.loaded.foreign if not self.foreign.get(key))

    def absent_keys(self) -> frozenset[str]:
        """Signing keys that a decision found missing."""
        return self.loaded.keys - self.keys.keys()

    def draft(self) -> Draft:
        """A sheet for one command."""
        return Draft(self)


class Draft:
    """What one command sees and stages.

    Every look at something that was not read raises `NotRead`; nothing is queried from inside a decision.

    Attributes:
        missed: whether a look found something not read, whoever caught it.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.missed = False
        self._states: dict[str, tuple[int, Any]] = {}
        self._taken: dict[tuple[str, str], str | None] = {}
        self._foreign: dict[tuple[str, str], list[Envelope[Any]]] = {}
        self._keys: dict[str, KnowKey] = {}
        self._waiting: dict[str, frozenset[str]] = {}
        self._awaiting: Counter[str] = Counter()
        self._blocked: Counter[tuple[str, str]] = Counter()
        self.facts: list[Encoded] = []
        self.effects: list[Effect] = []

    def _not_read(self, **missing: frozenset[Any]) -> NotRead:
        self.missed = True
        return NotRead(Reads(**missing))

    @property
    def service(self) -> str:
        """The service that decides."""
        return self._desk.service

    def abandon(self) -> None:
        """Drops everything staged: the command was refused."""
        self._states, self._taken, self._foreign, self._keys, self._waiting = {}, {}, {}, {}, {}
        self._awaiting, self._blocked = Counter(), Counter()
        self.facts, self.effects = [], []

    @property
    def now(self) -> datetime:
        """The real clock (UTC) at which this batch is recorded. Judges nothing."""
        return self._desk.now

    def state(self, decider: Decider[Any, S, Any], stream: str) -> S:
        """The state of a stream, with everything staged before in this batch."""
        state: S = self._look(decider, stream)[1]
        return state

    def _look(self, decider: Decider[Any, Any, Any], stream: str) -> tuple[int, Any]:
        found = self._states.get(stream) or self._desk.states.get(stream)
        if found is None:
            events = self._desk.events.get(stream)
            if events is None:
                raise self._not_read(streams=frozenset((stream,)))
            found = len(events), decider.fold(event.data for event in events)
            self._desk.states[stream] = found
        return found

    def execute(
        self, decider: Decider[C, Any, Any], stream: str, command: C, given: Circumstances
    ) -> list[str]:
        """Decides a command on a stream and stages its facts. Returns their ids; raises what `decide` raises."""
        return self.append(decider, stream, decider.decide(command, self.state(decider, stream)), given)

    def append(
        self, decider: Decider[Any, Any, E], stream: str, facts: Iterable[E], given: Circumstances
    ) -> list[str]:
        """Stages facts on a stream, encoded here and now, once. Returns their ids."""
        version, state = self._look(decider, stream)
        ids = []
        for data in facts:
            version += 1
            encoded = encode(
                self._desk.service, data, stream=stream, version=version, given=given, now=self._desk.now
            )
            state = decider.evolve(state, data)
            self.facts.append(encoded)
            ids.append(encoded.id)
            for effect in self._desk.effects_of(encoded):
                self.stage(effect)
        self._states[stream] = version, state
        return ids

    def stage(self, effect: Effect) -> None:
        """Stages a write beside the facts; what decisions may read is seen at once by later ones."""
        self.effects.append(effect)
        match effect:
            case Reserve(scope, key, holder):
                self._taken[scope, key] = holder
            case Release(scope, key):
                self._taken[scope, key] = None
            case KnowFact(kind, subject, _, state):
                self._foreign.setdefault((kind, subject), []).append(decode(state, kind))
            case KnowKey(key_id=key_id):
                self._keys[key_id] = effect
            case EndKey(key_id=key_id):
                known = self._keys.get(key_id) or self._desk.keys.get(key_id)
                if known is not None:
                    self._keys[key_id] = known.ended(effect)
            case Park(receipt_id=receipt_id, digest=digest, awaited=awaited):
                self._waiting[receipt_id] = self.waiting(receipt_id) | {digest}
                self._awaiting[awaited] += 1
            case ParkFact(consumer=consumer, key=key):
                self._blocked[consumer, key] += 1
            case UnparkFact(consumer=consumer, key=key):
                self._blocked[consumer, key] -= 1
            case Unpark(receipt_id, digest):
                self._waiting[receipt_id] = self.waiting(receipt_id) - {digest}
            case _:
                pass

    def holder(self, scope: str, key: str) -> str | None:
        """Who holds (scope, key)."""
        loaded = self._desk.loaded
        if (scope, key) in self._taken:
            return self._taken[scope, key]
        if key in self._desk.holders[scope]:
            return self._desk.holders[scope][key]
        if (scope, key) not in loaded.reservations and scope not in loaded.scopes:
            raise self._not_read(reservations=frozenset(((scope, key),)))
        return None

    def holders(self, scope: str) -> dict[str, str]:
        """All keys of a scope with their holders."""
        if scope not in self._desk.loaded.scopes:
            raise self._not_read(scopes=frozenset((scope,)))
        mine = {key: holder for (where, key), holder in self._taken.items() if where == scope}
        merged = {**self._desk.holders[scope], **mine}
        return {key: holder for key, holder in merged.items() if holder is not None}

    def foreign(self, service: str, cls: type[E], subject: str) -> Envelope[E] | None:
        """The latest foreign fact of a class about a subject, or None while it has not come."""
        key = type_of(service, cls).name, subject
        known = self._foreign.get(key) or self._desk.foreign.get(key)
        if known is None:
            raise self._not_read(foreign=frozenset((key,)))
        return known[-1] if known else None

    def key(self, key_id: str) -> KnowKey | None:
        """A registered signing key."""
        if key_id not in self._desk.loaded.keys:
            raise self._not_read(keys=frozenset((key_id,)))
        return self._keys.get(key_id) or self._desk.keys.get(key_id)

    def waiting(self, receipt_id: str) -> frozenset[str]:
        """Digests of bodies that are parked under one submission id. Unread counts as none."""
        for layer in (self._waiting, self._desk.waiting, self._desk.parked):
            if receipt_id in layer:
                return layer[receipt_id]
        return frozenset()

    def awaiting(self, awaited: str) -> int:
        """How many parked submissions await one thing; a bound, not re-checked under the lock."""
        if awaited not in self._desk.awaiting:
            raise self._not_read(awaiting=frozenset((awaited,)))
        return self._desk.awaiting[awaited] + self._desk.more_awaiting[awaited] + self._awaiting[awaited]

    def blocked(self, consumer: str, key: str) -> int:
        """How many foreign facts are parked of a key: a later one waits behind them."""
        read = self._desk.blocked.get(consumer)
        if read is None:
            raise self._not_read(blocked=frozenset((consumer,)))
        name = consumer, key
        return read.get(key, 0) + self._desk.more_blocked[name] + self._blocked[name]

    def answer(self, causation_id: str) -> Answer | None:
        """The answer already given to an HTTP command."""
        if causation_id not in self._desk.loaded.answers:
            raise self._not_read(answers=frozenset((causation_id,)))
        return self._desk.answers.get(causation_id)

    def merge(self) -> None:
        """The command succeeded: later commands of the batch see what it staged."""
        self._desk.states.update(self._states)
        for (scope, name), holder in self._taken.items():
            self._desk.holders[scope][name] = holder
        for key, known in self._foreign.items():
            self._desk.foreign.setdefault(key, []).extend(known)
        self._desk.keys.update(self._keys)
        self._desk.waiting.update(self._waiting)
        self._desk.more_awaiting.update(self._awaiting)
        self._desk.more_blocked.update(self._blocked)
        self._desk.facts += self.facts
        self._desk.effects += self.effects
