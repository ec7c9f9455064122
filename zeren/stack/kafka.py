"""A Kafka cluster as its administrator sees it: how to reach it, whether it serves, how many brokers are ours."""

from __future__ import annotations

import re
import socket
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, ClusterMetadata, OffsetSpec

from zeren.stack.errors import StateBroken
from zeren.stack.files import write_private
from zeren.stack.state import HOST, StateFolder

NAME = "kafka"
ADMIN = "admin"
CLUSTER_SIZES = (1, 3)
"""One broker, or as many as survive the loss of one with two copies left."""
SCRAM_ITERATIONS = 4096
"""Kafka's least; passwords here are 256 random bits, so more would only slow each connection."""
ADMIN_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaEndpoint:
    """A cluster and a principal that may use it.

    Attributes:
        bootstrap: host:port of one or more brokers, by commas.
        replicated: whether topics are made with three copies of which two must have a record.
    """

    bootstrap: str
    user: str
    password: str = field(repr=False)
    security_protocol: str = "SASL_PLAINTEXT"
    ca_file: str | None = None
    replicated: bool = False

    def settings(self) -> dict[str, str | int | float]:
        """confluent-kafka's settings; quiet, since a server that isn't up yet is no news."""
        settings: dict[str, str | int | float] = {
            "bootstrap.servers": self.bootstrap,
            "security.protocol": self.security_protocol,
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": self.user,
            "sasl.password": self.password,
            "log_level": 0,
        }
        if self.ca_file:
            settings["ssl.ca.location"] = self.ca_file
        return settings

    def admin(self) -> AdminClient:
        """A client for administrative calls."""
        return AdminClient(self.settings(), error_cb=_ignore_error)


def _ignore_error(_error: object) -> None:
    """Each call reports its own failure; librdkafka's background complaints would come on top."""


def answers(endpoint: KafkaEndpoint) -> bool:
    """Whether the cluster accepts the principal and has a live broker."""
    return _metadata(endpoint) is not None


def members(endpoint: KafkaEndpoint) -> int | None:
    """How many brokers are in the cluster now; None if it doesn't answer."""
    metadata = _metadata(endpoint)
    return None if metadata is None else len(metadata.brokers)


def leads_everything(endpoint: KafkaEndpoint) -> bool:
    """Whether every partition can be read and written; a broker that has just started refuses some for a moment."""
    metadata = _metadata(endpoint)
    if metadata is None:
        return False
    counts = {name: len(topic.partitions) for name, topic in metadata.topics.items()}
    return are_led(endpoint.admin(), counts)


def are_led(admin: AdminClient, partitions: Mapping[str, int]) -> bool:
    """Whether the leader of every partition of these topics (name to count) answers as such."""
    latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
    wanted = {TopicPartition(name, one): latest for name, count in partitions.items() for one in range(count)}
    if not wanted:
        return True
    try:
        for found in admin.list_offsets(wanted, request_timeout=ADMIN_SECONDS).values():
            found.result(ADMIN_SECONDS)
    except (KafkaException, TimeoutError):
        _look_again(admin)
        return False
    return True


def _look_again(admin: AdminClient) -> None:
    """The client may go on asking the leader that it knew, which was none when the topic was new."""
    with suppress(KafkaException):
        admin.list_topics(timeout=ADMIN_SECONDS)


def _metadata(endpoint: KafkaEndpoint) -> ClusterMetadata | None:
    """What the cluster says of itself; None if it doesn't answer or has no broker yet."""
    if not any(_listens(address) for address in endpoint.bootstrap.split(",")):
        return None
    try:
        metadata = endpoint.admin().list_topics(timeout=ADMIN_SECONDS)
    except KafkaException:
        return None
    return metadata if metadata.brokers else None


def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=1):
            return True
    except OSError:
        return False


def serves(endpoint: KafkaEndpoint, node: int) -> bool:
    """Whether this broker is in the cluster, and every partition is led by somebody."""
    metadata = _metadata(endpoint)
    return metadata is not None and node in metadata.brokers and leads_everything(endpoint)


