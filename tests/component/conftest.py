"""Real servers for component tests: one PostgreSQL and one Kafka for all of them, fresh databases and names."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator

import pytest
from confluent_kafka.admin import NewTopic
from psycopg import sql

from zeren.stack.downloads import fetch_jars, read_jar_list
from zeren.stack.errors import StateBusy
from zeren.stack.local import Servers, reset, start_servers
from zeren.stack.paths import state_root
from zeren.stack.state import StateFolder

ABANDONED_AFTER_SECONDS = 60
CALL_SECONDS = 30.0


def pytest_sessionstart(session: pytest.Session) -> None:
    """Clear away before the first test; a worker doesn't, whose neighbour's states are in use."""
    if not hasattr(session.config, "workerinput"):
        reap_abandoned_states()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Download Kafka before any test's time limit runs."""
    if session.items and not session.config.option.collectonly:
        fetch_jars(read_jar_list(), lambda _done, _all, _name: None)


def reap_abandoned_states() -> None:
    """Stop and delete the state folders of test sessions that were killed: nobody holds their locks."""
    for path in state_root().glob("test-*"):
        created = path / "id"
        if created.exists() and time.time() - created.stat().st_mtime > ABANDONED_AFTER_SECONDS:
            try:
                reset(StateFolder(path))
            except StateBusy:
                continue


@pytest.fixture(scope="package")
def fresh_state() -> Iterator[Callable[[], StateFolder]]:
    """Makes state folders, locked by this session; all are stopped and deleted when the last component test is over."""
    made: list[StateFolder] = []

    def make() -> StateFolder:
        state = StateFolder.named(f"test-{secrets.token_hex(4)}")
        made.append(state)
        return state

    yield make
    for state in made:
        if state.path.exists():
            reset(state)


@pytest.fixture(scope="package")
def servers(fresh_state: Callable[[], StateFolder]) -> Iterator[Servers]:
    """PostgreSQL and Kafka, provisioned, for all component tests of this package."""
    state = fresh_state()
    with state.locked():
        yield start_servers(state, test_databases=True)


class FreshDatabases:
    """Databases of one test, dropped at its end. Templates live as long as the servers."""

    def __init__(self, servers: Servers, templates: set[str]) -> None:
        self._servers = servers
        self._templates = templates
        self._made: list[str] = []

    def __call__(self, *, template: str | None = None, owner: str | None = None) -> str:
        """The SQLAlchemy URL of a new database: empty, or a copy of a template that `define` made.

        `owner` is a provisioned role (`enrolment`, `vault` …) that owns it and that the URL connects as; the
        superuser if none is given. Another role's URL: `servers.database_url(<its name>, role=…)`.
        """
        name = f"test_{secrets.token_hex(6)}"
        self._create(name, None if template is None else f"test_template_{template}", owner)
        self._made.append(name)
        return self._url(name, owner)

    def define(self, template: str, prepare: Callable[[str], None], *, owner: str | None = None) -> None:
        """Make a template once for all tests: `prepare` gets its URL, migrates it and closes every connection."""
        name = f"test_template_{template}"
        if name not in self._templates:
            self._create(name, None, owner)
            prepare(self._url(name, owner))
            self._templates.add(name)

    def _url(self, name: str, owner: str | None) -> str:
        return (
            self._servers.postgres.url(name)
            if owner is None
            else self._servers.database_url(name, role=owner)
        )

    def _create(self, name: str, template: str | None, owner: str | None) -> None:
        with self._servers.postgres.connect() as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {}").format(
                    sql.Identifier(name),
                    sql.Identifier(template or "template1"),
                    sql.Identifier(owner or self._servers.postgres.user),
                )
            )

    def drop_all(self) -> None:
        """Drop this test's databases, also where a connection is still open."""
        with self._servers.postgres.connect() as connection:
            for name in self._made:
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="package")
def database_templates() -> set[str]:
    """The names of the templates made so far."""
    return set()


@pytest.fixture
def fresh_database(servers: Servers, database_templates: set[str]) -> Iterator[FreshDatabases]:
    """`fresh_database()` gives the URL of a new database; see FreshDatabases."""
    databases = FreshDatabases(servers, database_templates)
    yield databases
    databases.drop_all()


@pytest.fixture
def unique() -> Callable[[str], str]:
    """`unique("payment.policies")`: a name that no other test has, for groups, keys and the like."""
    return lambda name: f"{name}.{secrets.token_hex(4)}"


@pytest.fixture
def fresh_topic(servers: Servers) -> Iterator[Callable[..., str]]:
    """`fresh_topic(partitions=6)` gives the name of a new topic as declared ones are; deleted afterwards."""
    admin = servers.kafka.admin()
    made: list[str] = []

    def make(*, partitions: int = 1, config: dict[str, str] | None = None) -> str:
        name = f"test.{secrets.token_hex(6)}"
        settings = {"message.timestamp.type": "LogAppendTime", **(config or {})}
        for created in admin.create_topics([NewTopic(name, partitions, config=settings)]).values():
            created.result(CALL_SECONDS)
        made.append(name)
        return name

    yield make
    if made:
        for deleted in admin.delete_topics(made).values():
            deleted.result(CALL_SECONDS)
