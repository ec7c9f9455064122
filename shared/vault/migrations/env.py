"""Alembic's entry: the connection comes from `shared.vault.migrate`, which also ends the transaction."""

from __future__ import annotations

from alembic import context

from shared.vault.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
context.run_migrations()
