"""PostgreSQL and Kafka, started together and provisioned: what `up`, `demo` and the tests stand on.

`ZEREN_DATABASE_URL` (postgresql://user:password@host:port/database, a superuser) and `ZEREN_KAFKA` with
`ZEREN_KAFKA_ADMIN_FILE` name existing servers, which are then provisioned but neither started nor stopped.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self, TypeVar
from urllib.parse import unquote, urlsplit

from zeren.stack import kafka, postgres
from zeren.stack.brokers import ports_of, publish_archive, start_kafka
from zeren.stack.downloads import DownloadProgress
from zeren.stack.errors import ProcessFailed, StateBroken
from zeren.stack.files import write_private
from zeren.stack.kafka import KafkaEndpoint, broker_names, settle_broker_count
from zeren.stack.paths import DEPLOY_LOCAL
from zeren.stack.postgres import PostgresEndpoint, read_layout, start_postgres
from zeren.stack.provision import (
    InstitutionAccess,
    missing_topics,
    onboard_institution,
    onboard_institutions,
    provision_kafka,
    provision_postgres,
)
from zeren.stack.state import StateFolder, port_is_free
from zeren.stack.supervisor import Progress, Supervisor, silent

Endpoint = TypeVar("Endpoint", PostgresEndpoint, KafkaEndpoint)

SERVICES = ("enrolment", "certification", "payment", "audit")
_INSTITUTION = "kafka/inst-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """The running servers of a state folder, and the way to each database and principal."""

    state: StateFolder
    postgres: PostgresEndpoint
    kafka: KafkaEndpoint

    def database_url(self, database: str, *, role: str | None = None) -> str:
        """SQLAlchemy's URL of a provisioned database, as `role` (its owner if none is given)."""
        role = role or database
        return self.postgres.url(database, role=role, password=self.state.secret(f"postgres/{role}"))

    def kafka_as(self, principal: str) -> KafkaEndpoint:
        """The cluster as a provisioned principal: `svc-<service>` or `inst-<USCC>`."""
        return KafkaEndpoint(
            bootstrap=self.kafka.bootstrap,
            user=principal,
            password=self.state.secret(f"kafka/{principal}"),
            security_protocol=self.kafka.security_protocol,
            ca_file=self.kafka.ca_file,
            replicated=self.kafka.replicated,
        )

    def onboard(self, uscc: str) -> InstitutionAccess:
        """Give an institution its topic, principal and rights; see `onboard_institution`."""
        return onboard_institution(self.kafka, self.state.secret, uscc)

    def onboard_all(self, usccs: Sequence[str]) -> dict[str, InstitutionAccess]:
        """The same for many at once, by USCC."""
        found = onboard_institutions(self.kafka, self.state.secret, usccs)
        return {access.uscc: access for access in found}

    def service_environment(self, service: str, extra: Mapping[str, str]) -> dict[str, str]:
        """What `python -m services.<service>` reads; `extra` holds further names without the prefix.

        Of the extra names the foundation knows ISSUER_JWKS_FILE and MASTER_KEY_FILE.
        """
        client = self.kafka_as(f"svc-{service}")
        values = {
            "DATABASE_URL": self.database_url(service),
            "VAULT_URL": self.database_url("vault", role=f"vault_{service}"),
            "KAFKA_BOOTSTRAP": client.bootstrap,
            "KAFKA_USER": client.user,
            "KAFKA_PASSWORD": client.password,
            "HTTP_PORT": str(self.state.port(service)),
            **extra,
        }
        return {f"{service.upper()}_{name}": value for name, value in values.items()}


def _no_download_progress(_done: int, _all: int, _name: str) -> None:
    """Shows nothing."""


def start_servers(
    state: StateFolder,
    *,
    progress: Progress = silent,
    downloads: DownloadProgress = _no_download_progress,
    test_databases: bool = False,
    brokers: int | None = None,
) -> Servers:
    """Start PostgreSQL and Kafka at once, wait until both serve, provision them; what already runs is kept.

    Both progress callbacks may be called from other threads. How many `brokers` there are is remembered from the
    first start on; None takes what is remembered, or one.

    Raises:
        StateBusy, DownloadFailed, PortTaken, ProcessFailed, StateBroken, ProvisioningFailed
    """
    supervisor = Supervisor(state, progress)
    with state.locked(), ThreadPoolExecutor(2) as pool:
        settle_broker_count(state, brokers)
        database = pool.submit(_database, state, supervisor, test_databases=test_databases)
        broker = pool.submit(_broker, state, supervisor, downloads)
        return Servers(state=state, postgres=database.result(), kafka=broker.result())


def existing_database() -> PostgresEndpoint | None:
    """The server that $ZEREN_DATABASE_URL names, or None.

    Raises:
        StateBroken: it isn't a URL of that form.
    """
    url = os.environ.get("ZEREN_DATABASE_URL")
    if not url:
        return None
    parts = urlsplit(url)
    if not parts.scheme.startswith("postgres") or not parts.hostname or not parts.username:
        raise StateBroken(
            "ZEREN_DATABASE_URL 应形如 postgresql://用户:密码@主机:端口/数据库",
            "ZEREN_DATABASE_URL must look like postgresql://user:password@host:port/database",
        )
    return PostgresEndpoint(
        host=parts.hostname,
        port=parts.port or 5432,
        user=unquote(parts.username),
        password=unquote(parts.password or ""),
        database=parts.path.lstrip("/") or "postgres",
    )


