"""The ledger's tables. `entries` is the log; tiles and head follow from it, checkpoints are promises about it.

Nothing here is ever changed but the head's one row and a checkpoint's `published`.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

metadata = MetaData()

entries = Table(
    "entries",
    metadata,
    Column("index", BigInteger, primary_key=True, autoincrement=False),
    Column("source", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("fact_id", Uuid, nullable=False),
    Column("subject", Uuid),
    Column("type", Text, nullable=False),
    Column("entry", LargeBinary, nullable=False),
    UniqueConstraint("source", "partition", "position", name="entries_position_key"),
    Index("entries_fact_id_idx", "fact_id"),
    Index("entries_subject_idx", "subject"),
    comment="entry: the record's value, byte for byte; the leaf. index: from 0 without a gap. fact_id, subject and "
    "type are what it says, for finding it; null and '' where it says none that is readable.",
)

tiles = Table(
    "tiles",
    metadata,
    Column("level", Integer, nullable=False),
    Column("index", BigInteger, nullable=False),
    Column("hashes", LargeBinary, nullable=False),
    PrimaryKeyConstraint("level", "index"),
    comment="Full tiles only: 256 hashes of 32 bytes. The partial ones stand in the head's edge.",
)

head = Table(
    "head",
    metadata,
    Column("one", Boolean, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("edge", LargeBinary, nullable=False),
    CheckConstraint("one", name="head_one"),
    comment="One row. Its lock makes the log's order: whoever appends holds it. edge: the partial tiles' hashes.",
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("root", LargeBinary, nullable=False),
    Column("note", Text, nullable=False),
    Column("made_at", DateTime(timezone=True), nullable=False),
    Column("published", Boolean, nullable=False),
    Column("runs", Text, nullable=False, server_default="[]"),
    Index("checkpoints_unpublished_idx", "size", postgresql_where=text("NOT published")),
    comment="Every signed checkpoint, kept for ever: another one of the same size must never be signed. runs: where "
    "the leaves since the checkpoint before came from, in order, as its record tells it.",
)
