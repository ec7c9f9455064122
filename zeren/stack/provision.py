"""Makes the servers what the committed data says; doing it again is harmless."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import psycopg
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialAlteration,
    UserScramCredentialUpsertion,
)
from psycopg import sql

from zeren.stack.errors import ProvisioningFailed
from zeren.stack.kafka import SCRAM_ITERATIONS, KafkaEndpoint, are_led
from zeren.stack.postgres import PostgresEndpoint, PostgresLayout
from zeren.stack.processes import wait_until
from zeren.stack.quotas import provision_quotas
from zeren.stack.rights import Rights, TopicSpec, read_rights, read_topics

CALL_SECONDS = 30.0
Passwords = Callable[[str], str]
"""Gives the password of a name, making it on first use: `StateFolder.secret`."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class InstitutionAccess:
    """What an institution needs to reach Kafka; goes into its profile file (mode 0600) and nowhere else."""

    uscc: str
    bootstrap: str
    user: str
    password: str = field(repr=False)
    receipts_topic: str
    group_prefix: str
    security_protocol: str


def provision_postgres(
    endpoint: PostgresEndpoint, layout: PostgresLayout, passwords: Passwords, owner: str
) -> None:
    """Make every role and database of the layout; passwords travel as SCRAM verifiers only.

    Each database bears the id of the state folder that it belongs to: two of them on one server would change each
    other's passwords.

    Raises:
        ProvisioningFailed: the server refused, or databases there are another state folder's.
    """
    try:
        with endpoint.connect() as connection:
            _refuse_databases_of_others(endpoint, connection, layout.databases, owner)
            for role in layout.roles:
                _provision_role(connection, role, passwords(f"postgres/{role}"), layout.sessions)
            for database, reach in layout.databases.items():
                _provision_database(connection, database, reach, owner)
    except psycopg.Error as error:
        raise ProvisioningFailed(
            f"PostgreSQL 拒绝了所需的设置：{error}", f"PostgreSQL refused what is needed: {error}"
        ) from error


def _provision_role(
    connection: psycopg.Connection, role: str, password: str, sessions: dict[str, str]
) -> None:
    name = sql.Identifier(role)
    if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone() is None:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(name))
    verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    rights = sql.SQL("ALTER ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD {}")
    connection.execute(rights.format(name, sql.Literal(verifier)))
    for key, value in sessions.items():
        setting = sql.SQL("ALTER ROLE {} SET {} = {}")
        connection.execute(setting.format(name, sql.Identifier(key), sql.Literal(value)))


def _refuse_databases_of_others(
    endpoint: PostgresEndpoint, connection: psycopg.Connection, databases: Iterable[str], owner: str
) -> None:
    noted = """SELECT datname FROM pg_database WHERE datname = ANY(%s)
               AND shobj_description(oid, 'pg_database') LIKE 'zeren:%%'
               AND shobj_description(oid, 'pg_database') <> %s ORDER BY datname"""
    rows = connection.execute(noted, (list(databases), _mark(owner))).fetchall()
    if rows:
        where, names = f"{endpoint.host}:{endpoint.port}", ", ".join(name for (name,) in rows)
        raise ProvisioningFailed(
            f"{where} 上的数据库 {names} 属于另一个状态目录：请用那个目录；"
            "或先删除这些数据库和集群中以 zeren. 开头的主题",
            f"the databases {names} on {where} are another state folder's: use that one, or first drop them and "
            f"the cluster's topics that begin with zeren.",
        )


def _mark(owner: str) -> str:
    return f"zeren:{owner}"


def _provision_database(
    connection: psycopg.Connection, database: str, reach: tuple[str, ...], owner: str
) -> None:
    name = sql.Identifier(database)
    if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,)).fetchone() is None:
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, name))
    connection.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(name, sql.Literal(_mark(owner))))
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
    for role in reach:
        connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(name, sql.Identifier(role)))


