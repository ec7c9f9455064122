"""The migrations make what the code reads, once, however often and from wherever they run."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, text

from shared.vault.database import make_engine
from shared.vault.errors import VaultFault, VaultUnavailable
from shared.vault.migrate import migrate
from shared.vault.tables import metadata
from zeren.stack.postgres import start_postgres
from zeren.stack.state import StateFolder
from zeren.stack.supervisor import Supervisor


def test_migrated_tables_are_those_of_the_code(owner: Engine) -> None:
    """Tables, columns, types, nullability, keys and indexes: Alembic finds no difference."""
    with owner.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == "v0002"
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found = [one for one in compare_metadata(context, metadata) if one[0] != "add_table_comment"]
        assert found == []


def test_migrating_again_changes_nothing(vault_url: str, owner: Engine) -> None:
    """A start runs it every time."""
    migrate(vault_url)
    with owner.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM alembic_version")).scalar_one() == 1


def test_two_migrations_of_an_empty_database_at_once_wait_for_each_other(fresh_database: Any) -> None:
    """Several processes may start at the same moment."""
    url = fresh_database(owner="vault")
    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(migrate, url) for _ in range(3)]:
            done.result()
    engine = make_engine(url)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).all() == [("v0002",)]
    engine.dispose()


def test_missing_roles_are_named_and_nothing_is_made(fresh_state: Callable[[], StateFolder]) -> None:
    """On a server that nobody provisioned: what to do stands in the message."""
    state = fresh_state()
    with state.locked():
        server = start_postgres(state, Supervisor(state))
    with pytest.raises(VaultFault, match=r"缺少角色.* / .*lacks the roles vault_audit, .*vault_payment"):
        migrate(server.url("postgres"))
    with server.connect() as connection:
        tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"
        assert connection.execute(tables).fetchone() == (0,)


def test_a_wrong_password_is_told_without_showing_it(vault_url: str) -> None:
    """The URL holds a secret."""
    with pytest.raises(VaultUnavailable) as refused:
        migrate(vault_url.replace("@", "wrong@", 1))
    assert str(refused.value).startswith("保险库暂不可用 / vault unavailable")
    assert "wrong" not in repr(refused.value)
