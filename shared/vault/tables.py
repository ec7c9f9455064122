"""The vault's tables, as its migrations leave them (a test compares both).

Whoever may read a table's plain columns learns random ids, digests and indexes; values lie in sealed columns.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    Uuid,
    func,
)
from sqlalchemy.dialects.postgresql import ARRAY

metadata = MetaData()


class Id(TypeDecorator[str]):
    """An id in canonical text form, checked before it is sent.

    PostgreSQL would quote what is no UUID in its error and its log, and a caller's mistake may be an ID number.
    """

    impl = Uuid(as_uuid=False)
    cache_ok = True

    def process_bind_param(self, value: str | None, _dialect: Dialect) -> str | None:
        """Raises: ValueError, without the value."""
        return None if value is None else str(UUID(value))


persons = Table(
    "persons",
    metadata,
    Column("person_id", Id, primary_key=True),
    Column("blind_index", LargeBinary, nullable=False, unique=True),
    Column("erased_at", DateTime(timezone=True)),
    comment="One row an ID number, for ever: the blind index outlives erasure, or the no-repeat rule leaks.",
)

data_keys = Table(
    "data_keys",
    metadata,
    Column("person_id", Id, ForeignKey(persons.c.person_id), primary_key=True),
    Column("key_id", Text, nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    comment="Deleting a row is the erasure: what was sealed under it can never be read again.",
)

sealed_values = Table(
    "sealed_values",
    metadata,
    Column("person_id", Id, ForeignKey(data_keys.c.person_id, ondelete="CASCADE"), nullable=False),
    Column("field", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    PrimaryKeyConstraint("person_id", "field"),
    comment="A person's name, ID number and phone, as first submitted. Gone with the data key.",
)

steps = Table(
    "steps",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("person_id", Id, ForeignKey(persons.c.person_id), nullable=False, index=True),
    comment="Submissions whose person is resolved; a repetition gets what stands here.",
)

commitments = Table(
    "commitments",
    metadata,
    Column("digest", Text, ForeignKey(steps.c.digest), nullable=False),
    Column("field", Text, nullable=False),
    Column("commitment", Text, nullable=False),
    Column("sealed", LargeBinary),
    PrimaryKeyConstraint("digest", "field"),
    comment="Commitments of a submission; salt and value sealed under the person's data key, null once erased.",
)

evidence = Table(
    "evidence",
    metadata,
    Column("service", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("person_id", Id, ForeignKey(persons.c.person_id), index=True),
    Column("sealed", LargeBinary),
    Column("received_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    PrimaryKeyConstraint("service", "digest"),
    comment="Raw submissions under the person's data key, else the service's; null once the person is erased.",
)

payee_accounts = Table(
    "payee_accounts",
    metadata,
    Column("account_id", Id, primary_key=True),
    Column("owner_kind", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("number_index", LargeBinary, nullable=False),
    Column("commitment", Text, nullable=False),
    Column("sealed", LargeBinary),
    UniqueConstraint("owner_kind", "owner", "number_index"),
    CheckConstraint("owner_kind IN ('PERSON', 'INSTITUTION')", name="payee_accounts_owner_kind"),
    comment="Accounts that money goes to; number, holder and bank are sealed together, null once erased.",
)

erasures = Table(
    "erasures",
    metadata,
    Column("person_id", Id, ForeignKey(persons.c.person_id), nullable=False),
    Column("order_no", Integer, nullable=False),
    Column("data_keys", Integer, nullable=False),
    Column("values", Integer, nullable=False),
    Column("commitments", Integer, nullable=False),
    Column("submissions", Integer, nullable=False),
    Column("accounts", Integer, nullable=False),
    Column("erased_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    PrimaryKeyConstraint("person_id", "order_no"),
    comment="What each order deleted, as counts: the same order again deletes nothing and gets what stands here.",
)

directory = Table(
    "directory",
    metadata,
    Column("handler_id", Text, primary_key=True),
    Column("sealed_name", LargeBinary, nullable=False),
    Column("post", Text, nullable=False),
    Column("organisation", Text, nullable=False),
    Column("duties", ARRAY(Text), nullable=False),
    Column("active", Boolean, nullable=False),
    comment="The handlers: names for the entitled, posts and duties. Written by the database's owner alone.",
)

service_keys = Table(
    "service_keys",
    metadata,
    Column("name", Text, primary_key=True),
    Column("key_id", Text, nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    comment="Keys of no person: the index secret, each service's evidence key, institutions' accounts, directory.",
)
