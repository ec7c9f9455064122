"""The handlers' directory: written by its owner, read by audit and the issuer."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, text

from shared.vault.directory import Directory, Handler
from tests.component.vault.people import VaultOf

CHEN = Handler(
    handler_id="h-chen", name="陈建国", post="初审岗", organisation="350100-hrss", duties=("D8", "D9")
)
HUANG = Handler(handler_id="h-huang", name="黄丽", post="审批岗", organisation="350100-hrss", duties=("D11",))


def test_names_and_posts_are_found_by_id(vault_of: VaultOf) -> None:
    """An unknown handler is missing."""
    Directory(vault_of("vault")).upsert([CHEN, HUANG])
    found = Directory(vault_of("audit")).find(["h-chen", "h-huang", "h-nobody"])
    assert found == {"h-chen": CHEN, "h-huang": HUANG}


@pytest.mark.parametrize("service", ["audit", "issuer"])
def test_duties_are_those_of_now(vault_of: VaultOf, service: str) -> None:
    """An unknown handler has none; a former one neither, but stays in the directory with name and post."""
    Directory(vault_of("vault")).upsert([CHEN])
    directory = Directory(vault_of(service))
    assert directory.duties("h-chen") == ("D8", "D9")
    assert directory.duties("h-nobody") == ()
    former = Handler(
        handler_id="h-chen",
        name="陈建国",
        post="退休",
        organisation="350100-hrss",
        duties=("D8",),
        active=False,
    )
    Directory(vault_of("vault")).upsert([former, HUANG])
    assert directory.duties("h-chen") == ()
    assert directory.find(["h-chen"]) == {"h-chen": former}


def test_an_empty_directory_finds_nobody(vault_of: VaultOf) -> None:
    """Before anything was entered there is no key either."""
    assert Directory(vault_of("audit")).find(["h-chen"]) == {}
    Directory(vault_of("vault")).upsert([])
    assert Directory(vault_of("audit")).duties("h-chen") == ()


def test_a_handlers_name_does_not_stand_in_the_table(vault_of: VaultOf, owner: Engine) -> None:
    """Posts and duties are offices; the name is a person's."""
    Directory(vault_of("vault")).upsert([CHEN])
    with owner.connect() as connection:
        shown = connection.execute(text("SELECT d::text FROM directory d")).scalar_one()
    assert "初审岗" in shown
    assert CHEN.name not in shown
    assert CHEN.name.encode().hex() not in shown