def provision_kafka(endpoint: KafkaEndpoint, passwords: Passwords) -> None:
    """Make every declared topic, user, right and quota; what a declared principal has beyond them is removed.

    Raises:
        ProvisioningFailed: the cluster refused, or a topic has other partitions than declared.
    """
    topics, rights = read_topics(replicated=endpoint.replicated), read_rights()
    admin = endpoint.admin()
    provision_topics(admin, topics.fixed)
    provision_users(admin, {user: passwords(f"kafka/{user}") for user in rights.users})
    provision_rights(admin, rights)
    if quotas := rights.quotas:
        everybody, larger = quotas["everybody"], quotas["services"]
        provision_quotas(endpoint, everybody, (*rights.users, endpoint.user), larger)


def provision_topics(admin: AdminClient, topics: Iterable[TopicSpec]) -> None:
    """Create what is missing, and set the configuration where it differs; partitions are only compared."""
    existing = _call("topics", lambda: admin.list_topics(timeout=CALL_SECONDS)).topics
    wanted = list(topics)
    missing = [topic for topic in wanted if topic.name not in existing]
    if missing:
        new = [NewTopic(one.name, num_partitions=one.partitions, config=dict(one.config)) for one in missing]
        _await_all(admin.create_topics(new, request_timeout=CALL_SECONDS), KafkaError.TOPIC_ALREADY_EXISTS)
        _await_leaders(admin, {one.name: one.partitions for one in missing})
    present = [topic for topic in wanted if topic.name in existing]
    for topic in present:
        found = len(existing[topic.name].partitions)
        if found != topic.partitions:
            raise ProvisioningFailed(
                f"主题 {topic.name} 有 {found} 个分区，应为 {topic.partitions} 个；"
                "分区数不可更改，请新建集群",
                f"topic {topic.name} has {found} partitions, declared are {topic.partitions}; "
                "partitions never change: use a fresh cluster",
            )
    _correct_configs(admin, present)


def _await_leaders(admin: AdminClient, partitions: dict[str, int]) -> None:
    """A new partition refuses records until its leader is in office, a moment after its creation is answered."""
    if not wait_until(lambda: are_led(admin, partitions), CALL_SECONDS):
        names = ", ".join(partitions)
        raise ProvisioningFailed(
            f"新建主题 {CALL_SECONDS:g} 秒后仍不可用：{names}",
            f"new topics aren't usable after {CALL_SECONDS:g} s: {names}",
        )


def _correct_configs(admin: AdminClient, topics: list[TopicSpec]) -> None:
    resources = {ConfigResource(ResourceType.TOPIC, topic.name): topic for topic in topics}
    if not resources:
        return
    changes = []
    found = admin.describe_configs(list(resources), request_timeout=CALL_SECONDS)
    for resource, future in found.items():
        entries = _result(resource.name, future) or {}
        differing = [
            ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
            for key, value in resources[resource].config.items()
            if key not in entries or entries[key].value != value
        ]
        if differing:
            changes.append(ConfigResource(ResourceType.TOPIC, resource.name, incremental_configs=differing))
    if changes:
        _await_all(admin.incremental_alter_configs(changes, request_timeout=CALL_SECONDS))


def provision_users(admin: AdminClient, passwords: dict[str, str]) -> None:
    """Set each user's SCRAM credentials (Kafka receives salt and salted password, never the password)."""
    scram = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, SCRAM_ITERATIONS)
    upsertions: list[UserScramCredentialAlteration] = [
        UserScramCredentialUpsertion(user, scram, password.encode()) for user, password in passwords.items()
    ]
    _await_all(admin.alter_user_scram_credentials(upsertions, request_timeout=CALL_SECONDS))


def provision_rights(admin: AdminClient, rights: Rights) -> None:
    """Grant what is declared to the declared principals and take from them what isn't."""
    wanted = set(rights.bindings())
    existing: set[AclBinding] = set()
    for principal in rights.principals:
        existing |= set(
            _result(principal, admin.describe_acls(rights_of_principal(f"User:{principal}"))) or ()
        )
    _grant(admin, wanted - existing)
    surplus = [_exactly(binding) for binding in existing - wanted]
    if surplus:
        _await_all(admin.delete_acls(surplus, request_timeout=CALL_SECONDS))


