"""What happened in a run, as it was seen from outside: kept by its own clock, checked when all is over."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from shared.identity import derive_id
from tests.chaos.plan import Fault
from tests.chaos.rows import Acknowledged, Answered


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """A fault that happened.

    Attributes:
        at: UTC.
        ready_seconds: from the new start or SIGCONT until the target and every service were ready again.
        open_seen: a transaction that held the lock was seen to be open while its process stood still.
    """

    fault: Fault
    at: datetime
    ready_seconds: float
    open_seen: bool


@dataclass(frozen=True, slots=True)
class Command:
    """A command that was answered, with what is needed to ask it again."""

    answered: Answered
    service: str
    path: str
    body: Any = field(repr=False)
    subject: str
    key: str = field(repr=False)


class History:
    """Everything that was acknowledged, and every fault. Threads share it."""

    def __init__(self) -> None:
        self.commands: list[Command] = []
        self.faults: list[Happened] = []
        self.ended: list[str] = []
        self._lock = threading.Lock()

    def answered(self, command: Command) -> None:
        """A service has said yes."""
        with self._lock:
            self.commands.append(command)

    def happened(self, fault: Happened) -> None:
        """A fault is over."""
        with self._lock:
            self.faults.append(fault)

    def ended_by_itself(self, name: str) -> None:
        """A process is gone that nobody killed."""
        with self._lock:
            self.ended.append(f"{datetime.now(UTC):%H:%M:%S} {name}")


def command(service: str, path: str, *, body: Any, bearer: str, key: str, answer: Any) -> Command:
    """A command and its answer, under the id by which the service keeps it."""
    digest = hashlib.sha256(key.encode()).hexdigest()
    subject = _subject(bearer)
    causation = derive_id(service, "http", subject, digest)
    answered = Answered(service=service, causation=causation, answer=json.dumps(answer, sort_keys=True))
    return Command(answered, service, path, body, subject, key)


def _subject(bearer: str) -> str:
    """Whose token it is; its signature is the services' business."""
    middle = bearer.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    return str(claims["sub"])


def read_acknowledged(file: Path) -> list[Acknowledged]:
    """What Kafka has acknowledged to the institutions; the last line may be half-written by a killed process."""
    rows = []
    for line in file.read_bytes().split(b"\n") if file.exists() else ():
        try:
            rows.append(Acknowledged(**json.loads(line)))
        except (json.JSONDecodeError, TypeError):
            continue
    return rows


def told(faults: Iterable[Happened]) -> list[dict[str, Any]]:
    """For the report."""
    return [
        {
            **asdict(one.fault),
            "at": one.at.isoformat(timespec="milliseconds"),
            "ready_seconds": round(one.ready_seconds, 2),
            "open_seen": one.open_seen,
        }
        for one in faults
    ]
