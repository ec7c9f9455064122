"""The local brokers: one combined KRaft node or three of them, with SCRAM and ACLs from their first start."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import string
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path

from zeren.stack import java as archives
from zeren.stack.downloads import DownloadProgress, fetch_jars, find_java, read_jar_list
from zeren.stack.errors import ProcessFailed
from zeren.stack.files import private_folder, write_private
from zeren.stack.kafka import (
    ADMIN,
    SCRAM_ITERATIONS,
    KafkaEndpoint,
    broker_names,
    endpoint_of,
    serves,
    serves_in_sync,
)
from zeren.stack.paths import DEPLOY_LOCAL
from zeren.stack.processes import is_alive, wait_until
from zeren.stack.state import HOST, StateFolder
from zeren.stack.supervisor import TAKE_OVER_SECONDS, ProcessSpec, Supervisor

FORMAT_SECONDS = 120
ALONE_STOP_SECONDS, TOGETHER_STOP_SECONDS = 30.0, 8.0
"""The last of three finds no quorum any more that would let it go, and is killed, which loses nothing."""
COPIES, IN_SYNC = 3, 2
"""Of every partition in a cluster of three, and how many of them must have a record before it counts."""
TEMPLATES = DEPLOY_LOCAL / "kafka"


def controller_of(broker: str) -> str:
    """The name of the port on which this broker's controller listens."""
    return f"{broker}-controller"


def ports_of(state: StateFolder) -> tuple[str, ...]:
    """The names of every port that the brokers listen on."""
    return tuple(port for name in broker_names(state) for port in (name, controller_of(name)))


def start_kafka(state: StateFolder, supervisor: Supervisor, downloads: DownloadProgress) -> KafkaEndpoint:
    """Make this state folder's brokers run; one that does already is kept.

    Raises:
        DownloadFailed, PortTaken, ProcessFailed, StateBroken
    """
    java, jars, options = find_java(), fetch_jars(read_jar_list(), downloads), _read_options()
    names = broker_names(state)
    brokers = [
        _Broker(state=state, java=java, jars=jars, options=options, node=node, name=name)
        for node, name in enumerate(names, 1)
    ]
    publish_archive(state)
    for broker in brokers:
        if not _lives(supervisor, broker.name, None):
            supervisor.stop(broker.name)
            broker.secure_ports()
    ended = [one for one in brokers if not _lives(supervisor, one.name, one.spec())]
    # Those that live can't serve before the others do: all that must be started are, and only then looked at.
    _start(ended, supervisor)
    _start([one for one in brokers if one not in ended and one.hangs()], supervisor)
    return endpoint_of(state)


def _lives(supervisor: Supervisor, name: str, spec: ProcessSpec | None) -> bool:
    """Whether a broker runs, by this spec if one is given, serving or not."""
    record = supervisor.record(name)
    if record is None or not is_alive(record.identity):
        return False
    return spec is None or record.spec == spec.digest()


def _start(brokers: list[_Broker], supervisor: Supervisor) -> None:
    for broker in brokers:
        supervisor.stop(broker.name)
    for broker in brokers:
        broker.secure_ports()
    for broker in brokers:
        broker.prepare()
    supervisor.start_all([broker.spec() for broker in brokers])


def _read_options() -> tuple[str, ...]:
    lines = (TEMPLATES / "jvm.options").read_text("utf-8").splitlines()
    return tuple(line for line in lines if line and not line.startswith("#"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Broker:
    """How one of a state folder's brokers is configured, formatted and run. No secret is on its command line."""

    state: StateFolder
    java: Path
    jars: tuple[Path, ...]
    options: tuple[str, ...]
    node: int
    name: str

    @property
    def folder(self) -> Path:
        return _folder(self.state, self.name)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def hangs(self) -> bool:
        """Whether it doesn't serve, though it lives and has had time to."""
        endpoint = endpoint_of(self.state)
        return not wait_until(lambda: serves(endpoint, self.node), TAKE_OVER_SECONDS)

    def secure_ports(self) -> None:
        self.state.secure_port(self.name)
        self.state.secure_port(controller_of(self.name))

    def prepare(self) -> None:
        """Write the configuration; format the data folder where that was never done."""
        private_folder(self.folder)
        write_private(self.folder / "server.properties", self.properties())
        if not (self.data / "meta.properties").exists():
            self.format()
        self.write_arguments()

    def properties(self) -> str:
        template = string.Template((TEMPLATES / "server.properties").read_text("utf-8"))
        body = [line for line in template.template.splitlines() if not line.startswith("#")]
        names = broker_names(self.state)
        controllers = [
            f"{node}@{HOST}:{self.state.port(controller_of(name))}" for node, name in enumerate(names, 1)
        ]
        return string.Template("\n".join(body) + "\n").substitute(
            node=self.node,
            voters=",".join(controllers),
            copies=min(COPIES, len(names)),
            in_sync=min(IN_SYNC, len(names)),
            client_port=self.state.port(self.name),
            controller_port=self.state.port(controller_of(self.name)),
            log_dirs=self.data,
            admin_password=self.state.secret(f"kafka/{ADMIN}"),
            node_password=self.state.secret("kafka/_node"),
        )

    def spec(self) -> ProcessSpec:
        endpoint, node = endpoint_of(self.state), self.node
        # Without the archive's options: that another stack published one is no reason to restart this broker.
        wanted = repr((self.properties(), self.options, self.jars))
        return ProcessSpec(
            name=self.name,
            argv=(str(self.java), f"@{self.folder / 'broker.args'}"),
            environment={"ZEREN_CONFIGURATION": hashlib.sha256(wanted.encode()).hexdigest()},
            cwd=self.folder,
            ready=lambda: serves_in_sync(endpoint, node),
            ready_seconds=120.0,
            stop_seconds=ALONE_STOP_SECONDS if not endpoint.replicated else TOGETHER_STOP_SECONDS,
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
        java = (*self.options, *archives.known_archives(folder), *self._java_arguments())
        write_private(arguments, _argument_file((*java, *command, *options)))
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
    """Share the class archive that a broker of this state folder wrote when it ended, if one wrote one."""
    for name in broker_names(state):
        own = _folder(state, name)
        if (own / "archive-folder").exists():
            folder = Path((own / "archive-folder").read_text("utf-8"))
            archives.publish_archive(own / "classes.jsa", folder)


def _folder(state: StateFolder, name: str) -> Path:
    """Where a broker's configuration and data lie: `kafka/`, or `kafka/1` to `kafka/3`."""
    whole = state.path / "kafka"
    return whole / name.rpartition("-")[2] if "-" in name else whole