def _grant(admin: AdminClient, bindings: Iterable[AclBinding]) -> None:
    bindings = list(bindings)
    if bindings:
        _await_all(admin.create_acls(bindings, request_timeout=CALL_SECONDS))


def rights_of_principal(principal: str) -> AclBindingFilter:
    """Matches every access rule of a principal such as `User:svc-audit`."""
    return AclBindingFilter(
        restype=ResourceType.ANY,
        name=cast("str", None),  # None matches all; the stub doesn't know
        resource_pattern_type=ResourcePatternType.ANY,
        principal=principal,
        host=cast("str", None),
        operation=AclOperation.ANY,
        permission_type=AclPermissionType.ANY,
    )


def _exactly(binding: AclBinding) -> AclBindingFilter:
    return AclBindingFilter(
        restype=binding.restype,
        name=binding.name,
        resource_pattern_type=binding.resource_pattern_type,
        principal=binding.principal,
        host=binding.host,
        operation=binding.operation,
        permission_type=binding.permission_type,
    )


def onboard_institution(endpoint: KafkaEndpoint, passwords: Passwords, uscc: str) -> InstitutionAccess:
    """`onboard_institutions` for one."""
    return onboard_institutions(endpoint, passwords, [uscc])[0]


def onboard_institutions(
    endpoint: KafkaEndpoint, passwords: Passwords, usccs: Sequence[str]
) -> list[InstitutionAccess]:
    """Give institutions their receipts topics, principals and rights; again, it changes and rotates nothing.

    The passwords come from `passwords`, which stores each before it is used, so that a crash in between loses
    nothing and a repetition returns the same.

    Raises:
        ValueError: one hasn't the form of a unified social credit code.
        ProvisioningFailed: the cluster refused.
    """
    if not usccs:
        return []
    topics, rights = read_topics(replicated=endpoint.replicated), read_rights()
    receipts = {uscc: topics.receipts_of(uscc) for uscc in usccs}
    granted = {uscc: rights.institution(uscc) for uscc in usccs}
    users = {principal: passwords(f"kafka/{principal}") for principal, _ in granted.values()}
    admin = endpoint.admin()
    provision_topics(admin, receipts.values())
    provision_users(admin, users)
    _grant(admin, [binding for _, bindings in granted.values() for binding in bindings])
    return [
        InstitutionAccess(
            uscc=uscc,
            bootstrap=endpoint.bootstrap,
            user=principal,
            password=users[principal],
            receipts_topic=receipts[uscc].name,
            group_prefix=f"{principal}.",
            security_protocol=endpoint.security_protocol,
        )
        for uscc, (principal, _) in granted.items()
    ]


def missing_topics(endpoint: KafkaEndpoint) -> tuple[str, ...]:
    """The declared topics that the cluster hasn't."""
    existing = _call("topics", lambda: endpoint.admin().list_topics(timeout=CALL_SECONDS)).topics
    return tuple(topic.name for topic in read_topics().fixed if topic.name not in existing)


def _await_all(futures: dict[Any, Future[Any]], *accepted: int) -> None:
    for name, future in futures.items():
        _result(str(name), future, *accepted)


def _result(what: str, future: Future[Result], *accepted: int) -> Result | None:
    try:
        return future.result(CALL_SECONDS)
    except KafkaException as error:
        if error.args[0].code() in accepted:
            return None
        raise _refused(what, error) from error


def _call(what: str, call: Callable[[], Result]) -> Result:
    try:
        return call()
    except KafkaException as error:
        raise _refused(what, error) from error


def _refused(what: str, error: KafkaException) -> ProvisioningFailed:
    reason = error.args[0].str()
    return ProvisioningFailed(f"Kafka 拒绝了 {what}：{reason}", f"Kafka refused {what}: {reason}")
