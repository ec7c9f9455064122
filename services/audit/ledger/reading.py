"""Reading the log: checkpoint, tiles, bundles and single entries, each as of one snapshot."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    BindParameter,
    Connection,
    Integer,
    Text,
    Uuid,
    func,
    literal,
    select,
    tuple_,
)

from services.audit.ledger.append import edge_of
from services.audit.ledger.tables import checkpoints, entries, head, tiles
from shared.eventstore.sql import rows_of
from shared.tlog.hashing import HASH_SIZE
from shared.tlog.tiles import TILE_WIDTH, BundleRef, TileRef, encode_bundle

Place = tuple[str, int, int]
"""Source, partition, position."""


_BEYOND = 1 << 62
"""No log has as many entries, and PostgreSQL's bigint hardly more."""

_ABOUT = """SELECT index, type, entry
            FROM (SELECT index, type, entry FROM entries WHERE subject = ANY(%s) AND index < %s OFFSET 0) AS found
            ORDER BY index LIMIT %s"""
"""By stream first, whatever the planner thinks of reading in order until it has found enough."""


@dataclass(frozen=True, slots=True)
class Logged:
    """An entry with its index; `type` is "" where it has no readable one."""

    index: int
    type: str
    entry: bytes


def checkpoint_note(connection: Connection) -> str | None:
    """The newest signed checkpoint; None before the ledger was opened."""
    query = select(checkpoints.c.note).order_by(checkpoints.c.size.desc()).limit(1)
    return connection.scalar(query)


def published_note(connection: Connection) -> str | None:
    """The newest checkpoint that everyone can have by its topic; one that only this database knows could be lost."""
    query = (
        select(checkpoints.c.note).where(checkpoints.c.published).order_by(checkpoints.c.size.desc()).limit(1)
    )
    return connection.scalar(query)


def unpublished(connection: Connection) -> int:
    """How many checkpoints are not on their topic yet."""
    return connection.scalar(select(func.count()).where(~checkpoints.c.published)) or 0


def ledger_size(connection: Connection) -> int:
    """How many entries are committed."""
    return connection.scalar(select(head.c.size)) or 0


def read_tile(connection: Connection, ref: TileRef) -> bytes | None:
    """A tile's first `width` hashes; None where the log has no such tile yet.

    Any width that the log has had is served: of the full tile, or of the head's partial one.
    """
    if ref.index >= _BEYOND:
        return None
    full = select(tiles.c.hashes).where(tiles.c.level == ref.level, tiles.c.index == ref.index)
    row = connection.execute(select(full.scalar_subquery(), head.c.size, head.c.edge)).one_or_none()
    if row is None:
        return None
    hashes, size, edge = row
    if hashes is None and size >> 8 * (ref.level + 1) == ref.index:
        hashes = edge_of(size, edge).partial_tile(ref.level)
    wanted = ref.width * HASH_SIZE
    return None if hashes is None or len(hashes) < wanted else bytes(hashes[:wanted])


def read_bundle(connection: Connection, ref: BundleRef) -> bytes | None:
    """An entry bundle of `width` entries; None where the log has not as many yet."""
    first = ref.index * TILE_WIDTH
    if first >= _BEYOND:
        return None
    query = select(entries.c.entry).where(entries.c.index.between(first, first + ref.width - 1))
    found = list(connection.scalars(query.order_by(entries.c.index)))
    return encode_bundle(found) if len(found) == ref.width else None


def index_of(connection: Connection, fact_id: UUID) -> int | None:
    """The index of the first entry with this fact id."""
    found: int | None = connection.scalar(
        select(func.min(entries.c.index)).where(entries.c.fact_id == fact_id)
    )
    return found


def entries_named(connection: Connection, fact_ids: Sequence[UUID]) -> dict[int, bytes]:
    """Entries with these fact ids, by index."""
    wanted = func.any(literal(list(fact_ids), ARRAY(Uuid)))
    query = select(entries.c.index, entries.c.entry).where(entries.c.fact_id == wanted)
    return {row[0]: row[1] for row in connection.execute(query)}


def entries_at(connection: Connection, places: Sequence[Place]) -> dict[Place, bytes]:
    """Entries by where they came from."""
    sources, partitions, positions = zip(*places, strict=True)
    wanted = select(
        func.unnest(literal(list(sources), ARRAY(Text))),
        func.unnest(literal(list(partitions), ARRAY(Integer))),
        func.unnest(_bigints(positions)),
    )
    place = (entries.c.source, entries.c.partition, entries.c.position)
    query = select(*place, entries.c.entry).where(tuple_(*place).in_(wanted))
    return {(row[0], row[1], row[2]): row[3] for row in connection.execute(query)}


def places(
    connection: Connection, source: str, partition: int, *, after: int, limit: int
) -> list[tuple[int, int]]:
    """Position and index of a source's leaves on a partition, after a position, in order of both."""
    query = select(entries.c.position, entries.c.index).where(
        entries.c.source == source, entries.c.partition == partition, entries.c.position > after
    )
    rows = connection.execute(query.order_by(entries.c.position).limit(limit))
    return [(position, index) for position, index in rows]


def entries_about(
    connection: Connection, streams: Collection[UUID], *, before: int = _BEYOND, limit: int
) -> Sequence[Logged]:
    """Entries of these streams with an index below `before`, in order, at most `limit`."""
    values = [list(streams), before, limit]
    return [Logged(*row) for row in rows_of(connection, _ABOUT, values)] if streams else []


def page(
    connection: Connection, first: int, limit: int, types: Sequence[str] | None = None
) -> Sequence[Logged]:
    """Entries with an index in [first, first + limit), in order; of these types, or all."""
    query = "SELECT index, type, entry FROM entries WHERE index >= %s AND index < %s"
    values: list[object] = [first, first + limit]
    if types is not None:
        query, values = f"{query} AND type = ANY(%s)", [*values, list(types)]
    return [Logged(*row) for row in rows_of(connection, f"{query} ORDER BY index", values)]


def _bigints(values: Iterable[int]) -> BindParameter[list[int]]:
    return literal(list(values), ARRAY(BigInteger))
