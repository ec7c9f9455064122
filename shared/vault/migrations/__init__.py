"""Alembic migrations of the vault database; run by `shared.vault.migrate`."""
