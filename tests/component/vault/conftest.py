"""A fresh vault database for each test, and the vault as each role sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, func, make_url, select

from shared.vault.database import make_engine
from shared.vault.erasure import Erased
from shared.vault.erasure import erase as erase_person
from shared.vault.migrate import migrate
from shared.vault.sealing import new_key
from shared.vault.tables import metadata
from shared.vault.vault import Vault
from shared.vault.wrapping import MasterKeys
from tests.component.vault.people import EngineOf
from zeren.stack.local import Servers


@pytest.fixture
def vault_url(fresh_database: Any) -> str:
    """A migrated vault database, as its owner."""
    fresh_database.define("vault", migrate, owner="vault")
    return str(fresh_database(template="vault", owner="vault"))


@pytest.fixture
def engine_of(vault_url: str, servers: Servers) -> Iterator[Callable[[str], Engine]]:
    """`engine_of("vault_audit")`: an engine of its own, connected as a role."""
    engines: list[Engine] = []

    def make(role: str) -> Engine:
        name = make_url(vault_url).database
        engines.append(make_engine(servers.database_url(str(name), role=role)))
        return engines[-1]

    yield make
    for engine in engines:
        engine.dispose()


@pytest.fixture
def owner(engine_of: EngineOf) -> Engine:
    """The database's owner, who may look at everything."""
    return engine_of("vault")


@pytest.fixture(scope="session")
def master_keys() -> MasterKeys:
    """Two master keys, the newest first."""
    return MasterKeys({"mk-2": new_key(), "mk-1": new_key()})


@pytest.fixture
def vault_of(engine_of: EngineOf, master_keys: MasterKeys) -> Callable[[str], Vault]:
    """`vault_of("enrolment")`: the vault as that service's process holds it."""
    return lambda service: Vault(
        engine_of("vault" if service == "vault" else f"vault_{service}"), master_keys
    )


@pytest.fixture
def count(owner: Engine) -> Callable[[str], int]:
    """How many rows a table has."""

    def rows(table: str) -> int:
        with owner.connect() as connection:
            return int(
                connection.execute(select(func.count()).select_from(metadata.tables[table])).scalar_one()
            )

    return rows


@pytest.fixture
def erase(vault_of: Callable[[str], Vault]) -> Callable[[str], Erased | None]:
    """A person's first order is carried out, by enrolment's role."""
    return lambda person: erase_person(vault_of("enrolment"), person, 1)
