"""No personal value in an error, whatever goes wrong in the database, nor in the server's log."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable

import pytest
from sqlalchemy import Engine, text

from shared.vault.accounts import Accounts, OwnerKind
from shared.vault.directory import Directory, Handler
from shared.vault.errors import VaultError, VaultFault, VaultUnavailable
from shared.vault.evidence import Evidence
from shared.vault.names import PersonNames
from shared.vault.persons import PersonVault
from shared.vault.vault import Vault
from tests.component.vault.people import GROUPS, VaultOf, digest_of, id_number, step
from zeren.stack.local import Servers

NAME, NUMBER, PHONE, ACCOUNT = "林小梅", id_number(1), "13800130001", "6222021234567890123"
SECRETS = (NAME, NUMBER, PHONE, ACCOUNT, *GROUPS)
HANDLER = Handler(handler_id="h", name=NAME, post="p", organisation="o", duties=())


def failure_of(call: Callable[[], object], kind: type[VaultError]) -> str:
    """The error as a log would show it: message, causes and all."""
    with pytest.raises(kind) as failed:
        call()
    return "".join(traceback.format_exception(failed.value)) + repr(failed.value) + str(failed.value.args)


@pytest.fixture
def broken(owner: Engine, vault_of: VaultOf) -> None:
    """A database that refuses every insert, each with the row in the server's message."""
    vault_of("enrolment").blind_index("person")
    vault_of("vault").sealing_key("accounts")
    vault_of("vault").sealing_key("directory")
    with owner.begin() as connection:
        for table in ("persons", "evidence", "payee_accounts", "directory"):
            connection.execute(text(f"ALTER TABLE {table} ADD CONSTRAINT never CHECK (false) NOT VALID"))


@pytest.mark.parametrize(
    ("service", "call"),
    [
        ("enrolment", lambda vault: PersonVault(vault).resolve([step("a")])),
        (
            "enrolment",
            lambda vault: Evidence(vault, "enrolment").seal([(digest_of("a"), NAME.encode(), None)]),
        ),
        (
            "payment",
            lambda vault: Accounts(vault).register(
                OwnerKind.INSTITUTION, "u", number=ACCOUNT, holder=NAME, bank="b"
            ),
        ),
        ("vault", lambda vault: Directory(vault).upsert([HANDLER])),
    ],
)
def test_a_refused_insert_shows_no_value(
    vault_of: VaultOf,
    broken: None,
    caplog: pytest.LogCaptureFixture,
    service: str,
    call: Callable[[Vault], object],
) -> None:
    """The driver's message would quote the row; neither the error nor a log line does."""
    caplog.set_level(logging.DEBUG)
    shown = failure_of(lambda: call(vault_of(service)), VaultUnavailable) + caplog.text
    assert "CheckViolation 23514" in shown
    assert not [secret for secret in SECRETS if secret in shown or secret.encode().hex() in shown]


def test_a_value_in_the_wrong_place_does_not_show(vault_of: VaultOf) -> None:
    """A caller's mistake: an ID number where an id belongs. The server's message would quote it."""
    shown = failure_of(lambda: PersonNames(vault_of("audit")).read([NUMBER]), VaultFault)
    assert NUMBER not in shown


def test_a_lost_connection_is_unavailable_and_the_next_call_works(
    vault_of: VaultOf, servers: Servers
) -> None:
    """Ended by the server within a transaction: nothing has happened, and it may be done again."""
    vault = vault_of("enrolment")

    def lose_connection() -> None:
        with vault.begin() as connection, servers.postgres.connect() as superuser:
            own = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
            superuser.execute("SELECT pg_terminate_backend(%s, 5000)", (own,))
            connection.execute(text("SELECT :secret"), {"secret": NUMBER})

    shown = failure_of(lose_connection, VaultUnavailable)
    assert not [secret for secret in SECRETS if secret in shown]
    assert len(PersonVault(vault).resolve([step("b")])) == 1


def test_the_servers_log_holds_no_value(vault_of: VaultOf, broken: None, servers: Servers) -> None:
    """Statements and rows that failed are where logs leak first."""
    failure_of(lambda: PersonVault(vault_of("enrolment")).resolve([step("a")]), VaultUnavailable)
    failure_of(lambda: PersonNames(vault_of("audit")).read([NUMBER]), VaultFault)
    log = servers.state.log("postgres").read_text("utf-8", "replace")
    assert "never" in log
    assert not [line for line in log.splitlines() if any(secret in line for secret in SECRETS)]
