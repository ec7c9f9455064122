"""Outages, told in the log once when one begins and once when it is over, not once a try."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from threading import Lock

log = logging.getLogger(__name__)

DATABASE, KAFKA, VAULT, FILES = "database", "kafka", "vault", "files"

_BEGINS: Mapping[str, str] = {
    DATABASE: "数据库不可用，等待其恢复，期间不丢不重 / the database is away: waiting; nothing is lost or doubled",
    KAFKA: "Kafka 不可用，等待其恢复，期间不丢不重 / Kafka is away: waiting; nothing is lost or doubled",
    VAULT: "保险库不可用，等待其恢复，期间不丢不重 / the vault is away: waiting; nothing is lost or doubled",
    FILES: "文件无法写入，等待其恢复 / a file can't be written: waiting",
}
_ENDS: Mapping[str, str] = {
    DATABASE: "数据库已恢复，继续工作 / the database is back: going on",
    KAFKA: "Kafka 已恢复，继续工作 / Kafka is back: going on",
    VAULT: "保险库已恢复，继续工作 / the vault is back: going on",
    FILES: "文件可以写入，继续工作 / files can be written: going on",
}


class Outages:
    """What a process waits for. Each loop says when it fails and when it goes on; several share one outage.

    Threads may call it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._waiting: dict[str, str] = {}
        self._since: dict[str, float] = {}

    def failed(self, who: str, what: str, error: BaseException) -> None:
        """A loop can't go on for want of this; told only where nobody waits for it yet.

        Args:
            who: the loop, by a name of its own.
            what: DATABASE, KAFKA, VAULT or FILES.
            error: why; only its type is told.
        """
        with self._lock:
            if self._waiting.get(who, what) != what:
                self._go_on(who, self._clock())
            begins = what not in self._since
            self._since.setdefault(what, self._clock())
            self._waiting[who] = what
        if begins:
            why = type(error.__cause__ if isinstance(error.__cause__, Exception) else error).__name__
            log.warning(_BEGINS[what], extra={"waits_for": what, "loop": who, "why": why})

    def went(self, who: str, at: float | None = None) -> None:
        """A loop goes on, since `at` on the clock, or now. The outage is over when the last does."""
        with self._lock:
            self._go_on(who, self._clock() if at is None else at)

    def away(self) -> frozenset[str]:
        """What is waited for now."""
        with self._lock:
            return frozenset(self._since)

    def _go_on(self, who: str, at: float) -> None:
        what = self._waiting.pop(who, None)
        if what is not None and what not in self._waiting.values():
            seconds = round(at - self._since.pop(what), 1)
            log.warning(_ENDS[what], extra={"waits_for": what, "seconds": seconds})
