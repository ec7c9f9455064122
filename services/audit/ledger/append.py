"""Appending to the log: entries, full tiles, head and checkpoint, in a transaction that holds the head's row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from struct import Struct
from typing import Any, NamedTuple, cast
from uuid import UUID, uuid5

import msgspec
import psycopg
from psycopg.rows import tuple_row
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from services.audit.ledger.runs import Run, encode_runs, runs_of
from shared.contracts.fact import header
from shared.eventstore.sql import GONE
from shared.eventstore.store import Unavailable
from shared.eventstore.tables import EVENTS
from shared.identity import NAMESPACE
from shared.tlog.checkpoint import Checkpoint, sign_checkpoint
from shared.tlog.hashing import EMPTY_ROOT, HASH_SIZE, leaf_hash
from shared.tlog.notes import Signer
from shared.tlog.tree import Edge, Growth

Cursor = psycopg.Cursor[tuple[Any, ...]]

LOCK_TIMEOUT = "5s"
_LOCK_HEAD = f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'; SELECT size FROM head FOR UPDATE"  # noqa: S608

_COPY = """COPY entries (index, source, topic, partition, position, fact_id, subject, type, entry)
           FROM STDIN (FORMAT BINARY)"""
_COLUMNS = 9
_SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END = b"\xff\xff"
_LENGTH = Struct(">i").pack
_INDEX = Struct(">hiq").pack
_PARTITION = Struct(">ii").pack
_POSITION_AND_ID = Struct(">iqi16s").pack
_UUID = Struct(">i16s").pack
_NULL = _LENGTH(-1)


class Leaf(NamedTuple):
    """A record about to be ledgered.

    Attributes:
        fact_id: 16 bytes: the CloudEvents id, or UUIDv5 of the entry's digest where it has no readable one.
        subject: 16 bytes: the stream; None where it is no UUID.
        type: the CloudEvents type, or b"" where it has none.
        hash: the leaf hash.
        entry: the record's value, byte for byte.
    """

    source: str
    topic: str
    partition: int
    position: int
    fact_id: bytes
    subject: bytes | None
    type: bytes
    hash: bytes
    entry: bytes


def make_leaf(source: str, topic: str, partition: int, position: int, entry: bytes) -> Leaf:
    """The leaf of a record. Whatever its bytes are, they are ledgered: what they say only helps to find them."""
    fact_id, subject, kind = identify(entry)
    return Leaf(source, topic, partition, position, fact_id, subject, kind, leaf_hash(entry), entry)


def identify(entry: bytes) -> tuple[bytes, bytes | None, bytes]:
    """Fact id, subject and type of an entry, see `Leaf`."""
    try:
        known = header(entry)
        return _uuid_bytes(known.id), _stream_bytes(known.subject), _type_bytes(known.type)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError):
        return uuid5(NAMESPACE, sha256(entry).hexdigest()).bytes, None, b""


def _stream_bytes(text: str) -> bytes | None:
    try:
        return _uuid_bytes(text)
    except ValueError:
        return None


def _uuid_bytes(text: str) -> bytes:
    if len(text) != len("00000000-0000-0000-0000-000000000000"):
        raise ValueError("not a UUID in canonical form")
    return bytes.fromhex(text.replace("-", "")) if text.count("-") == 4 else UUID(text).bytes


@lru_cache(maxsize=4_096)
def _type_bytes(name: str) -> bytes:
    # PostgreSQL's text can't hold NUL, and an index entry not everything.
    if not name.isascii() or not name.isprintable() or len(name) > 200:
        raise ValueError("not a type's name")
    return name.encode()


def copy_rows(leaves: Sequence[Leaf], first: int) -> bytes:
    """The binary COPY form (PostgreSQL manual, COPY, "Binary Format") of leaves numbered from `first` on."""
    out = [_SIGNATURE]
    add = out.append
    for index, leaf in enumerate(leaves, first):
        add(_INDEX(_COLUMNS, 8, index))
        add(_place(leaf.source, leaf.topic, leaf.partition))
        add(_POSITION_AND_ID(8, leaf.position, 16, leaf.fact_id))
        add(_NULL if leaf.subject is None else _UUID(16, leaf.subject))
        add(_LENGTH(len(leaf.type)))
        add(leaf.type)
        add(_LENGTH(len(leaf.entry)))
        add(leaf.entry)
    add(_END)
    return b"".join(out)


@lru_cache(maxsize=256)
def _place(source: str, topic: str, partition: int) -> bytes:
    texts = [_LENGTH(len(encoded)) + encoded for encoded in (source.encode(), topic.encode())]
    return b"".join([*texts, _PARTITION(4, partition)])


@contextmanager
def transaction(engine: Engine) -> Iterator[Cursor]:
    """A transaction's cursor on SQLAlchemy's connection. Raises: Unavailable."""
    try:
        with engine.begin() as connection:
            driver = cast("psycopg.Connection[Any]", connection.connection.driver_connection)
            with driver.cursor(row_factory=tuple_row) as cursor:
                yield cursor
    except GONE as error:
        raise Unavailable(type(error).__name__) from error
    except DBAPIError as error:
        raise Unavailable(type(error.orig).__name__) from error


def lock_head(cursor: Cursor, known: Edge | None = None) -> Edge:
    """Locks the head's row, the first lock of every append. Returns the log's edge.

    `known` is an edge in memory, returned as it is while the log still has its size: it only grows.
    """
    cursor.execute(_LOCK_HEAD, prepare=False).nextset()  # two statements in one round trip
    row = cursor.fetchone()
    if row is None:
        seed = "INSERT INTO head (one, size, root, edge) VALUES (true, 0, %s, '') ON CONFLICT DO NOTHING"
        cursor.execute(seed, (EMPTY_ROOT,))
        row = cursor.execute("SELECT size FROM head FOR UPDATE").fetchone()
    assert row is not None
    if known is not None and known.size == row[0]:
        return known
    stored = cursor.execute("SELECT size, edge FROM head", binary=True).fetchone()
    assert stored is not None
    return edge_of(*stored)


def append(cursor: Cursor, edge: Edge, leaves: Sequence[Leaf], signer: Signer) -> Edge:
    """Writes leaves behind those of `edge`, which `lock_head` gave. Returns the new edge, true once committed."""
    with cursor.copy(_COPY) as copy:
        copy.write(copy_rows(leaves, edge.size))
    growth = edge.append([leaf.hash for leaf in leaves])
    root = growth.edge.root()
    _write_tiles(cursor, growth)
    new = growth.edge
    cursor.execute("UPDATE head SET size = %s, root = %s, edge = %s", (new.size, root, b"".join(new.levels)))
    runs = runs_of((leaf.source, leaf.topic, leaf.partition) for leaf in leaves)
    write_checkpoint(cursor, Checkpoint(signer.vkey.name, new.size, root), signer, runs)
    cursor.execute(f"NOTIFY {EVENTS}")
    return new


def _write_tiles(cursor: Cursor, growth: Growth) -> None:
    if growth.tiles:
        query = """INSERT INTO tiles (level, index, hashes)
                   SELECT * FROM unnest(%s::int[], %s::bigint[], %s::bytea[])"""
        columns = zip(*((tile.level, tile.index, tile.hashes) for tile in growth.tiles), strict=True)
        cursor.execute(query, [list(column) for column in columns])


def write_checkpoint(
    cursor: Cursor, checkpoint: Checkpoint, signer: Signer, runs: Sequence[Run] = ()
) -> None:
    """Signs and keeps a checkpoint. One of the same size is never signed again: the first stays."""
    query = """INSERT INTO checkpoints (size, root, note, made_at, published, runs)
               VALUES (%s, %s, %s, %s, false, %s) ON CONFLICT DO NOTHING"""
    note = sign_checkpoint(checkpoint, [signer])
    values = checkpoint.size, checkpoint.root, note, datetime.now(UTC), encode_runs(runs)
    cursor.execute(query, values)


def open_ledger(engine: Engine, signer: Signer) -> int:
    """Makes the head, and a signed checkpoint of the empty log, where there is none. Returns the log's size."""
    with transaction(engine) as cursor:
        edge = lock_head(cursor)
        if edge.size == 0:
            write_checkpoint(cursor, Checkpoint(signer.vkey.name, 0, EMPTY_ROOT), signer)
        return edge.size


def edge_of(size: int, joined: bytes) -> Edge:
    """The edge of a head's row. Raises: ValueError: the hashes are not an edge of that size."""
    levels, at, rest = [], 0, size
    while rest:
        width = (rest & 255) * HASH_SIZE
        levels.append(joined[at : at + width])
        at += width
        rest >>= 8
    return Edge(size, tuple(levels))
