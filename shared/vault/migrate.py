"""Brings a vault database to its newest shape."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from shared.vault.database import transaction

_FOLDER = Path(__file__).with_name("migrations")
_LOCK = 0x7A_6572_656E
"""Two migrations of one database at once wait for each other by this advisory lock."""


def migrate(url: str) -> None:
    """Run what migrations are missing, all in one transaction; again, it changes nothing.

    Args:
        url: SQLAlchemy's URL of the vault database, as its owner. The roles that are granted to
            (`vault_enrolment`, `vault_certification`, `vault_payment`, `vault_audit`, `vault_issuer`) belong to
            the server and must exist.

    Raises:
        VaultFault: a role is missing, or the database isn't a vault's.
        VaultUnavailable, VaultForbidden
    """
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    engine = create_engine(url, poolclass=NullPool, hide_parameters=True)
    with transaction(engine) as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
