"""The first tables, and what each service's role may do with them.

No service may change or delete anything: what is sealed stays as it was first sealed. Erasure, change of the
master key and the directory are the database owner's.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

from shared.vault.errors import VaultFault

revision = "v0001"
down_revision = None
branch_labels = None
depends_on = None

_TABLES = (
    """CREATE TABLE persons (
        person_id uuid PRIMARY KEY,
        blind_index bytea NOT NULL UNIQUE,
        erased_at timestamptz
    )""",
    """CREATE TABLE data_keys (
        person_id uuid PRIMARY KEY REFERENCES persons (person_id),
        key_id text NOT NULL,
        wrapped bytea NOT NULL
    )""",
    """CREATE TABLE sealed_values (
        person_id uuid NOT NULL REFERENCES data_keys (person_id) ON DELETE CASCADE,
        field text NOT NULL,
        sealed bytea NOT NULL,
        PRIMARY KEY (person_id, field)
    )""",
    """CREATE TABLE steps (
        digest text PRIMARY KEY,
        person_id uuid NOT NULL REFERENCES persons (person_id)
    )""",
    "CREATE INDEX ix_steps_person_id ON steps (person_id)",
    """CREATE TABLE commitments (
        digest text NOT NULL REFERENCES steps (digest),
        field text NOT NULL,
        commitment text NOT NULL,
        sealed bytea,
        PRIMARY KEY (digest, field)
    )""",
    """CREATE TABLE evidence (
        service text NOT NULL,
        digest text NOT NULL,
        person_id uuid REFERENCES persons (person_id),
        sealed bytea,
        received_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (service, digest)
    )""",
    "CREATE INDEX ix_evidence_person_id ON evidence (person_id)",
    # Random bytes: neither compressible nor worth the attempt.
    "ALTER TABLE evidence ALTER COLUMN sealed SET STORAGE EXTERNAL",
    """CREATE TABLE payee_accounts (
        account_id uuid PRIMARY KEY,
        owner_kind text NOT NULL CONSTRAINT payee_accounts_owner_kind
            CHECK (owner_kind IN ('PERSON', 'INSTITUTION')),
        owner text NOT NULL,
        number_index bytea NOT NULL,
        commitment text NOT NULL,
        sealed bytea,
        UNIQUE (owner_kind, owner, number_index)
    )""",
    """CREATE TABLE directory (
        handler_id text PRIMARY KEY,
        sealed_name bytea NOT NULL,
        post text NOT NULL,
        organisation text NOT NULL,
        duties text[] NOT NULL,
        active boolean NOT NULL
    )""",
    """CREATE TABLE service_keys (
        name text PRIMARY KEY,
        key_id text NOT NULL,
        wrapped bytea NOT NULL
    )""",
)

_RESOLVES_PERSONS = (
    "SELECT, INSERT ON persons",
    "SELECT, INSERT ON data_keys",
    "SELECT (person_id, field), INSERT ON sealed_values",
    "SELECT, INSERT ON steps",
    "SELECT (digest, field, commitment), INSERT ON commitments",
    "SELECT, INSERT ON evidence",
    "SELECT, INSERT ON service_keys",
)
_GRANTS = {
    "vault_enrolment": (
        *_RESOLVES_PERSONS,
        "SELECT (account_id, owner_kind, owner, number_index, commitment), INSERT ON payee_accounts",
    ),
    "vault_certification": _RESOLVES_PERSONS,
    "vault_payment": (
        "SELECT ON persons",
        "SELECT ON data_keys",
        "SELECT ON sealed_values",  # age, and masked lines of the public notice
        "SELECT ON steps",
        "SELECT ON commitments",
        "SELECT, INSERT ON evidence",
        "SELECT, INSERT ON payee_accounts",
        "SELECT, INSERT ON service_keys",
    ),
    "vault_audit": (
        "SELECT ON data_keys",
        "SELECT ON sealed_values",
        "SELECT ON directory",
        "SELECT ON service_keys",
    ),
    "vault_issuer": (
        "SELECT (person_id, blind_index) ON persons",
        "SELECT ON directory",
        "SELECT ON service_keys",
    ),
}

# A grant can't tell an institution's account from a person's; a policy can.
_ACCOUNT_POLICIES = (
    "ALTER TABLE payee_accounts ENABLE ROW LEVEL SECURITY",
    """CREATE POLICY institutions_only ON payee_accounts TO vault_enrolment
        USING (owner_kind = 'INSTITUTION') WITH CHECK (owner_kind = 'INSTITUTION')""",
    "CREATE POLICY every_account ON payee_accounts TO vault_payment USING (true) WITH CHECK (true)",
)


def upgrade() -> None:
    """Make the tables and grant."""
    _check_roles()
    for statement in _TABLES:
        op.execute(statement)
    op.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    for role, grants in _GRANTS.items():
        op.execute(f"GRANT USAGE ON SCHEMA public TO {role}")
        for grant in grants:
            op.execute(f"GRANT {grant} TO {role}")
    for statement in _ACCOUNT_POLICIES:
        op.execute(statement)


def _check_roles() -> None:
    known = set(op.get_bind().execute(text("SELECT rolname FROM pg_roles")).scalars())
    missing = ", ".join(sorted(_GRANTS.keys() - known))
    if missing:
        raise VaultFault(
            f"数据库服务器缺少角色 {missing}，请先创建 / the server lacks the roles {missing}; create them first"
        )
