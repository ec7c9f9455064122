"""What each service's role may not do in the vault database, by raw SQL and through the API."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from shared.vault.accounts import Accounts, OwnerKind
from shared.vault.directory import Directory, Handler
from shared.vault.errors import VaultForbidden
from shared.vault.evidence import Evidence
from shared.vault.names import PersonNames
from shared.vault.persons import PersonVault
from shared.vault.vault import Vault
from tests.component.vault.people import EngineOf, VaultOf, digest_of, step

NOBODY = "22222222-2222-4222-8222-222222222222"
ACCOUNT = {"number": "6222021234567890123", "holder": "某某学校", "bank": "中国工商银行"}
HANDLER = Handler(handler_id="h", name="陈建国", post="初审岗", organisation="o", duties=())
TABLES = (
    "persons",
    "data_keys",
    "sealed_values",
    "steps",
    "commitments",
    "evidence",
    "payee_accounts",
    "directory",
    "service_keys",
    "erasures",
)
SERVICES = ("enrolment", "certification", "payment", "audit", "issuer")

FORBIDDEN_READS = {
    "enrolment": (
        "SELECT sealed FROM sealed_values",
        "SELECT sealed FROM commitments",
        "SELECT sealed FROM payee_accounts",
        "SELECT * FROM directory",
    ),
    "certification": (
        "SELECT sealed FROM sealed_values",
        "SELECT sealed FROM commitments",
        "SELECT account_id FROM payee_accounts",
        "SELECT * FROM directory",
    ),
    "payment": ("SELECT * FROM directory",),
    "audit": (
        "SELECT blind_index FROM persons",
        "SELECT * FROM erasures",
        "SELECT account_id FROM payee_accounts",
        "SELECT digest FROM steps",
        "SELECT digest FROM commitments",
    ),
    "issuer": (
        "SELECT * FROM data_keys",
        "SELECT * FROM sealed_values",
        "SELECT * FROM evidence",
        "SELECT digest FROM steps",
        "SELECT digest FROM commitments",
        "SELECT account_id FROM payee_accounts",
        "SELECT erased_at FROM persons",
    ),
}
INSERTS = {
    "persons": "INSERT INTO persons (person_id, blind_index) VALUES (gen_random_uuid(), 'x')",
    "data_keys": "INSERT INTO data_keys VALUES (gen_random_uuid(), 'k', 'x')",
    "sealed_values": "INSERT INTO sealed_values VALUES (gen_random_uuid(), 'name', 'x')",
    "steps": "INSERT INTO steps VALUES ('d', gen_random_uuid())",
    "commitments": "INSERT INTO commitments VALUES ('d', 'f', 'c', 'x')",
    "evidence": "INSERT INTO evidence (service, digest) VALUES ('s', 'd')",
    "payee_accounts": "INSERT INTO payee_accounts VALUES (gen_random_uuid(), 'INSTITUTION', 'o', 'x', 'c', 'x')",
    "directory": "INSERT INTO directory VALUES ('h', 'x', 'p', 'o', '{}', true)",
    "service_keys": "INSERT INTO service_keys VALUES ('n', 'k', 'x')",
    "erasures": "INSERT INTO erasures VALUES (gen_random_uuid(), 1, 0, 0, 0, 0, 0)",
}
PERSONS = {"persons", "data_keys", "sealed_values", "steps", "commitments", "evidence", "service_keys"}
MAY_INSERT = {
    "enrolment": PERSONS | {"payee_accounts"},
    "certification": PERSONS,
    "payment": {"evidence", "payee_accounts", "service_keys"},
    "audit": set(),
    "issuer": set(),
}


def refused(engine: Engine, statement: str) -> bool:
    """Whether the server refuses the statement for want of a right (42501); nothing of it stays."""
    with engine.connect() as connection:
        try:
            connection.execute(text(statement))
        except ProgrammingError as error:
            return getattr(error.orig, "sqlstate", None) == "42501"
        except DBAPIError:  # let through, and refused for another reason
            return False
        finally:
            connection.rollback()
    return False


@pytest.mark.parametrize("service", SERVICES)
def test_a_role_reads_only_what_it_needs(engine_of: EngineOf, service: str) -> None:
    """A column is as good as a table: enrolment sees that an account is known, never its number."""
    engine = engine_of(f"vault_{service}")
    statements = FORBIDDEN_READS[service]
    assert statements
    assert [one for one in statements if not refused(engine, one)] == []


@pytest.mark.parametrize("service", SERVICES)
def test_a_role_inserts_only_where_it_must(engine_of: EngineOf, service: str) -> None:
    """Audit and the issuer insert nothing at all."""
    engine = engine_of(f"vault_{service}")
    assert {table for table in TABLES if not refused(engine, INSERTS[table])} == MAY_INSERT[service]


@pytest.mark.parametrize("service", SERVICES)
def test_only_enrolment_erases_and_only_through_the_function(engine_of: EngineOf, service: str) -> None:
    """The right to erase is the right to call one function, and to rewrite the one table with wrapped keys."""
    engine = engine_of(f"vault_{service}")
    call = "SELECT * FROM erase_person(gen_random_uuid(), 1)"
    assert refused(engine, call) == (service != "enrolment")
    attribute = "SELECT attribute_evidence('s', 'd', gen_random_uuid(), 'x')"
    assert refused(engine, attribute) == (service not in ("enrolment", "certification"))
    with engine.connect() as connection:
        rights = {
            table: connection.scalar(text("SELECT has_table_privilege(:table, 'MAINTAIN')"), {"table": table})
            for table in TABLES
        }
    assert {table for table, may in rights.items() if may} == (
        {"data_keys"} if service == "enrolment" else set()
    )


@pytest.mark.parametrize("service", SERVICES)
def test_no_role_changes_or_deletes_anything(engine_of: EngineOf, service: str) -> None:
    """Neither rows nor tables: sealed is sealed. Erasure and rewrap are the owner's."""
    engine = engine_of(f"vault_{service}")
    writes = [f"{verb} {table}" for verb in ("DELETE FROM", "TRUNCATE") for table in TABLES]
    writes += ["UPDATE persons SET erased_at = now()", "UPDATE data_keys SET wrapped = 'x'"]
    writes += ["UPDATE payee_accounts SET sealed = 'x'", "UPDATE directory SET active = false"]
    writes += ["UPDATE evidence SET sealed = NULL", "UPDATE service_keys SET wrapped = 'x'"]
    writes += ["CREATE TABLE mine (a int)", "SELECT * FROM alembic_version"]
    assert [one for one in writes if not refused(engine, one)] == []


