"""Logs as JSON lines: constant messages, values as fields, no personal data.

Whoever logs names ids only: fact, stream, submission digest, trace. Bodies, names and numbers never.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

_PLAIN = frozenset(logging.LogRecord("", 0, "", 0, "", None, None).__dict__) | {
    "message",
    "asctime",
    "taskName",
}
_NOISY = ("aiokafka", "faststream", "uvicorn.access", "httpx", "urllib3")
_COORDINATOR = "aiokafka.consumer.group_coordinator"
_NO_COORDINATOR_YET = "GroupCoordinatorNotAvailableError"
SELDOM_SECONDS = 60.0
_encoder = msgspec.json.Encoder(enc_hook=str)


class JsonLines(logging.Formatter):
    """One JSON object a line: time (UTC), level, service, logger, message, and the record's extra fields."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """The line. An exception gives its type and place, never its text: texts may quote values."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "service": self._service,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {key: value for key, value in record.__dict__.items() if key not in _PLAIN}
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = _chain(record.exc_info[1])
        return _encoder.encode(line).decode()


def _chain(error: BaseException) -> list[str]:
    """Type and innermost place of an exception and of its causes."""
    found = []
    current: BaseException | None = error
    while current is not None:
        trace = current.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        place = f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}" if trace else ""
        found.append(f"{type(current).__name__} {place}".strip())
        current = current.__cause__
    return found


class Seldom(logging.Filter):
    """Lets a library that complains at every try say each thing once a minute: the outage itself is told elsewhere."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._told: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it may be said now. Ours always may."""
        if not record.name.startswith(_NOISY):
            return True
        said, now = (record.name, str(record.msg)), self._clock()
        if now - self._told.get(said, -SELDOM_SECONDS) < SELDOM_SECONDS:
            return False
        self._told[said] = now
        return True


class HealthyStart(logging.Filter):
    """Has aiokafka's word that a group has no coordinator yet told as information, not as an error.

    Kafka makes the topic of the groups' offsets when the first group asks, and answers so until it stands; aiokafka
    asks again by itself. A group that gets none for long is told by `assigned` in `/health/ready`.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """It is always said."""
        why = record.args[0] if isinstance(record.args, tuple) and record.args else None
        if record.name == _COORDINATOR and type(why).__name__ == _NO_COORDINATOR_YET:
            record.levelno, record.levelname = logging.INFO, logging.getLevelName(logging.INFO)
        return True


def log_to_stdout(service: str, level: int = logging.INFO) -> None:
    """Sets the process's one log handler."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines(service))
    handler.addFilter(Seldom())
    handler.addFilter(HealthyStart())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in _NOISY:
        logging.getLogger(noisy).setLevel(logging.WARNING)
