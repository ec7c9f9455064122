"""Migrations: each service's own Alembic folder, run under a lock so that two starts don't meet."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, text

from shared.eventstore import tables

_LOCK = 7_261_300_401
"""Advisory lock of migrations; any fixed number."""


def migrate(engine: Engine, folder: Path) -> None:
    """Brings the database to the newest revision of the folder.

    Args:
        engine: of the database.
        folder: the Alembic script location, with `env.py` and `versions/`.
    """
    config = Config()
    config.set_main_option("script_location", str(folder))
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK})
        connection.commit()


def create_kernel(connection: Connection) -> None:
    """The kernel's part of each service's first migration: its tables, and which incarnation this store is."""
    tables.metadata.create_all(connection)
    connection.execute(tables.store.insert().values(incarnation=uuid4()))