def test_enrolment_neither_inserts_nor_sees_persons_accounts(engine_of: EngineOf, vault_of: VaultOf) -> None:
    """Payee accounts are payment's; enrolment puts in those of institutions only."""
    one = step("a")
    person = PersonVault(vault_of("enrolment")).resolve([one])[one.digest].person_id
    with pytest.raises(VaultForbidden):
        Accounts(vault_of("enrolment")).register(OwnerKind.PERSON, person, **ACCOUNT)
    Accounts(vault_of("payment")).register(OwnerKind.PERSON, person, **ACCOUNT)
    with engine_of("vault_enrolment").connect() as connection:
        assert connection.execute(text("SELECT account_id FROM payee_accounts")).all() == []


@pytest.mark.parametrize(
    ("service", "call"),
    [
        ("enrolment", lambda vault: PersonNames(vault).read([NOBODY])),
        ("enrolment", lambda vault: Accounts(vault).read([NOBODY])),
        ("enrolment", lambda vault: Directory(vault).duties("h")),
        ("certification", lambda vault: Accounts(vault).read([NOBODY])),
        ("certification", lambda vault: Accounts(vault).register(OwnerKind.INSTITUTION, "u", **ACCOUNT)),
        ("payment", lambda vault: PersonVault(vault).resolve([step("a")])),
        ("payment", lambda vault: Directory(vault).upsert([HANDLER])),
        ("audit", lambda vault: PersonVault(vault).resolve([step("a")])),
        ("audit", lambda vault: Evidence(vault, "audit").seal([(digest_of("a"), b"", None)])),
        ("audit", lambda vault: Directory(vault).upsert([HANDLER])),
        ("issuer", lambda vault: PersonNames(vault).read([NOBODY])),
        ("issuer", lambda vault: PersonVault(vault).resolve([step("a")])),
        ("issuer", lambda vault: Directory(vault).upsert([HANDLER])),
    ],
)
def test_a_call_without_a_grant_is_forbidden(
    vault_of: VaultOf, service: str, call: Callable[[Vault], object]
) -> None:
    """It is told apart from an unavailable database, so that nobody tries it again for ever."""
    vault_of("vault").blind_index("person")
    with pytest.raises(VaultForbidden):
        call(vault_of(service))
