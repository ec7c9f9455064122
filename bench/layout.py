"""Which processes the measured stack has: chosen services run their roles apart, the others in one process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from zeren.stack.errors import ProcessFailed
from zeren.stack.kafka import broker_names
from zeren.stack.local import SERVICES, Servers
from zeren.stack.processes import is_alive
from zeren.stack.supervisor import ProcessSpec, Supervisor
from zeren.stack.whole import service_spec


@dataclass(frozen=True, slots=True)
class Layout:
    """The running stack.

    Attributes:
        split: services whose roles run apart.
        workers: how many workers each of these has; Kafka shares the partitions out among them.
    """

    servers: Servers
    split: Sequence[str]
    workers: int

    def start(self) -> None:
        """Replaces the split services' whole processes. Raises: StackError."""
        supervisor = Supervisor(self.servers.state)
        for service in self.split:
            for spec in split_specs(service_spec(self.servers, service), self.workers):
                supervisor.start(spec)

    def pids(self) -> Mapping[str, int]:
        """By name, every process of the stack. Raises: ProcessFailed: one has ended."""
        supervisor = Supervisor(self.servers.state)
        found = {}
        for record in supervisor.records():
            if not is_alive(record.identity):
                raise ProcessFailed(
                    f"{record.name} 已退出，日志见 {self.servers.state.log(record.name)}",
                    f"{record.name} has ended; its log is {self.servers.state.log(record.name)}",
                )
            found[record.name] = record.pid
        return found

    @property
    def brokers(self) -> Sequence[str]:
        """The names of the Kafka processes."""
        return broker_names(self.servers.state)

    def is_service(self, name: str) -> bool:
        """Whether a process of this name is (a part of) one of the four services."""
        return name.partition("-")[0] in SERVICES


def split_specs(whole: ProcessSpec, workers: int = 1) -> list[ProcessSpec]:
    """One service as several processes: its API with the projector, its workers, its relay."""
    named = [(number, "worker") for number in range(1, workers + 1)] + [(1, "relay")]
    return [
        replace(whole, argv=(*whole.argv, "--roles", "api,projector")),
        *(
            replace(
                whole, name=_name(whole.name, role, number), argv=(*whole.argv, "--roles", role), ready=None
            )
            for number, role in named
        ),
    ]


def _name(service: str, role: str, number: int) -> str:
    return f"{service}-{role}" if number == 1 else f"{service}-{role}-{number}"
