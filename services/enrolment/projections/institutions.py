"""Which organisations may send, with which keys, and whether a payee account is known."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import BigInteger, Boolean, Column, Connection, Date, DateTime, Index, Table, Text, select

from services.enrolment.projections.schema import metadata
from shared.contracts.enrolment import (
    InstitutionKeyRegistered,
    InstitutionKeyRevoked,
    InstitutionRegistered,
    PayeeAccountRegistered,
)
from shared.eventstore.projection import Projected, Projection
from shared.eventstore.upsert import Row, upsert

institutions = Table(
    "institutions",
    metadata,
    Column("uscc", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("region", Text, nullable=False),
    Column("registered_on", Date, nullable=False),
    Column("has_account", Boolean, nullable=False),
    Column("position", BigInteger, nullable=False),
    Index("institutions_kind_idx", "kind", "uscc"),
    comment="position: of the registration.",
)

institutions_keys = Table(
    "institutions_keys",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("uscc", Text, nullable=False),
    Column("public_key", Text, nullable=False),
    Column("valid_from", DateTime(timezone=True), nullable=False),
    Column("valid_until", DateTime(timezone=True)),
    Index("institutions_keys_uscc_idx", "uscc"),
    comment="For people to look at. What the intake verifies with is the kernel's institution_keys.",
)


def fold(connection: Connection, page: Sequence[Projected]) -> None:
    """Folds a page to one row an organisation and one a key. Folding twice changes nothing."""
    rows = _known(connection, {seen.fact.data.uscc for seen in page})
    keys = _ended(connection, page)
    for seen in page:
        match seen.fact.data:
            case InstitutionRegistered(uscc=uscc) as fact if uscc not in rows:
                rows[uscc] = _organisation(fact, seen)
            case PayeeAccountRegistered(uscc=uscc):
                rows[uscc]["has_account"] = True
            case InstitutionKeyRegistered(key_id=key_id) as fact:
                keys[key_id] = {name.key: getattr(fact, name.key) for name in institutions_keys.columns}
            case InstitutionKeyRevoked(key_id=key_id, valid_until=end):
                keys[key_id]["valid_until"] = end
            case _:
                pass
    upsert(connection, institutions, list(rows.values()))
    upsert(connection, institutions_keys, list(keys.values()))


def _known(connection: Connection, usccs: set[str]) -> dict[str, Row]:
    query = select(institutions).where(institutions.c.uscc.in_(usccs))
    return {row["uscc"]: dict(row) for row in connection.execute(query).mappings()}


def _ended(connection: Connection, page: Sequence[Projected]) -> dict[str, Row]:
    """The keys on the books that a page ends; those that it brings itself come with it."""
    ended = {seen.fact.data.key_id for seen in page if isinstance(seen.fact.data, InstitutionKeyRevoked)}
    query = select(institutions_keys).where(institutions_keys.c.key_id.in_(ended))
    return {row["key_id"]: dict(row) for row in connection.execute(query).mappings()} if ended else {}


def _organisation(fact: InstitutionRegistered, seen: Projected) -> Row:
    return {
        "uscc": fact.uscc,
        "name": fact.name,
        "kind": fact.kind,
        "region": fact.region,
        "registered_on": seen.fact.businessdate,
        "has_account": False,
        "position": seen.position,
    }


def find(connection: Connection, uscc: str) -> Row | None:
    """One organisation, or None where it is unknown or not folded in yet."""
    return _known(connection, {uscc}).get(uscc)


def keys_of(connection: Connection, uscc: str, *, limit: int) -> list[Row]:
    """An organisation's keys, the newest first."""
    columns = institutions_keys.c
    query = (
        select(institutions_keys)
        .where(columns.uscc == uscc)
        .order_by(columns.valid_from.desc(), columns.key_id)
        .limit(limit)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def list_institutions(connection: Connection, *, kind: str | None, after: str, limit: int) -> list[Row]:
    """Organisations by USCC, from the first above `after`; `kind` None takes every one."""
    query = select(institutions).where(institutions.c.uscc > after)
    if kind is not None:
        query = query.where(institutions.c.kind == kind)
    page = query.order_by(institutions.c.uscc).limit(limit)
    return [dict(row) for row in connection.execute(page).mappings()]


projection = Projection(
    name="institutions",
    tables=(institutions, institutions_keys),
    reads=(InstitutionRegistered, InstitutionKeyRegistered, InstitutionKeyRevoked, PayeeAccountRegistered),
    fold=fold,
)
