"""How each effect stands in its table. Only `sql` calls this, under the events-table lock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any, NoReturn

import psycopg

from shared.eventstore.changes import (
    Answer,
    ClearDeadline,
    Effect,
    EndKey,
    KnowFact,
    KnowKey,
    MarkDeadlines,
    Move,
    Park,
    ParkFact,
    Release,
    Reserve,
    SendReceipt,
    SetDeadline,
    Unpark,
    UnparkFact,
    Wake,
)
from shared.eventstore.tables import EVENTS

Cursor = psycopg.Cursor[tuple[Any, ...]]

_MOVE = """UPDATE positions SET position = t.position, digest = t.digest, kafka_offset = t.kafka_offset
           FROM unnest(%s::text[], %s::text[], %s::text[], %s::int[], %s::bigint[], %s::bytea[], %s::bigint[],
                       %s::bigint[]) AS t(consumer, source, topic, partition, position, digest, kafka_offset, expected)
           WHERE (positions.consumer, positions.source, positions.topic, positions.partition, positions.position)
               = (t.consumer, t.source, t.topic, t.partition, t.expected)"""
_SEED = """INSERT INTO positions (consumer, source, topic, partition, position, digest, kafka_offset)
           SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::int[], %s::bigint[], %s::bytea[], %s::bigint[])
           ON CONFLICT DO NOTHING"""


def move(cursor: Cursor, wanted: Sequence[Move]) -> bool:
    """Compare-and-set of positions; False where another worker was there first: then roll back."""
    seeds = [(*each.key, *each.new) for each in wanted if each.expected is None]
    moves = [(*each.key, *each.new, each.expected) for each in wanted if each.expected is not None]
    for query, rows in ((_SEED, seeds), (_MOVE, moves)):
        if rows and cursor.execute(query, _columns(rows)).rowcount != len(rows):
            return False
    return True


def effects(cursor: Cursor, wanted: Iterable[Effect]) -> None:
    """Writes effects, table by table, in order within a table; neighbours of one kind in one statement.

    Effects on different tables do not see each other, so a batch needs a few statements, not a few for each unit.
    """
    by_table = sorted(_settled(wanted), key=lambda effect: _PLACES.get(type(effect), ("", 0)))
    for kind, group in groupby(by_table, type):
        _WRITERS.get(kind, _never)(cursor, list(group))


def _settled(wanted: Iterable[Effect]) -> Iterable[Effect]:
    """Of each parked submission only what became of it last: so that all that park, and all that end, go together.

    Waking comes after them. Whoever was parked behind a wake is woken too, and parks again.
    """
    last: dict[object, Effect] = {}
    for number, effect in enumerate(wanted):
        key = (effect.receipt_id, effect.digest) if isinstance(effect, Park | Unpark) else number
        last.pop(key, None)
        last[key] = effect
    return last.values()


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _reserve(cursor: Cursor, rows: Sequence[Reserve]) -> None:
    query = "INSERT INTO reservations (scope, key, holder) SELECT * FROM unnest(%s::text[], %s::text[], %s::text[])"
    cursor.execute(query, _columns(rows))


def _release(cursor: Cursor, rows: Sequence[Release]) -> None:
    query = "DELETE FROM reservations WHERE (scope, key) IN (SELECT * FROM unnest(%s::text[], %s::text[]))"
    cursor.execute(query, _columns(rows))


def _set_deadlines(cursor: Cursor, rows: Sequence[SetDeadline]) -> None:
    query = """INSERT INTO deadlines (kind, key, due, marked)
               SELECT kind, key, due, false FROM unnest(%s::text[], %s::text[], %s::date[]) AS t(kind, key, due)
               ON CONFLICT DO NOTHING"""
    cursor.execute(query, _columns(rows))


def _clear_deadlines(cursor: Cursor, rows: Sequence[ClearDeadline]) -> None:
    query = "DELETE FROM deadlines WHERE (kind, key) IN (SELECT * FROM unnest(%s::text[], %s::text[]))"
    cursor.execute(query, _columns(rows))


def _mark_deadlines(cursor: Cursor, rows: Sequence[MarkDeadlines]) -> None:
    cursor.execute("UPDATE deadlines SET marked = true WHERE due <= %s", (max(row.through for row in rows),))


def _wake(cursor: Cursor, rows: Sequence[Wake]) -> None:
    query = "UPDATE parked SET ready = true WHERE awaited = ANY(%s)"
    cursor.execute(query, ([row.awaited for row in rows],))


def _know_keys(cursor: Cursor, rows: Sequence[KnowKey]) -> None:
    query = """INSERT INTO institution_keys (key_id, uscc, kind, region, public_key, valid_from, valid_until)
               SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::bytea[],
                                    %s::timestamptz[], %s::timestamptz[])
               ON CONFLICT (key_id) DO UPDATE SET valid_until = EXCLUDED.valid_until"""
    cursor.execute(query, _columns(list({row.key_id: row for row in rows}.values())))


def _end_keys(cursor: Cursor, rows: Sequence[EndKey]) -> None:
    query = """UPDATE institution_keys SET valid_until = least(institution_keys.valid_until, ended.valid_until)
               FROM (SELECT key_id, min(valid_until) AS valid_until
                     FROM unnest(%s::text[], %s::timestamptz[]) AS t(key_id, valid_until) GROUP BY key_id) AS ended
               WHERE institution_keys.key_id = ended.key_id"""
    cursor.execute(query, _columns(rows))


def _send_receipts(cursor: Cursor, rows: Sequence[SendReceipt]) -> None:
    # A stored receipt that is sent again comes without a fact: the notice is given here.
    query = """WITH due AS (INSERT INTO receipt_outbox (institution, receipt_id, version)
                            SELECT * FROM unnest(%s::text[], %s::uuid[], %s::bigint[]) RETURNING seq)
               SELECT pg_notify(%s, '') FROM due LIMIT 1"""
    cursor.execute(query, (*_columns(rows), EVENTS))


def _unpark(cursor: Cursor, rows: Sequence[Unpark]) -> None:
    query = "DELETE FROM parked WHERE (receipt_id, digest) IN (SELECT * FROM unnest(%s::uuid[], %s::text[]))"
    cursor.execute(query, _columns(rows))


def _know_facts(cursor: Cursor, rows: Sequence[KnowFact]) -> None:
    query = """INSERT INTO foreign_facts (type, subject, version, state)
               SELECT * FROM unnest(%s::text[], %s::uuid[], %s::bigint[], %s::bytea[]) ON CONFLICT DO NOTHING"""
    cursor.execute(query, _columns(rows))


def _answers(cursor: Cursor, rows: Sequence[Answer]) -> None:
    query = """INSERT INTO http_commands (causation_id, digest, answer)
               SELECT * FROM unnest(%s::uuid[], %s::bytea[], %s::bytea[])"""
    cursor.execute(query, _columns(rows))


def _park(cursor: Cursor, rows: Sequence[Park]) -> None:
    query = """INSERT INTO parked (receipt_id, digest, awaited, ready, institution, submission_id, submission_type,
                                   jws, topic, partition, kafka_offset, logged_at, traceparent, claimed)
               SELECT r, d, a, false, i, s, st, j, t, p, o, l, tp, c
               FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
                           %s::text[], %s::int[], %s::bigint[], %s::timestamptz[], %s::text[], %s::text[])
                    AS x(r, d, a, i, s, st, j, t, p, o, l, tp, c)
               ON CONFLICT (receipt_id, digest) DO UPDATE SET awaited = EXCLUDED.awaited, ready = false"""
    cursor.execute(query, _columns(rows))


def _park_facts(cursor: Cursor, rows: Sequence[ParkFact]) -> None:
    query = """INSERT INTO parked_facts (id, consumer, key, source, topic, partition, position, kafka_offset, type,
                                         state, error, trace, traceparent, parked_at)
               SELECT * FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::int[],
                                    %s::bigint[], %s::bigint[], %s::text[], %s::bytea[], %s::text[], %s::text[],
                                    %s::text[], %s::timestamptz[])
               ON CONFLICT (id) DO UPDATE SET error = EXCLUDED.error, trace = EXCLUDED.trace"""
    cursor.execute(query, _columns(list({row.id: row for row in rows}.values())))


def _unpark_facts(cursor: Cursor, rows: Sequence[UnparkFact]) -> None:
    cursor.execute("DELETE FROM parked_facts WHERE id = ANY(%s::uuid[])", ([row.id for row in rows],))


def _never(_cursor: Cursor, rows: Sequence[Any]) -> NoReturn:
    raise TypeError(f"no table for {type(rows[0]).__name__}")


_WRITERS: dict[type, Any] = {
    Reserve: _reserve,
    Release: _release,
    SetDeadline: _set_deadlines,
    ClearDeadline: _clear_deadlines,
    MarkDeadlines: _mark_deadlines,
    Wake: _wake,
    KnowKey: _know_keys,
    EndKey: _end_keys,
    SendReceipt: _send_receipts,
    Unpark: _unpark,
    KnowFact: _know_facts,
    Answer: _answers,
    Park: _park,
    ParkFact: _park_facts,
    UnparkFact: _unpark_facts,
}

_PLACES: dict[type, tuple[str, int]] = {
    Reserve: ("reservations", 0),
    Release: ("reservations", 0),
    SetDeadline: ("deadlines", 0),
    ClearDeadline: ("deadlines", 0),
    MarkDeadlines: ("deadlines", 0),
    Park: ("parked", 0),
    Unpark: ("parked", 1),
    Wake: ("parked", 2),
    KnowKey: ("institution_keys", 0),
    EndKey: ("institution_keys", 0),
    ParkFact: ("parked_facts", 0),
    UnparkFact: ("parked_facts", 0),
    SendReceipt: ("receipt_outbox", 0),
    KnowFact: ("foreign_facts", 0),
    Answer: ("http_commands", 0),
}
"""Which table each effect is written to, and its turn there; those of one turn keep their order."""
