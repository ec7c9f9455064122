"""The kernel's tables: one definition, which each service's first migration includes.

Only `events` is history. Every other table here can be rebuilt: from facts by `effects`, from Kafka by position.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
)

metadata = MetaData()

EVENTS = "events"

events = Table(
    EVENTS,
    metadata,
    Column("originator_id", Uuid, nullable=False),
    Column("originator_version", BigInteger, nullable=False),
    Column("topic", Text),
    Column("state", LargeBinary),
    Column("notification_id", BigInteger, Identity(always=False), nullable=False),
    PrimaryKeyConstraint("originator_id", "originator_version"),
    Index("events_notification_id_idx", "notification_id", unique=True),
    comment="The library's layout. The event table is the outbox: commit order is position order.",
)

store = Table(
    "store",
    metadata,
    Column("incarnation", Uuid, primary_key=True),
    comment="One row: which incarnation of this store wrote the positions. A new store gets a new one.",
)

positions = Table(
    "positions",
    metadata,
    Column("consumer", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("kafka_offset", BigInteger, nullable=False),
    PrimaryKeyConstraint("consumer", "source", "topic", "partition"),
    comment="How far a consumer has decided, moved by compare-and-set in the batch's own transaction.",
)

reservations = Table(
    "reservations",
    metadata,
    Column("scope", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("holder", Text, nullable=False),
    PrimaryKeyConstraint("scope", "key"),
    comment="Names that only one may hold. Written by effects of facts alone.",
)

deadlines = Table(
    "deadlines",
    metadata,
    Column("kind", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("due", Date, nullable=False),
    Column("marked", Boolean, nullable=False),
    PrimaryKeyConstraint("kind", "key"),
    Index("deadlines_due_idx", "due"),
    comment="Adopting the day after `due` marks the row; a marked row takes only the deadline's command.",
)

foreign_facts = Table(
    "foreign_facts",
    metadata,
    Column("type", Text, nullable=False),
    Column("subject", Uuid, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("state", LargeBinary, nullable=False),
    PrimaryKeyConstraint("type", "subject", "version"),
    comment="Facts of other services that decisions here rest on, as their own bytes.",
)

institution_keys = Table(
    "institution_keys",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("uscc", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("region", Text, nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("valid_from", DateTime(timezone=True), nullable=False),
    Column("valid_until", DateTime(timezone=True)),
    comment="Signing keys of organisations, from enrolment's facts.",
)

parked = Table(
    "parked",
    metadata,
    Column("seq", BigInteger, Identity(always=False), nullable=False, unique=True),
    Column("receipt_id", Uuid, nullable=False),
    Column("digest", Text, nullable=False),
    Column("awaited", Text, nullable=False),
    Column("ready", Boolean, nullable=False),
    Column("institution", Text, nullable=False),
    Column("submission_id", Text, nullable=False),
    Column("submission_type", Text, nullable=False),
    Column("jws", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("kafka_offset", BigInteger, nullable=False),
    Column("logged_at", DateTime(timezone=True), nullable=False),
    Column("traceparent", Text, nullable=False),
    Column("claimed", Text, nullable=False, server_default=""),
    PrimaryKeyConstraint("receipt_id", "digest"),
    Index("parked_awaited_idx", "awaited"),
    comment="Submissions that wait; the body lies sealed in the vault under its digest.",
)

parked_facts = Table(
    "parked_facts",
    metadata,
    Column("seq", BigInteger, Identity(always=False), nullable=False, unique=True),
    Column("id", Uuid, primary_key=True),
    Column("consumer", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("kafka_offset", BigInteger, nullable=False),
    Column("type", Text, nullable=False),
    Column("state", LargeBinary, nullable=False),
    Column("error", Text, nullable=False),
    Column("trace", Text, nullable=False),
    Column("traceparent", Text, nullable=False),
    Column("parked_at", DateTime(timezone=True), nullable=False),
    Index("parked_facts_key_idx", "consumer", "key", "seq"),
    comment="Foreign facts that could not be taken in, and those of their keys that wait behind them.",
)

receipt_outbox = Table(
    "receipt_outbox",
    metadata,
    Column("seq", BigInteger, Identity(always=False), primary_key=True),
    Column("institution", Text, nullable=False),
    Column("receipt_id", Uuid, nullable=False),
    Column("version", BigInteger, nullable=False),
    Index("receipt_outbox_institution_idx", "institution", "seq"),
    comment="Receipts still to be sent, or sent again. A row goes when the broker has acknowledged it.",
)

rebuilds = Table(
    "rebuilds",
    metadata,
    Column("consumer", Text, primary_key=True),
    Column("rebuilt_at", DateTime(timezone=True), nullable=False),
    Column("facts", BigInteger, nullable=False),
    comment="When each read model was last built anew, from how much; written with its switch.",
)

relay = Table(
    "relay",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("cursor", BigInteger, nullable=False),
    comment="How far the event table is known to be published; may lag, the position chain drops repeats.",
)

http_commands = Table(
    "http_commands",
    metadata,
    Column("causation_id", Uuid, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("answer", LargeBinary, nullable=False),
    comment="Answers to HTTP commands by UUIDv5 of service, actor and Idempotency-Key.",
)