def serves_in_sync(endpoint: KafkaEndpoint, node: int) -> bool:
    """Whether it serves and has all of its copies up to date: another may be lost then."""
    metadata = _metadata(endpoint)
    if metadata is None:
        return False
    partitions = [one for topic in metadata.topics.values() for one in topic.partitions.values()]
    lacking = any(node in one.replicas and node not in one.isrs for one in partitions)
    return not lacking and serves(endpoint, node)


def broker_count(state: StateFolder) -> int:
    """How many brokers this state folder's cluster has, or will have at its first start."""
    remembered = state.path / "brokers"
    return int(remembered.read_text("ascii")) if remembered.exists() else 1


def settle_broker_count(state: StateFolder, wanted: int | None) -> int:
    """How many brokers there are to be, remembered from the first start on; None takes what is remembered.

    Raises:
        StateBroken: the cluster was made with another number, which its topics can't change to.
    """
    known, remembered = broker_count(state), state.path / "brokers"
    if wanted is None or wanted == known:
        return known
    if remembered.exists() or (state.path / "kafka" / "data").exists():
        raise StateBroken(
            f"{state.path} 的集群有 {known} 个 broker，不能改为 {wanted} 个：请换用另一个 --state，"
            f"或先 zeren reset --state {state.path.name}（删除其全部数据）",
            f"the cluster of {state.path} has {known} brokers and can't become one of {wanted}: use another --state, "
            f"or zeren reset --state {state.path.name} first, which deletes all its data",
        )
    write_private(remembered, str(wanted))
    return wanted


def broker_names(state: StateFolder) -> tuple[str, ...]:
    """The processes, logs and ports of this state folder's brokers: `kafka`, or `kafka-1` to `kafka-3`."""
    count = broker_count(state)
    return (NAME,) if count == 1 else tuple(f"{NAME}-{node}" for node in range(1, count + 1))


def endpoint_of(state: StateFolder) -> KafkaEndpoint:
    """This state folder's own cluster as administrator, whether it runs or not."""
    names = broker_names(state)
    return KafkaEndpoint(
        bootstrap=",".join(f"{HOST}:{state.port(name)}" for name in names),
        user=ADMIN,
        password=state.secret(f"kafka/{ADMIN}"),
        replicated=len(names) > 1,
    )


def read_admin_file(bootstrap: str, path: Path) -> KafkaEndpoint:
    """The administrator of an existing cluster ($ZEREN_KAFKA, $ZEREN_KAFKA_ADMIN_FILE).

    The file is TOML, mode 0600: `username`, `password`, and optionally `security_protocol` and `ca_file`.

    Raises:
        StateBroken: it can't be read, others may read it, or a field is missing.
    """
    try:
        if path.stat().st_mode & 0o077:
            raise StateBroken(
                f"{path} 可被他人读取；请执行 chmod 600", f"others may read {path}; run chmod 600 on it"
            )
        raw = tomllib.loads(path.read_text("utf-8"))
        return KafkaEndpoint(
            bootstrap=bootstrap,
            user=str(raw["username"]),
            password=str(raw["password"]),
            security_protocol=str(raw.get("security_protocol", "SASL_PLAINTEXT")),
            ca_file=str(raw["ca_file"]) if "ca_file" in raw else None,
        )
    except (OSError, KeyError, tomllib.TOMLDecodeError) as error:
        raise StateBroken(
            f"无法读取 ZEREN_KAFKA_ADMIN_FILE（{path}）：{error}",
            f"ZEREN_KAFKA_ADMIN_FILE ({path}) can't be read: {error}",
        ) from error


def broker_version(log: Path) -> str:
    """The version that the last broker started with this log wrote into it; empty if none did."""
    found = re.findall(r"Kafka version: (\S+)", log.read_text("utf-8", "replace"))
    return str(found[-1]) if found else ""
