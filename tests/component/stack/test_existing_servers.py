"""Servers that stand already, named by the environment: set up, and left as they are for everybody else."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest

from zeren.stack.errors import ProvisioningFailed, StateBroken
from zeren.stack.local import Servers, own_servers, reset, running_servers, start_servers
from zeren.stack.provision import missing_topics
from zeren.stack.state import StateFolder
from zeren.stack.supervisor import Supervisor


@pytest.fixture
def named(own_servers: Servers, monkeypatch: pytest.MonkeyPatch) -> Iterator[Servers]:
    """Servers that the environment names; afterwards their own state folder sets them up again."""
    admin = own_servers.state.path / "admin.toml"
    admin.write_text(f'username = "{own_servers.kafka.user}"\npassword = "{own_servers.kafka.password}"\n')
    admin.chmod(0o600)
    database = own_servers.postgres
    _forget_owners(database)
    with monkeypatch.context() as environment:
        url = f"postgresql://{database.user}:{database.password}@{database.host}:{database.port}/postgres"
        environment.setenv("ZEREN_DATABASE_URL", url)
        environment.setenv("ZEREN_KAFKA", own_servers.kafka.bootstrap)
        environment.setenv("ZEREN_KAFKA_ADMIN_FILE", str(admin))
        yield own_servers
    _forget_owners(database)
    for provisioned in own_servers.state.path.glob("provisioned-*"):
        provisioned.unlink()
    start_servers(own_servers.state)


def _forget_owners(database) -> None:
    with database.connect() as connection:
        for (name,) in connection.execute(
            "SELECT datname FROM pg_database WHERE NOT datistemplate"
        ).fetchall():
            connection.execute(f'COMMENT ON DATABASE "{name}" IS NULL')


def test_existing_servers_are_set_up_and_neither_started_nor_stopped(
    named: Servers, fresh_state: Callable[[], StateFolder]
) -> None:
    """A second state folder is refused before it changes anything; a reset leaves all that stands there."""
    state, told = fresh_state(), list[str]()
    servers = start_servers(state)
    assert own_servers(state) == ()
    assert Supervisor(state).records() == []
    assert missing_topics(servers.kafka) == ()
    assert running_servers(state).postgres == servers.postgres == named.postgres
    url = servers.database_url("enrolment").replace("+psycopg", "")
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT current_user, current_database()").fetchone() == ("enrolment",) * 2
    client = servers.kafka_as("svc-enrolment").admin()
    assert "zeren.enrolment.facts.v1" in client.list_topics(timeout=30).topics
    with pytest.raises(ProvisioningFailed, match=r"audit, .*another state folder's"):
        start_servers(fresh_state())
    assert start_servers(state).postgres == servers.postgres, "its own again"
    with psycopg.connect(url) as connection:
        connection.execute("SELECT 1")
    reset(state, progress=told.append)
    assert any("not deleted" in line for line in told)
    with named.postgres.connect() as connection:
        assert connection.execute("SELECT 1 FROM pg_database WHERE datname = 'enrolment'").fetchone() == (1,)


@pytest.mark.parametrize("url", ["somewhere", "mysql://a:b@localhost/x", "postgresql:///x"])
def test_a_url_of_another_form_is_refused(
    url: str, monkeypatch: pytest.MonkeyPatch, fresh_state: Callable[[], StateFolder]
) -> None:
    """With the form that it must have."""
    monkeypatch.setenv("ZEREN_DATABASE_URL", url)
    with pytest.raises(StateBroken, match="must look like postgresql://"):
        start_servers(fresh_state())
