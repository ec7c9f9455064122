"""What a batch reads and what it writes, as data: the language between decisions and a store."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple

from shared.contracts.fact import Encoded


class Reserve(NamedTuple):
    """Takes (scope, key) for a holder; a key that another holds is a conflict."""

    scope: str
    key: str
    holder: str


class Release(NamedTuple):
    """Frees (scope, key)."""

    scope: str
    key: str


class SetDeadline(NamedTuple):
    """The business date `due` is the last on which `key` may still wait."""

    kind: str
    key: str
    due: date


class ClearDeadline(NamedTuple):
    """The wait is over."""

    kind: str
    key: str


class MarkDeadlines(NamedTuple):
    """Marks every deadline up to and with `through`: what adopting the next day does."""

    through: date


class Wake(NamedTuple):
    """What parked submissions awaited has come: they are ready."""

    awaited: str


class KnowKey(NamedTuple):
    """An organisation's signing key, valid in [valid_from, valid_until)."""

    key_id: str
    uscc: str
    kind: str
    region: str
    public_key: bytes
    valid_from: datetime
    valid_until: datetime | None

    def ended(self, end: EndKey) -> KnowKey:
        """The key after it was ended: never later than it would have."""
        until = end.valid_until if self.valid_until is None else min(self.valid_until, end.valid_until)
        return self._replace(valid_until=until)


class EndKey(NamedTuple):
    """A signing key ends earlier than it would have; one that is not known stays unknown."""

    key_id: str
    valid_until: datetime


class SendReceipt(NamedTuple):
    """A receipt is to be sent (again) to its institution."""

    institution: str
    receipt_id: str
    version: int


class Unpark(NamedTuple):
    """The submission has its receipt: it waits no longer."""

    receipt_id: str
    digest: str


class KnowFact(NamedTuple):
    """A foreign fact that decisions here rest on."""

    type: str
    subject: str
    version: int
    state: bytes


class AlsoKnownAs(NamedTuple):
    """What a policy on a foreign fact may say besides effects: the fact in hand is kept under this subject too."""

    subject: str


class Answer(NamedTuple):
    """The answer to an HTTP command, kept for its repetition."""

    causation_id: str
    digest: bytes
    answer: bytes


class Park(NamedTuple):
    """A submission that must wait for `awaited`. Parking again keeps the first deadline.

    Attributes:
        institution: whose it is, by its signature; "" while that can't be told.
        claimed: whose it says that it is, where that can't be told: anybody may have written it.
    """

    receipt_id: str
    digest: str
    awaited: str
    institution: str
    submission_id: str
    submission_type: str
    jws: str
    topic: str
    partition: int
    kafka_offset: int
    logged_at: datetime
    traceparent: str
    claimed: str = ""


class ParkFact(NamedTuple):
    """A foreign fact that a consumer can't take in yet: it failed, or waits behind one of its key that did.

    Parking it again (another try that failed) replaces `error` and `trace` and keeps its place in the line.

    Attributes:
        id: UUIDv5 of consumer, source, topic, partition and position.
        key: the record's key, the case: later facts of it wait behind.
        error: why it failed, or "" where it only waits behind.
        trace: the traceback of the failure, for the operator, bounded.
        traceparent: the trace it belongs to, "" where the fact can't be read.
    """

    id: str
    consumer: str
    key: str
    source: str
    topic: str
    partition: int
    position: int
    kafka_offset: int
    type: str
    state: bytes
    error: str
    trace: str
    traceparent: str
    parked_at: datetime


class UnparkFact(NamedTuple):
    """A parked foreign fact was taken in at last, or discarded."""

    id: str
    consumer: str
    key: str


Effect = (
    Reserve
    | Release
    | SetDeadline
    | ClearDeadline
    | MarkDeadlines
    | Wake
    | KnowKey
    | EndKey
    | SendReceipt
    | Unpark
    | KnowFact
    | Answer
    | Park
    | ParkFact
    | UnparkFact
)


