"""The local Kafka broker: one combined KRaft node, with SCRAM and ACLs from its first start."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import socket
import string
import subprocess
import tomllib
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, ClusterMetadata, OffsetSpec

from zeren.stack import java as archives
from zeren.stack.downloads import DownloadProgress, fetch_jars, find_java, read_jar_list
from zeren.stack.errors import ProcessFailed, StateBroken
from zeren.stack.files import write_private
from zeren.stack.paths import DEPLOY_LOCAL
from zeren.stack.state import HOST, StateFolder
from zeren.stack.supervisor import ProcessSpec, Supervisor

NAME = "kafka"
CONTROLLER = "kafka-controller"
ADMIN = "admin"
SCRAM_ITERATIONS = 4096
"""Kafka's least; passwords here are 256 random bits, so more would only slow each connection."""
FORMAT_SECONDS = 120
ADMIN_SECONDS = 5.0
TEMPLATES = DEPLOY_LOCAL / "kafka"


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaEndpoint:
    """A cluster and a principal that may use it."""

    bootstrap: str
    user: str
    password: str = field(repr=False)
    security_protocol: str = "SASL_PLAINTEXT"
    ca_file: str | None = None

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
    host, _, port = endpoint.bootstrap.split(",")[0].rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=1):
            pass
        metadata = endpoint.admin().list_topics(timeout=ADMIN_SECONDS)
    except (OSError, KafkaException):
        return None
    return metadata if metadata.brokers else None


def endpoint_of(state: StateFolder) -> KafkaEndpoint:
    """This state folder's own broker as administrator, whether it runs or not."""
    bootstrap = f"{HOST}:{state.port(NAME)}"
    return KafkaEndpoint(bootstrap=bootstrap, user=ADMIN, password=state.secret(f"kafka/{ADMIN}"))


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


def start_kafka(state: StateFolder, supervisor: Supervisor, downloads: DownloadProgress) -> KafkaEndpoint:
    """Make this state folder's broker run; one that does already is kept.

    Raises:
        DownloadFailed, PortTaken, ProcessFailed, StateBroken
    """
    java, jars = find_java(), fetch_jars(read_jar_list(), downloads)
    broker = _Broker(state=state, java=java, jars=jars, options=_read_options())
    spec = broker.spec()
    if supervisor.running(spec) is not None:
        return endpoint_of(state)
    supervisor.stop(NAME)
    publish_archive(state)
    state.secure_port(NAME)
    state.secure_port(CONTROLLER)
    write_private(broker.folder / "server.properties", broker.properties())
    if not (broker.data / "meta.properties").exists():
        broker.format()
    broker.write_arguments()
    supervisor.start(broker.spec())
    return endpoint_of(state)


def _read_options() -> tuple[str, ...]:
    lines = (TEMPLATES / "jvm.options").read_text("utf-8").splitlines()
    return tuple(line for line in lines if line and not line.startswith("#"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Broker:
    """How one state folder's broker is configured, formatted and run. No secret is on its command line."""

    state: StateFolder
    java: Path
    jars: tuple[Path, ...]
    options: tuple[str, ...]

    @property
    def folder(self) -> Path:
        return self.state.path / "kafka"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def properties(self) -> str:
        template = string.Template((TEMPLATES / "server.properties").read_text("utf-8"))
        body = [line for line in template.template.splitlines() if not line.startswith("#")]
        return string.Template("\n".join(body) + "\n").substitute(
            client_port=self.state.port(NAME),
            controller_port=self.state.port(CONTROLLER),
            log_dirs=self.data,
            admin_password=self.state.secret(f"kafka/{ADMIN}"),
            node_password=self.state.secret("kafka/_node"),
        )

    def spec(self) -> ProcessSpec:
        endpoint = endpoint_of(self.state)
        # Without the archive's options: that another stack published one is no reason to restart this broker.
        wanted = repr((self.properties(), self.options, self.jars))
        return ProcessSpec(
            name=NAME,
            argv=(str(self.java), f"@{self.folder / 'broker.args'}"),
            environment={"ZEREN_CONFIGURATION": hashlib.sha256(wanted.encode()).hexdigest()},
            cwd=self.folder,
            ready=lambda: leads_everything(endpoint),
            ready_seconds=120.0,
            stop_seconds=30.0,
        )

    def write_arguments(self) -> None:
        archive_folder = archives.archive_folder(self.java, self.jars, self.options)
        archives.make_java_archive(self.java, archive_folder, self.options)
        write_private(self.folder / "archive-folder", str(archive_folder))
        arguments = (
            *self.options,
            *archives.archive_options(archive_folder, self.folder / "classes.jsa"),
            *self._java_arguments(),
            f"-Dkafka.logs.dir={self.state.path / 'logs'}",
            "kafka.Kafka",
            str(self.folder / "server.properties"),
        )
        write_private(self.folder / "broker.args", _argument_file(arguments))

    def _java_arguments(self) -> tuple[str, ...]:
        log4j = f"-Dlog4j2.configurationFile={(TEMPLATES / 'log4j2.properties').as_uri()}"
        return (log4j, "-cp", os.pathsep.join(map(str, self.jars)))

    def format(self) -> None:
        """Make the data folder with the administrator's credentials; an interrupted attempt is done again."""
        shutil.rmtree(self.data, ignore_errors=True)
        arguments = self.folder / "format.args"
        scram = f"[name={ADMIN},iterations={SCRAM_ITERATIONS},password={self.state.secret(f'kafka/{ADMIN}')}]"
        command = ("kafka.tools.StorageTool", "format", "-t", _cluster_id(self.state.id))
        options = ("-c", str(self.folder / "server.properties"), "-S", f"SCRAM-SHA-512={scram}")
        folder = archives.archive_folder(self.java, self.jars, self.options)
        quick = (
            "-XX:TieredStopAtLevel=1",
            *self.options,
            *archives.known_archives(folder),
            *self._java_arguments(),
        )
        write_private(arguments, _argument_file((*quick, *command, *options)))
        try:
            done = subprocess.run(
                [self.java, f"@{arguments}"], capture_output=True, timeout=FORMAT_SECONDS, check=False
            )
        finally:
            arguments.unlink()
        if done.returncode != 0:
            reason = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
            raise ProcessFailed(
                f"无法格式化 Kafka 数据目录 {self.data}",
                f"Kafka's data folder {self.data} can't be formatted: {reason}",
            )


def _cluster_id(state_id: str) -> str:
    """A Kafka cluster id that follows from the state folder's id; a leading - would look like an option."""
    encoded = base64.urlsafe_b64encode(uuid.uuid5(uuid.NAMESPACE_OID, state_id).bytes).decode()[:22]
    return encoded.replace("-", "z")


def _argument_file(arguments: tuple[str, ...]) -> str:
    quoted = (argument.replace("\\", "\\\\").replace('"', '\\"') for argument in arguments)
    return "".join(f'"{argument}"\n' for argument in quoted)


def publish_archive(state: StateFolder) -> None:
    """Share the class archive that a broker of this state folder wrote when it ended, if it wrote one."""
    folder = state.path / "kafka" / "archive-folder"
    if folder.exists():
        archives.publish_archive(state.path / "kafka" / "classes.jsa", Path(folder.read_text("utf-8")))


def broker_version(log: Path) -> str:
    """The version that the last broker started with this log wrote into it; empty if none did."""
    found = re.findall(r"Kafka version: (\S+)", log.read_text("utf-8", "replace"))
    return str(found[-1]) if found else ""
