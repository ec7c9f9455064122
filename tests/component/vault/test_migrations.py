"""The migrations make what the code reads, once, however often and from wherever they run."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from shared.vault.database import make_engine
from shared.vault.errors import VaultUnavailable
from shared.vault.migrate import migrate
from shared.vault.tables import metadata


def test_migrated_tables_are_those_of_the_code(owner):
    """Tables, columns, types, nullability, keys and indexes: Alembic finds no difference."""
    with owner.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == "v0001"
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found = [one for one in compare_metadata(context, metadata) if one[0] != "add_table_comment"]
        assert found == []


def test_migrating_again_changes_nothing(vault_url, owner):
    """A start runs it every time."""
    migrate(vault_url)
    with owner.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM alembic_version")).scalar_one() == 1


def test_two_migrations_of_an_empty_database_at_once_wait_for_each_other(fresh_database):
    """Several processes may start at the same moment."""
    url = fresh_database(owner="vault")
    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(migrate, url) for _ in range(3)]:
            done.result()
    engine = make_engine(url)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).all() == [("v0001",)]
    engine.dispose()


def test_a_wrong_password_is_told_without_showing_it(vault_url):
    """The URL holds a secret."""
    with pytest.raises(VaultUnavailable) as refused:
        migrate(vault_url.replace("@", "wrong@", 1))
    assert str(refused.value).startswith("保险库暂不可用 / vault unavailable")
    assert "wrong" not in repr(refused.value)