class PositionKey(NamedTuple):
    """Whose position: a consumer's, in one source's chain on one partition."""

    consumer: str
    source: str
    topic: str
    partition: int


class Position(NamedTuple):
    """How far. `digest` is SHA-256 of the record at `position`; `kafka_offset` only says where to read on."""

    position: int
    digest: bytes
    kafka_offset: int


class Move(NamedTuple):
    """A compare-and-set: from exactly `expected` (None: no row yet) to `new`."""

    key: PositionKey
    expected: int | None
    new: Position


class Reads(NamedTuple):
    """What a decision rests on.

    Attributes:
        streams: stream ids.
        reservations: single (scope, key) pairs.
        scopes: scopes read whole.
        foreign: (type name, subject) of foreign facts.
        keys: key ids of organisations' signing keys.
        answers: causation ids of HTTP commands.
        parked: receipt ids of submissions that may be parked.
        awaiting: what parked submissions may await: how many await it.
        blocked: consumers: of which keys foreign facts are parked, and how many.
    """

    streams: frozenset[str] = frozenset()
    reservations: frozenset[tuple[str, str]] = frozenset()
    scopes: frozenset[str] = frozenset()
    foreign: frozenset[tuple[str, str]] = frozenset()
    keys: frozenset[str] = frozenset()
    answers: frozenset[str] = frozenset()
    parked: frozenset[str] = frozenset()
    awaiting: frozenset[str] = frozenset()
    blocked: frozenset[str] = frozenset()

    def __or__(self, other: Reads) -> Reads:
        return Reads._make(map(operator.or_, self, other))

    def __sub__(self, other: Reads) -> Reads:
        return Reads._make(map(operator.sub, self, other))

    def __bool__(self) -> bool:
        return any(self)

    def within(self, other: Reads) -> bool:
        """Whether all of it is in `other`."""
        return all(map(operator.le, self, other))

    @staticmethod
    def union(many: Iterable[Reads]) -> Reads:
        """All of them together."""
        kinds: tuple[set[Any], ...] = tuple(set() for _ in Reads._fields)
        for each in many:
            for kind, wanted in zip(kinds, each, strict=True):
                kind.update(wanted)
        return Reads._make(map(frozenset, kinds))


class Stored(NamedTuple):
    """A row of the event table. `position` is its notification id."""

    position: int
    stream: str
    version: int
    type: str
    state: bytes


@dataclass(slots=True)
class Found:
    """What a store answered to `Reads`; absent things are absent."""

    streams: dict[str, list[Stored]] = field(default_factory=dict)
    reservations: dict[tuple[str, str], str] = field(default_factory=dict)
    foreign: dict[tuple[str, str], list[bytes]] = field(default_factory=dict)
    keys: dict[str, KnowKey] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    parked: dict[str, frozenset[str]] = field(default_factory=dict)
    awaiting: dict[str, int] = field(default_factory=dict)
    blocked: dict[str, dict[str, int]] = field(default_factory=dict)


@dataclass(slots=True)
class Changes:
    """All that one transaction writes, with what its decisions read.

    Attributes:
        seen: the event table's head to which `reads` is known to be current.
        absent_foreign: foreign facts that were looked for and not there.
        absent_keys: signing keys that were looked for and not there.
        held: reservations as they were read.
        parked: digests parked by receipt id, as they were read.
        blocked: how many foreign facts are parked by consumer and key, as they were read.
    """

    seen: int
    reads: Reads
    facts: list[Encoded] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    absent_foreign: frozenset[tuple[str, str]] = frozenset()
    absent_keys: frozenset[str] = frozenset()
    held: dict[tuple[str, str], str] = field(default_factory=dict)
    parked: dict[str, frozenset[str]] = field(default_factory=dict)
    blocked: dict[str, dict[str, int]] = field(default_factory=dict)


class Committed(NamedTuple):
    """`first` and `head`: positions of this batch's first fact and of the table after it."""

    first: int
    head: int