def existing_kafka() -> KafkaEndpoint | None:
    """The cluster that $ZEREN_KAFKA names, as the administrator of $ZEREN_KAFKA_ADMIN_FILE, or None.

    Raises:
        StateBroken: the file can't be used.
    """
    bootstrap = os.environ.get("ZEREN_KAFKA")
    if not bootstrap:
        return None
    return kafka.read_admin_file(bootstrap, Path(os.environ.get("ZEREN_KAFKA_ADMIN_FILE", "")))


def running_servers(state: StateFolder) -> Servers:
    """The servers that `start_servers` started, for commands that use them; starts nothing.

    Raises:
        ProcessFailed: they don't run.
    """
    database, broker = existing_database(), existing_kafka()
    own = own_servers(state)
    running = {one.name for one in Supervisor(state).status() if one.running}
    for name in own:
        if name not in running:
            raise ProcessFailed(
                f"{name} 未在运行；请先运行 zeren up", f"{name} isn't running; run zeren up first"
            )
    return Servers(
        state=state,
        postgres=database or postgres.endpoint_of(state),
        kafka=broker or kafka.endpoint_of(state),
    )


@contextmanager
def servers_as_found(state: StateFolder, *, progress: Progress = silent) -> Iterator[Servers]:
    """The servers for as long as the body runs: those that had to be started are stopped again after it.

    The folder is held meanwhile where any was started, so that no other command comes to rely on it.

    Raises:
        As `start_servers`.
    """
    running = {one.name for one in Supervisor(state).status() if one.running}
    started = [name for name in own_servers(state) if name not in running]
    if not started:
        yield running_servers(state)
        return
    with state.locked():
        progress(
            "启动 PostgreSQL 与 Kafka，之后再停止 / starting PostgreSQL and Kafka, to be stopped again afterwards"
        )
        try:
            yield start_servers(state, progress=progress)
        finally:
            Supervisor(state, progress).stop_together(started)


def own_servers(state: StateFolder) -> tuple[str, ...]:
    """The servers that this state folder runs itself, by their processes' names; raises StateBroken."""
    database = () if existing_database() else (postgres.NAME,)
    return database if existing_kafka() else (*database, *broker_names(state))


def _database(state: StateFolder, supervisor: Supervisor, *, test_databases: bool) -> PostgresEndpoint:
    endpoint = existing_database()
    if endpoint is None:
        start = partial(start_postgres, state, supervisor, test_databases=test_databases)
        endpoint = _with_ports(start, state, postgres.NAME)
    layout = read_layout()
    with _Once(state, "postgres", repr(endpoint), DEPLOY_LOCAL / "postgres.toml") as once:
        if once.needed:
            provision_postgres(endpoint, layout, state.secret, state.id)
    return endpoint


def _broker(state: StateFolder, supervisor: Supervisor, downloads: DownloadProgress) -> KafkaEndpoint:
    endpoint = existing_kafka()
    if endpoint is None:
        start = partial(start_kafka, state, supervisor, downloads)
        endpoint = _with_ports(start, state, *ports_of(state))
    files = (DEPLOY_LOCAL / "topics.toml", DEPLOY_LOCAL / "acls.toml")
    with _Once(state, "kafka", repr(endpoint), *files) as once:
        if once.needed or missing_topics(endpoint):
            provision_kafka(endpoint, state.secret)
            # A cluster that lost everything has lost its institutions as well: they hold their profiles.
            onboard_institutions(endpoint, state.secret, _onboarded(state))
    return endpoint


def _onboarded(state: StateFolder) -> list[str]:
    """The institutions that have a principal of their own."""
    return [name.removeprefix(_INSTITUTION) for name in state.known_secrets(_INSTITUTION)]


def _with_ports(start: Callable[[], Endpoint], state: StateFolder, *names: str) -> Endpoint:
    """Start once more if another program took a port between our look and the server's; it is chosen anew."""
    try:
        return start()
    except ProcessFailed:
        if all(port_is_free(state.port(name)) for name in names):
            raise
        return start()


class _Once:
    """Remembers that a server was provisioned from exactly this data, so that a warm start passes over it."""

    def __init__(self, state: StateFolder, name: str, server: str, *files: Path) -> None:
        wanted = hashlib.sha256(server.encode())
        for file in files:
            wanted.update(file.read_bytes())
        self._digest = wanted.hexdigest()
        self._path = state.path / f"provisioned-{name}"
        self.needed = not self._path.exists() or self._path.read_text("ascii") != self._digest

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, _value: object, _trace: object) -> None:
        if kind is None:
            write_private(self._path, self._digest)


def stop_everything(state: StateFolder, *, progress: Progress = silent) -> None:
    """Stop every process of this state folder, last started first; its data stays.

    Raises:
        StateBusy: another command works on it.
    """
    with state.locked():
        Supervisor(state, progress).stop_all(last=(postgres.NAME, *broker_names(state)))
        publish_archive(state)


def reset(state: StateFolder, *, progress: Progress = silent) -> None:
    """Stop everything and delete the state folder with all its data, also what lies elsewhere.

    What stands on existing servers stays there: they are not ours to empty.

    Raises:
        StateBusy: another command works on it.
    """
    if os.environ.get("ZEREN_DATABASE_URL") or os.environ.get("ZEREN_KAFKA"):
        progress(
            "自备服务器上的数据库与主题不删除 / databases and topics on servers of your own are not deleted"
        )
    with state.locked():
        Supervisor(state, progress).stop_all(last=(postgres.NAME, *broker_names(state)))
        publish_archive(state)
        postgres.remove_database(state)
        state.remove()
