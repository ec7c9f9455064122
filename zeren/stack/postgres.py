"""The local PostgreSQL server: made, started and taken over, reached on 127.0.0.1 with passwords only."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import psycopg

from zeren.stack.accounts import own_folder, postgres_folder, postgres_programs, unprivileged_account
from zeren.stack.errors import ProcessFailed
from zeren.stack.files import write_whole
from zeren.stack.paths import DEPLOY_LOCAL
from zeren.stack.processes import Account, kill, wait_until, working_in
from zeren.stack.state import HOST, StateFolder
from zeren.stack.supervisor import ProcessSpec, Supervisor

NAME = "postgres"
SUPERUSER = "zeren"
TEST_DATABASES = "/^test_"


@dataclass(frozen=True, slots=True)
class PostgresLayout:
    """The committed settings (`deploy/local/postgres.toml`).

    Attributes:
        settings: of the server.
        sessions: set on every role.
        databases: each database and the roles, besides the owner of its own name, that may connect to it.
    """

    settings: dict[str, str]
    sessions: dict[str, str]
    databases: dict[str, tuple[str, ...]]

    @property
    def roles(self) -> tuple[str, ...]:
        """Every role: the owners, then those that may connect to another's database."""
        return (*self.databases, *(role for reach in self.databases.values() for role in reach))


