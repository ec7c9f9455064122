"""The in-memory twin: the same promises as `sql`, for scenarios and as a referee of the behaviours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from threading import RLock
from uuid import UUID, uuid4

from shared.eventstore.changes import (
    Answer,
    Changes,
    ClearDeadline,
    Committed,
    Effect,
    EndKey,
    Found,
    KnowFact,
    KnowKey,
    MarkDeadlines,
    Move,
    Park,
    ParkFact,
    Position,
    PositionKey,
    Reads,
    Release,
    Reserve,
    SendReceipt,
    SetDeadline,
    Stored,
    Unpark,
    UnparkFact,
    Wake,
)
from shared.eventstore.store import Conflict, PositionMoved


@dataclass
class Waiting:
    """A parked submission: what `parked` holds of it."""

    row: Park
    ready: bool = False


@dataclass
class _Tables:
    log: list[Stored] = field(default_factory=list)
    streams: dict[str, list[Stored]] = field(default_factory=dict)
    positions: dict[PositionKey, Position] = field(default_factory=dict)
    reservations: dict[tuple[str, str], str] = field(default_factory=dict)
    deadlines: dict[tuple[str, str], tuple[date, bool]] = field(default_factory=dict)
    foreign: dict[tuple[str, str], dict[int, bytes]] = field(default_factory=dict)
    keys: dict[str, KnowKey] = field(default_factory=dict)
    parked: dict[tuple[str, str], Waiting] = field(default_factory=dict)
    parked_facts: dict[str, ParkFact] = field(default_factory=dict)
    receipts: list[SendReceipt] = field(default_factory=list)
    answers: dict[str, Answer] = field(default_factory=dict)


class MemoryStore:
    """See `shared.eventstore.store.Store`."""

    def __init__(self) -> None:
        self.tables = _Tables()
        self._incarnation = uuid4()
        self._lock = RLock()

    def incarnation(self) -> UUID:
        """See `Store`."""
        return self._incarnation

    def head(self) -> int:
        """See `Store`."""
        return len(self.tables.log)

    def changed_since(self, seen: int, most: int) -> tuple[int, frozenset[str]] | None:
        """See `Store`."""
        return None if self.head() - seen > most else self._changed(seen)

    def page(self, after: int, limit: int) -> Sequence[Stored]:
        """See `Store`."""
        return self.tables.log[after : after + limit]

    def positions(self, consumer: str) -> dict[PositionKey, Position]:
        """See `Store`."""
        return {key: at for key, at in self.tables.positions.items() if key.consumer == consumer}

    def read(self, reads: Reads) -> Found:
        """See `Store`."""
        tables = self.tables
        return Found(
            streams={s: list(tables.streams[s]) for s in reads.streams if s in tables.streams},
            reservations={
                key: holder
                for key, holder in tables.reservations.items()
                if key in reads.reservations or key[0] in reads.scopes
            },
            foreign={
                k: [v for _, v in sorted(tables.foreign[k].items())]
                for k in reads.foreign
                if k in tables.foreign
            },
            keys={k: tables.keys[k] for k in reads.keys if k in tables.keys},
            answers={k: tables.answers[k] for k in reads.answers if k in tables.answers},
            parked=self._parked(reads.parked),
            awaiting={
                awaited: sum(waiting.row.awaited == awaited for waiting in tables.parked.values())
                for awaited in reads.awaiting
            },
            blocked=self._blocked(reads.blocked),
        )

    def commit(self, changes: Changes) -> Committed:
        """See `Store`."""
        with self._lock:
            self._check(changes)
            first = self.head() + 1
            for number, fact in enumerate(changes.facts):
                row = Stored(first + number, fact.stream, fact.version, fact.type, fact.state)
                self.tables.log.append(row)
                self.tables.streams.setdefault(fact.stream, []).append(row)
            for move in changes.moves:
                self.tables.positions[move.key] = move.new
            for effect in sorted(changes.effects, key=lambda effect: isinstance(effect, Wake)):
                self._apply(effect)
            return Committed(first, self.head())

    def move(self, moves: Sequence[Move]) -> None:
        """See `Store`."""
        with self._lock:
            self._check_moves(moves)
            self.tables.positions.update({move.key: move.new for move in moves})

    def _changed(self, seen: int) -> tuple[int, frozenset[str]]:
        return self.head(), frozenset(row.stream for row in self.tables.log[seen:])

    def _check(self, changes: Changes) -> None:
        head, streams = self._changed(changes.seen)
        if stale := streams & changes.reads.streams:
            raise Conflict("streams changed", stale, head)
        again = Reads(reservations=changes.reads.reservations, scopes=changes.reads.scopes)
        if head != changes.seen and self.read(again).reservations != changes.held:
            raise Conflict("reservations changed", frozenset(), head)
        if self._parked(changes.parked) != changes.parked:
            raise Conflict("parked submissions changed", frozenset(), head)
        if any(key in self.tables.foreign for key in changes.absent_foreign):
            raise Conflict("an awaited foreign fact has arrived", frozenset(), head)
        if any(key in self.tables.keys for key in changes.absent_keys):
            raise Conflict("an awaited signing key has arrived", frozenset(), head)
        if self._blocked(changes.blocked) != changes.blocked:
            raise Conflict("parked facts changed", frozenset(), head)
        lengths: dict[str, int] = {}
        for fact in changes.facts:
            version = lengths.get(fact.stream, len(self.tables.streams.get(fact.stream, ())))
            if fact.version != version + 1:
                raise Conflict("a stream's version is taken", frozenset((fact.stream,)))
            lengths[fact.stream] = fact.version
        for effect in changes.effects:
            if isinstance(effect, Reserve) and self._taken(effect, changes):
                raise Conflict("a reservation is taken")
        self._check_moves(changes.moves)

    def _check_moves(self, moves: Iterable[Move]) -> None:
        for move in moves:
            at = self.tables.positions.get(move.key)
            if (at.position if at else None) != move.expected:
                raise PositionMoved(str(move.key))

    def _parked(self, receipt_ids: Iterable[str]) -> dict[str, frozenset[str]]:
        return {
            wanted: frozenset(digest for receipt_id, digest in self.tables.parked if receipt_id == wanted)
            for wanted in receipt_ids
        }

    def _blocked(self, consumers: Iterable[str]) -> dict[str, dict[str, int]]:
        rows = self.tables.parked_facts.values()
        return {
            consumer: dict(Counter(row.key for row in rows if row.consumer == consumer))
            for consumer in consumers
        }

    def _taken(self, wanted: Reserve, changes: Changes) -> bool:
        freed = Release(wanted.scope, wanted.key) in changes.effects
        return (wanted.scope, wanted.key) in self.tables.reservations and not freed

    def _apply(self, effect: Effect) -> None:
        tables = self.tables
        match effect:
            case Reserve(scope, key, holder):
                tables.reservations[scope, key] = holder
            case Release(scope, key):
                tables.reservations.pop((scope, key), None)
            case SetDeadline(kind, key, due):
                tables.deadlines.setdefault((kind, key), (due, False))
            case ClearDeadline(kind, key):
                tables.deadlines.pop((kind, key), None)
            case MarkDeadlines(through):
                for name, (due, _) in tables.deadlines.items():
                    if due <= through:
                        tables.deadlines[name] = due, True
            case KnowKey(key_id=key_id):
                tables.keys[key_id] = effect
            case EndKey(key_id=key_id) if key_id in tables.keys:
                tables.keys[key_id] = tables.keys[key_id].ended(effect)
            case SendReceipt():
                tables.receipts.append(effect)
            case KnowFact(kind, subject, version, state):
                tables.foreign.setdefault((kind, subject), {}).setdefault(version, state)
            case Answer(causation_id=causation_id):
                tables.answers[causation_id] = effect
            case _:
                self._apply_parking(effect)

    def _apply_parking(self, effect: Effect) -> None:
        tables = self.tables
        match effect:
            case Wake(awaited):
                for waiting in tables.parked.values():
                    waiting.ready = waiting.ready or waiting.row.awaited == awaited
            case Unpark(receipt_id, digest):
                tables.parked.pop((receipt_id, digest), None)
            case Park(receipt_id=receipt_id, digest=digest):
                tables.parked[receipt_id, digest] = Waiting(effect)
            case ParkFact(id=fact_id):
                tables.parked_facts[fact_id] = effect
            case UnparkFact(id=fact_id):
                tables.parked_facts.pop(fact_id, None)
