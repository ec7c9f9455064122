"""Facts put back from Kafka: the same bytes at the same positions, and what was decided but not published whole.

The relay sends to several partitions at once. If the database is lost in that moment, Kafka may hold some facts of
a transaction and not the others. What is known of such a decision is kept as reservations, so that whoever comes
again with the same submission or command is answered by it, and nothing is decided twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from shared.contracts.fact import Encoded, Envelope
from shared.contracts.intake import SubmissionAccepted
from shared.eventstore import write
from shared.eventstore.changes import ClearDeadline, Effect, Unpark
from shared.eventstore.sql import SqlStore

Cursor = psycopg.Cursor[tuple[Any, ...]]

HALF_DECIDED = "recovered.submissions"
"""Scope of reservations by receipt id: its submission was decided, facts or the receipt are missing.

Holder: ids of the facts that are there, comma joined. Freed once the submission was decided to its end.
"""
COMMANDS = "recovered.commands"
"""Scope of reservations by causation id: an HTTP command took effect, its answer is gone. Holder: ids of its facts."""

_BY_SUBMISSION = ("institution", "bank")
_BY_COMMAND = ("handler", "person")


@dataclass(frozen=True, slots=True)
class Recovered:
    """One fact from Kafka.

    Attributes:
        position: that it had and has again.
    """

    position: int
    envelope: Envelope[Any]
    encoded: Encoded


def put_back(store: SqlStore, facts: Sequence[Recovered], effects: Iterable[Effect]) -> None:
    """Inserts facts at their own positions, with what follows from them, in one transaction.

    Args:
        store: of the service whose facts they are; nobody else may append meanwhile.
        facts: in the order of their positions, above the table's head.
        effects: of these facts, in their order.

    Raises: Unavailable, psycopg.errors.UniqueViolation: the table holds one of them already.
    """
    with store.appending() as cursor:
        store.recorder.put_back(cursor, [(fact.position, fact.encoded) for fact in facts])
        half = _half_decided(cursor, facts)
        _note_commands(cursor, facts)
        write.effects(cursor, [effect for effect in effects if not _ends_the_wait(effect, half)])


def _ends_the_wait(effect: Effect, half: frozenset[str]) -> bool:
    """A parked submission that must be decided to its end goes on waiting for that."""
    match effect:
        case Unpark(receipt_id=receipt):
            return receipt in half
        case ClearDeadline(key=key):
            return key.partition("/")[0] in half
        case _:
            return False


def _half_decided(cursor: Cursor, facts: Sequence[Recovered]) -> frozenset[str]:
    """Keeps which submissions lack facts or their receipt. A later batch may bring them: then they are freed."""
    known = _ids_by_cause(cursor, facts, HALF_DECIDED, _BY_SUBMISSION)
    accepted = {
        fact.encoded.stream: fact.encoded.data
        for fact in facts
        if isinstance(fact.encoded.data, SubmissionAccepted)
    }
    answered = _existing(
        cursor, "SELECT originator_id::text FROM events WHERE originator_id = ANY(%s::uuid[])", known
    )
    half: dict[str, list[str]] = {receipt: ids for receipt, ids in known.items() if receipt not in answered}
    for receipt, said in accepted.items():
        there = known.get(receipt, [])
        if len(there) < said.fact_count or not set(said.facts) <= set(there):
            half[receipt] = there
    _keep(cursor, HALF_DECIDED, half, free=[receipt for receipt in known if receipt not in half])
    return frozenset(half) & accepted.keys()


def _note_commands(cursor: Cursor, facts: Sequence[Recovered]) -> None:
    known = _ids_by_cause(cursor, facts, COMMANDS, _BY_COMMAND)
    query = "SELECT causation_id::text FROM http_commands WHERE causation_id = ANY(%s::uuid[])"
    answered = _existing(cursor, query, known)
    _keep(cursor, COMMANDS, {cause: ids for cause, ids in known.items() if cause not in answered})


def _ids_by_cause(
    cursor: Cursor, facts: Sequence[Recovered], scope: str, actors: Sequence[str]
) -> dict[str, list[str]]:
    """Ids of recovered facts by what caused them, those of earlier batches included."""
    found: dict[str, list[str]] = {}
    for fact in facts:
        if fact.envelope.actor.partition(":")[0] in actors:
            found.setdefault(fact.envelope.causationid, []).append(fact.encoded.id)
    receipts = [fact.encoded.stream for fact in facts if isinstance(fact.encoded.data, SubmissionAccepted)]
    wanted = [*found, *receipts] if scope == HALF_DECIDED else [*found]
    query = "SELECT key, holder FROM reservations WHERE scope = %s AND key = ANY(%s)"
    for cause, holder in cursor.execute(query, (scope, wanted)).fetchall():
        found[cause] = [*filter(None, holder.split(",")), *found.get(cause, ())]
    return found


def _existing(cursor: Cursor, query: str, wanted: Iterable[str]) -> frozenset[str]:
    ids = list(wanted)
    return frozenset(row[0] for row in cursor.execute(query, (ids,))) if ids else frozenset()


def _keep(cursor: Cursor, scope: str, held: dict[str, list[str]], free: Sequence[str] = ()) -> None:
    if free:
        cursor.execute("DELETE FROM reservations WHERE scope = %s AND key = ANY(%s)", (scope, list(free)))
    if held:
        query = """INSERT INTO reservations (scope, key, holder)
                   SELECT %s, * FROM unnest(%s::text[], %s::text[])
                   ON CONFLICT (scope, key) DO UPDATE SET holder = EXCLUDED.holder"""
        cursor.execute(query, (scope, list(held), [",".join(ids) for ids in held.values()]))
