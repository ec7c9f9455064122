"""Foreign facts that can't be taken in: parked with their error, what is of their key waits behind, in order.

An operator has them tried again, or two people together give one up. Whatever is decided about them stands under
the same lock and re-checks as every other decision, so that none is lost or overtaken.
"""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Engine, func, select

from shared.contracts.fact import Encoded, Fact
from shared.contracts.intake import ForeignFactDiscarded, ForeignFactDiscardRequested
from shared.decider import Decider
from shared.eventstore.changes import Effect, ParkFact, UnparkFact
from shared.eventstore.tables import parked_facts
from shared.identity import derive_id
from shared.refusal import Refusal

MAX_TRACE = 8_000
"""Characters of a traceback that are kept: its end tells most."""


class Foreign(NamedTuple):
    """A foreign fact as it was read: where it stands, and its bytes.

    Attributes:
        consumer: that takes it in, "payment.policies".
        key: the record's key: the case.
        hop: the trace context of its sending, "" where there is none.
    """

    consumer: str
    key: str
    source: str
    topic: str
    partition: int
    position: int
    kafka_offset: int
    type: str
    state: bytes
    hop: str = ""

    @property
    def id(self) -> str:
        """Its id among the parked ones."""
        return derive_id(self.consumer, self.source, self.topic, str(self.partition), str(self.position))

    def parked(self, now: datetime, cause: BaseException | None = None) -> ParkFact:
        """It waits: because it failed with `cause`, or behind one of its key that did."""
        error = "" if cause is None else f"{type(cause).__name__}: {cause}"[:500]
        trace = "" if cause is None else "".join(traceback.format_exception(cause))[-MAX_TRACE:]
        return ParkFact(
            self.id, self.consumer, self.key, self.source, self.topic, self.partition, self.position,
            self.kafka_offset, self.type, self.state, error, trace, _traceparent(self.state), now,
        )  # fmt: skip


class _Traced(msgspec.Struct):
    traceparent: str = ""


_traced = msgspec.json.Decoder(_Traced)


def _traceparent(state: bytes) -> str:
    try:
        return _traced.decode(state).traceparent
    except msgspec.MsgspecError:
        return ""


class SecondPersonNeeded(Refusal):
    """Who asked for a fact to be given up can't agree to it as well."""

    code = "parked.second_person_needed"


class NotParked(Refusal):
    """Nothing is parked under that id: it was taken in, or discarded."""

    code = "parked.unknown"


class WaitsBehind(Refusal):
    """It did not fail: it waits behind one that did. Settle that one first."""

    code = "parked.waits_behind"


@dataclass(frozen=True, slots=True)
class Discard:
    """One person's wish that a parked fact be given up."""

    row: ParkFact
    handler_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Discarding:
    """Attributes: asked_by: the first person, or "". over: a second one agreed."""

    asked_by: str = ""
    over: bool = False


def _decide(command: Discard, state: Discarding) -> list[Fact]:
    row, handler = command.row, command.handler_id
    if state.over:
        return []
    if state.asked_by == handler:
        raise SecondPersonNeeded
    digest = hashlib.sha256(row.state).hexdigest()
    if state.asked_by:
        return [
            ForeignFactDiscarded(
                parked_fact=row.id,
                consumer=row.consumer,
                key=row.key,
                digest=digest,
                handler_id=handler,
            )
        ]
    return [
        ForeignFactDiscardRequested(
            parked_fact=row.id,
            consumer=row.consumer,
            source=row.source,
            topic=row.topic,
            partition=row.partition,
            position=row.position,
            digest=digest,
            error=row.error.partition(":")[0],
            reason=command.reason,
            handler_id=handler,
        )
    ]


def _evolve(state: Discarding, fact: Fact) -> Discarding:
    match fact:
        case ForeignFactDiscardRequested(handler_id=handler_id):
            return Discarding(asked_by=handler_id)
        case _:
            return Discarding(asked_by=state.asked_by, over=True)


discarding: Decider[Discard, Discarding, Fact] = Decider(
    "discarding", Discarding(), _decide, _evolve, (ForeignFactDiscardRequested, ForeignFactDiscarded)
)
"""Its stream is the parked fact's id."""


def discarded_effects(fact: Encoded) -> Iterable[Effect]:
    """A foreign fact that was given up is parked no longer."""
    if isinstance(fact.data, ForeignFactDiscarded):
        yield UnparkFact(fact.data.parked_fact, fact.data.consumer, fact.data.key)


def parked_rows(engine: Engine, consumer: str, *, key: str, limit: int) -> list[ParkFact]:
    """The first rows parked of a key, in order. Blocks."""
    query = (
        select(*(parked_facts.c[name] for name in ParkFact._fields))
        .where(parked_facts.c.consumer == consumer, parked_facts.c.key == key)
        .order_by(parked_facts.c.seq)
        .limit(limit)
    )
    with engine.connect() as connection:
        return [_row(row) for row in connection.execute(query)]


def parked_row(engine: Engine, fact_id: str) -> ParkFact | None:
    """One parked fact. Blocks."""
    query = select(*(parked_facts.c[name] for name in ParkFact._fields)).where(parked_facts.c.id == fact_id)
    with engine.connect() as connection:
        found = connection.execute(query).first()
    return _row(found) if found is not None else None


def _row(row: Any) -> ParkFact:
    found = ParkFact(*row)
    return found._replace(id=str(found.id), state=bytes(found.state))


def keys_to_take(engine: Engine, consumer: str) -> list[str]:
    """Keys whose first parked fact has no error: nothing holds them up any more. Blocks."""
    first = (
        select(parked_facts.c.key, parked_facts.c.error)
        .distinct(parked_facts.c.key)
        .where(parked_facts.c.consumer == consumer)
        .order_by(parked_facts.c.key, parked_facts.c.seq)
        .subquery()
    )
    with engine.connect() as connection:
        return list(connection.scalars(select(first.c.key).where(first.c.error == "")))


def failed_facts(engine: Engine, limit: int) -> list[tuple[ParkFact, int]]:
    """Parked facts that failed, the oldest first, each with how many wait behind it. Blocks."""
    behind = parked_facts.alias()
    waiting = (
        select(func.count())
        .where(
            behind.c.consumer == parked_facts.c.consumer,
            behind.c.key == parked_facts.c.key,
            behind.c.seq > parked_facts.c.seq,
        )
        .scalar_subquery()
    )
    columns = [parked_facts.c[name] for name in ParkFact._fields]
    query = (
        select(*columns, waiting.label("behind"))
        .where(parked_facts.c.error != "")
        .order_by(parked_facts.c.seq)
        .limit(limit)
    )
    with engine.connect() as connection:
        return [(_row(row[:-1]), row[-1]) for row in connection.execute(query)]
