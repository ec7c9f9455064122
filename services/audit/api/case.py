"""Which facts are there about a case? Every fact of every service, by stream and by episode, from the ledger."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from services.audit.ledger.reading import Logged, entries_about
from services.audit.projections.claims import ACCOUNT, related
from shared.contracts.fact import Envelope
from shared.eventstore.upsert import Row
from shared.identity import is_uuid

_any_fact = msgspec.json.Decoder(Envelope[msgspec.Raw])


def facts_about(connection: Connection, claim_id: str, *, before: int, limit: int) -> list[Row]:
    """The facts that a claim rests on, and the receipts of the submissions that led to them.

    The claim's own, its enrolment's, class's, candidate's and batches', those of the person's account that are
    about this claim. Of the entries with an index below `before`, at most `limit` of each of the three kinds, the
    earliest in the ledger.
    """
    cases = related(connection, claim_id)
    accounts = {parent for kind, parent in cases if kind == ACCOUNT}
    subjects = {claim_id, *(parent for _, parent in cases)} - accounts
    facts = _rows(connection, subjects, before, limit)
    of_accounts = _rows(connection, accounts, before, limit)
    facts += [row for row in of_accounts if row["correlation"] == claim_id]
    causes = {row["causation"] for row in facts} - {row["subject"] for row in facts}
    return facts + _rows(connection, causes, before, limit)


def facts_of_stream(connection: Connection, stream: UUID, limit: int) -> list[Row]:
    """The facts of one stream, at most `limit`, the earliest in the ledger."""
    return list(_read(entries_about(connection, [stream], limit=limit)))


def _rows(connection: Connection, subjects: Collection[str], before: int, limit: int) -> list[Row]:
    streams = [UUID(name) for name in subjects if is_uuid(name)]
    return list(_read(entries_about(connection, streams, before=before, limit=limit)))


def _read(found: Iterable[Logged]) -> Iterable[Row]:
    """What the envelopes say; an entry that holds none is no fact of the case, whatever stream it names."""
    for logged in found:
        try:
            fact = _any_fact.decode(logged.entry)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            continue
        if fact.occurredat.tzinfo is None:
            continue
        yield {
            "index": logged.index,
            "entry": logged.entry,
            "fact_id": fact.id,
            "type": logged.type,
            "subject": fact.subject,
            "streamversion": fact.streamversion,
            "occurredat": fact.occurredat,
            "businessdate": fact.businessdate,
            "actor": fact.actor,
            "correlation": fact.correlationid,
            "causation": fact.causationid,
        }
