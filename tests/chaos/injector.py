"""Carries the plan out: one fault at a time, each over before the next, beside the load's own work."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Protocol

from tests.chaos.history import Happened, History
from tests.chaos.plan import KILL, Fault
from tests.chaos.watch import OpenTransactions
from zeren.stack.postgres import PostgresEndpoint

SEEN_SECONDS = 20.0
"""How long an open transaction is waited for, before the fault is put off to the next step."""
BURST = 5
"""So many faults of a step come one behind another; the next waits until the work of the step itself is over."""
POLL_SECONDS = 0.2
JOIN_SECONDS = 30.0


class Processes(Protocol):
    """The stack, as far as faults go: `tests.chaos.stack.Stack`."""

    def stop(self, target: str) -> None:
        """SIGSTOP."""

    def go_on(self, target: str) -> None:
        """SIGCONT."""

    def kill(self, target: str) -> None:
        """SIGKILL."""

    def start_again(self, target: str) -> None:
        """After a kill."""

    def await_ready(self, target: str) -> None:
        """Until all serve again."""


Telling = Callable[[str], None]


class Injector:
    """The faults of a plan, step by step; none is begun any more once `over` is set.

    Attributes:
        put_off: faults whose transaction was never seen, so far.
    """

    def __init__(
        self, faults: Sequence[Fault], processes: Processes, postgres: PostgresEndpoint, history: History,
        *, tell: Telling, over: threading.Event,
    ) -> None:  # fmt: skip
        self.put_off: list[Fault] = []
        self._by_step: dict[int, list[Fault]] = defaultdict(list)
        for fault in faults:
            self._by_step[fault.step].append(fault)
        self._processes = processes
        self._postgres = postgres
        self._history = history
        self._tell = tell
        self._over = over
        self._work_over = threading.Event()
        self._at: Fault | None = None
        self._error: BaseException | None = None

    @contextmanager
    def during(self, step: int, keep_busy: Callable[[str], None]) -> Iterator[None]:
        """The faults of a step, beside the body; whatever of them is left then has `keep_busy` called meanwhile.

        Raises: what a fault raised: something did not come back.
        """
        due = [*self.put_off, *self._by_step.pop(step, ())] if step else []
        self.put_off = []
        self._work_over.clear()
        thread = threading.Thread(target=self._carry_out, args=(due,), name="faults", daemon=True)
        thread.start()
        try:
            yield
            self._work_over.set()
            while thread.is_alive():
                fault = self._at
                keep_busy(fault.target if fault else "")
        except BaseException:
            self._over.set()
            raise
        finally:
            thread.join(None if not self._over.is_set() else JOIN_SECONDS)
        if self._error is not None:
            raise self._error

    def _carry_out(self, due: Sequence[Fault]) -> None:
        try:
            for number, fault in enumerate(due, 1):
                self._at = fault
                while number > BURST and not self._work_over.is_set() and not self._over.is_set():
                    self._work_over.wait(POLL_SECONDS)
                if self._over.wait(fault.delay):
                    return
                if not self._strike(fault):
                    self.put_off.append(fault)
        except BaseException as error:  # noqa: BLE001 - raised again in the main thread
            self._error = error
        finally:
            self._at = None

    def _strike(self, fault: Fault) -> bool:
        """False where no open transaction was seen."""
        if fault.inside:
            if not self._catch_inside(fault):
                return False
        elif fault.action != KILL:
            self._processes.stop(fault.target)
        at = datetime.now(UTC)
        self._tell(
            f"#{fault.number} {fault.action} {fault.target}{' 事务中/inside' if fault.inside else ''} "
            f"{fault.seconds:g}s"
        )
        if fault.action == KILL:
            self._processes.kill(fault.target)
            self._over.wait(fault.seconds)
            began = time.monotonic()
            self._processes.start_again(fault.target)
        else:
            self._over.wait(fault.seconds)
            began = time.monotonic()
            self._processes.go_on(fault.target)
        if not self._over.is_set():
            self._processes.await_ready(fault.target)
        ready = time.monotonic() - began
        self._history.happened(Happened(fault=fault, at=at, ready_seconds=ready, open_seen=fault.inside))
        return True

    def _catch_inside(self, fault: Fault) -> bool:
        """Stops the target while a transaction of it holds the lock, and looks again: then it is open for certain."""
        until = time.monotonic() + SEEN_SECONDS
        with closing(OpenTransactions(self._postgres, fault.target)) as transactions:
            while transactions.appears(until, self._over.is_set):
                self._processes.stop(fault.target)
                if transactions.stays_open():
                    return True
                self._processes.go_on(fault.target)
        return False
