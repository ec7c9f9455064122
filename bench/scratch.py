"""Databases and topics of the bench's own on the measured servers, removed whatever ends the body."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from confluent_kafka import KafkaError, KafkaException
from psycopg import sql

from zeren.stack.errors import ProvisioningFailed
from zeren.stack.kafka import KafkaEndpoint
from zeren.stack.postgres import PostgresEndpoint
from zeren.stack.processes import wait_until
from zeren.stack.provision import provision_topics
from zeren.stack.rights import read_topics

CALL_SECONDS = 30.0
LIKE = "zeren.enrolment.facts.v1"
"""The declared topic whose partitions and settings every topic here has."""


@contextmanager
def scratch_database(postgres: PostgresEndpoint, name: str) -> Iterator[str]:
    """An empty database of this name, the superuser's; one that was left is dropped first."""
    identifier = sql.Identifier(name)
    with postgres.connect() as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(identifier))
        connection.execute(sql.SQL("CREATE DATABASE {}").format(identifier))
    try:
        yield name
    finally:
        with postgres.connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(identifier))


@contextmanager
def scratch_topics(kafka: KafkaEndpoint, names: Sequence[str]) -> Iterator[None]:
    """Empty topics of these names, in all else as `LIKE`. Raises: ProvisioningFailed."""
    like = next(one for one in read_topics(replicated=kafka.replicated).fixed if one.name == LIKE)
    _delete(kafka, names)
    provision_topics(kafka.admin(), [replace(like, name=name) for name in names])
    try:
        yield
    finally:
        _delete(kafka, names)


def _delete(kafka: KafkaEndpoint, names: Sequence[str]) -> None:
    """Returns once they are gone: until then none of the same name can be made."""
    admin = kafka.admin()
    there = set(admin.list_topics(timeout=CALL_SECONDS).topics) & set(names)
    if not there:
        return
    for future in admin.delete_topics(sorted(there), operation_timeout=CALL_SECONDS).values():
        _unless(future.result, KafkaError.UNKNOWN_TOPIC_OR_PART)
    gone = wait_until(
        lambda: not set(admin.list_topics(timeout=CALL_SECONDS).topics) & set(names), CALL_SECONDS
    )
    if not gone:
        raise ProvisioningFailed(
            f"主题未能删除：{sorted(there)}", f"topics can't be deleted: {sorted(there)}"
        )


def _unless(result: Callable[[float], object], *accepted: int) -> None:
    """Raises: ProvisioningFailed: the broker refused for another reason than these."""
    try:
        result(CALL_SECONDS)
    except KafkaException as error:
        if error.args[0].code() not in accepted:
            raise ProvisioningFailed(
                f"Kafka 拒绝：{error.args[0].str()}", f"Kafka refused: {error.args[0].str()}"
            ) from error