def read_layout(path: Path = DEPLOY_LOCAL / "postgres.toml") -> PostgresLayout:
    """Load the committed settings."""
    raw = tomllib.loads(path.read_text("utf-8"))
    return PostgresLayout(
        settings={key: str(value) for key, value in raw["settings"].items()},
        sessions={key: str(value) for key, value in raw["sessions"].items()},
        databases={name: tuple(entry["reach"]) for name, entry in raw["databases"].items()},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresEndpoint:
    """A server and its superuser. The password never appears in the representation."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    database: str = "postgres"

    def connect(self, database: str | None = None) -> psycopg.Connection:
        """A connection as superuser, in autocommit mode; times out after 5 s."""
        return psycopg.connect(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password,
            dbname=database or self.database,
            connect_timeout=5,
            autocommit=True,
        )

    def url(self, database: str, *, role: str | None = None, password: str | None = None) -> str:
        """SQLAlchemy's URL of a database as `role` (the superuser if none is given)."""
        user = quote(role or self.user, safe="")
        secret = quote((self.password if role is None else password) or "", safe="")
        return f"postgresql+psycopg://{user}:{secret}@{self.host}:{self.port}/{database}"


def start_postgres(
    state: StateFolder, supervisor: Supervisor, *, test_databases: bool = False
) -> PostgresEndpoint:
    """Make this state folder's server run; one that does already is kept.

    With `test_databases` every role may also connect to databases named test_….

    Raises:
        PortTaken, ProcessFailed, StateBroken
    """
    account = unprivileged_account()
    programs = postgres_programs(account)
    layout = read_layout()
    folder = postgres_folder(state, account)
    _drop_orphan(folder, state)
    data = folder / "data"
    if supervisor.running(_spec(state, programs, data, account)) is not None:
        return endpoint_of(state)
    supervisor.stop(NAME)
    _clear_leftovers(data)
    if not (folder / "ready").exists():
        _initialise(programs, folder, state, account)
    port = state.secure_port(NAME)
    _write(data / "postgresql.auto.conf", _settings_text(layout, port), account)
    _write(data / "pg_hba.conf", _access_rules(layout, test_databases=test_databases), account)
    supervisor.start(_spec(state, programs, data, account))
    return endpoint_of(state)


def endpoint_of(state: StateFolder) -> PostgresEndpoint:
    """This state folder's own server, whether it runs or not."""
    password = state.secret(f"postgres/{SUPERUSER}")
    return PostgresEndpoint(host=HOST, port=state.port(NAME), user=SUPERUSER, password=password)


def _spec(state: StateFolder, programs: Path, data: Path, account: Account | None) -> ProcessSpec:
    endpoint = endpoint_of(state)

    def ready() -> bool:
        try:
            with endpoint.connect() as connection:
                return connection.execute("SELECT NOT pg_is_in_recovery()").fetchone() == (True,)
        except psycopg.OperationalError:
            return False

    return ProcessSpec(
        name=NAME,
        argv=(str(programs / "postgres"), "-D", str(data), "-p", str(endpoint.port)),
        cwd=data if data.exists() else None,
        ready=ready,
        ready_seconds=120.0,  # a crash recovery after much writing takes its time
        stop_seconds=30.0,
        stop_signal=signal.SIGINT,  # "fast": ends sessions instead of waiting for them
        account=account,
    )


def _initialise(programs: Path, folder: Path, state: StateFolder, account: Account | None) -> None:
    """Run initdb into a fresh folder. `ready` is written last, so an interrupted attempt is done again."""
    shutil.rmtree(folder, ignore_errors=True)
    own_folder(folder, account)
    password_file = folder / "password"
    _write(password_file, state.secret(f"postgres/{SUPERUSER}"), account)
    argv = [
        str(programs / "initdb"),
        f"--pgdata={folder / 'data'}",
        f"--username={SUPERUSER}",
        f"--pwfile={password_file}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
    ]
    try:
        done = subprocess.run(
            argv,
            capture_output=True,
            cwd=folder,
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
            user=None if account is None else account.uid,
            group=None if account is None else account.gid,
            extra_groups=None if account is None else [],
            check=False,
        )
    finally:
        password_file.unlink(missing_ok=True)
    if done.returncode != 0:
        raise ProcessFailed(
            f"无法初始化数据库目录 {folder}",
            f"initdb failed in {folder}:\n{done.stderr.decode('utf-8', 'replace')}",
        )
    _write(folder / "state-id", state.id, account)
    _write(folder / "ready", "", account)


def _write(path: Path, text: str, account: Account | None) -> None:
    owner = None if account is None else (account.uid, account.gid)
    write_whole(path, text.encode(), mode=0o600, owner=owner)


def _settings_text(layout: PostgresLayout, port: int) -> str:
    settings = {**layout.settings, "port": str(port)}
    return "".join(f"{key} = '{value}'\n" for key, value in settings.items())


def _access_rules(layout: PostgresLayout, *, test_databases: bool) -> str:
    """pg_hba.conf: each role reaches its own database and no other; the superuser reaches all."""
    rules = [("all", SUPERUSER)]
    rules += [(database, ",".join((database, *reach))) for database, reach in layout.databases.items()]
    if test_databases:
        rules.append((f'"{TEST_DATABASES}"', "all"))
    return "".join(f"host {database} {roles} 127.0.0.1/32 scram-sha-256\n" for database, roles in rules)


def _clear_leftovers(data: Path, *, seconds: float = 2.0) -> None:
    """End what a killed server left in its data folder, so that the next one may start at once.

    A killed postmaster's children end by themselves, usually at once; after `seconds` they are killed. The
    stale postmaster.pid goes only once all are gone: PostgreSQL needs it against two servers on one folder.
    """
    if not data.exists():
        return
    if not wait_until(lambda: not any(working_in(data)), seconds):
        for identity in list(working_in(data)):
            kill(identity)
    if wait_until(lambda: not any(working_in(data)), 10):
        (data / "postmaster.pid").unlink(missing_ok=True)


def _drop_orphan(folder: Path, state: StateFolder) -> None:
    """Remove the database of a deleted state folder of the same path: nobody has its passwords any more."""
    marker = folder / "state-id"
    if marker.exists() and marker.read_text("ascii") != state.id:
        remove_database(state)


def remove_database(state: StateFolder) -> None:
    """Kill what still works in this state folder's database and delete it, before `StateFolder.remove`."""
    folder = postgres_folder(state, unprivileged_account())
    data = folder / "data"
    if data.exists():
        _clear_leftovers(data, seconds=0)
    shutil.rmtree(folder, ignore_errors=True)


def server_version(endpoint: PostgresEndpoint) -> str:
    """The running server's own answer, e.g. "18.6"."""
    with endpoint.connect() as connection:
        row = connection.execute("SHOW server_version").fetchone()
    return str(row[0]) if row else ""
