"""The processes of a running stack as things that can be killed, stopped, continued and started again."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace

import httpx
import psycopg

from tests.chaos.load import PatientParties
from tests.chaos.plan import BANK, INSTITUTIONS, KAFKA, POSTGRES, RELAY, SERVICES
from zeren.stack import kafka, whole
from zeren.stack.accounts import postgres_folder, unprivileged_account
from zeren.stack.local import Servers, start_servers
from zeren.stack.processes import identify, is_alive, working_in
from zeren.stack.state import HOST
from zeren.stack.supervisor import ProcessSpec, Supervisor

READY_SECONDS = 240.0
POLL_SECONDS = 0.05
RELAY_PROCESS = "payment-relay"
"""Payment runs in two processes, so that its relay can be hit alone."""


class NotReadyAgain(RuntimeError):
    """Something did not come back in time after a fault."""


class Stack:
    """One stack under a supervisor of our own. Faults come one at a time."""

    def __init__(
        self,
        servers: Servers,
        parties: PatientParties,
        *,
        ended: Callable[[str], None],
        over: threading.Event,
    ) -> None:
        self.servers = servers
        self._over = over
        self._parties = parties
        self._ended = ended
        self._supervisor = Supervisor(servers.state)
        self._specs = {name: whole.service_spec(servers, name) for name in SERVICES}
        self._specs |= {BANK: whole._bank(servers, 0), **_split(self._specs["payment"])}
        self._http = httpx.Client(timeout=5.0, trust_env=False)
        self._data = postgres_folder(servers.state, unprivileged_account()) / "data"

    def close(self) -> None:
        """Lets connections go."""
        self._http.close()

    def split_payment(self) -> None:
        """Payment's relay gets a process of its own."""
        self._supervisor.start(self._specs["payment"])
        self._supervisor.start(self._specs[RELAY])

    def pid(self, target: str) -> int:
        """The process that a fault hits."""
        if target == INSTITUTIONS:
            return self._parties.pid
        record = self._supervisor.record(self._process(target))
        if record is None or not is_alive(record.identity):
            raise NotReadyAgain(f"{target} 未在运行 / {target} isn't running")
        return record.pid

    def _process(self, target: str) -> str:
        return RELAY_PROCESS if target == RELAY else target

    def _pids(self, target: str) -> list[int]:
        """All processes of a target, the first of them first: PostgreSQL has one a session."""
        first = self.pid(target)
        if target != POSTGRES:
            return [first]
        return [first, *sorted(one.pid for one in working_in(self._data) if one.pid != first)]

    def stop(self, target: str) -> None:
        """SIGSTOP. Of PostgreSQL the postmaster first, so that it starts no session meanwhile."""
        _signal(self._pids(target), signal.SIGSTOP)

    def go_on(self, target: str) -> None:
        """SIGCONT, sessions first."""
        _signal(reversed(self._pids(target)), signal.SIGCONT)

    def kill(self, target: str) -> None:
        """SIGKILL of the process itself; PostgreSQL's sessions see that their postmaster is gone."""
        pid = self.pid(target)
        _signal([pid], signal.SIGKILL)
        until = time.monotonic() + READY_SECONDS
        while identify(pid) is not None:
            if time.monotonic() > until:
                raise NotReadyAgain(f"{target} 未被终止 / {target} can't be killed")
            time.sleep(POLL_SECONDS)

    def start_again(self, target: str) -> None:
        """As a supervisor does with what has ended. Raises: StackError."""
        if target == INSTITUTIONS:
            self._parties.revive()
        elif target in (KAFKA, POSTGRES):
            start_servers(self.servers.state)
        else:
            self._supervisor.start(self._specs[target])

    def await_ready(self, target: str) -> None:
        """Until the target and everything else serve again. What ended by itself is started again, and noted.

        Raises: NotReadyAgain.
        """
        until = time.monotonic() + READY_SECONDS
        while not self._over.is_set() and (missing := self._missing(target)):
            if time.monotonic() > until:
                listed = ", ".join(missing)
                raise NotReadyAgain(
                    f"{READY_SECONDS:g} 秒内未恢复：{listed} / not ready again after {target}: {listed}"
                )
            time.sleep(POLL_SECONDS)

    def _missing(self, target: str) -> list[str]:
        for name in self._specs:
            self._revive_what_ended(name)
        found = [name for name in SERVICES if not self._answers(name)]
        if target == RELAY and not found and not self._relayed():
            found.append(RELAY)
        if target == KAFKA and not kafka.leads_everything(self.servers.kafka):
            found.append(KAFKA)
        if target == POSTGRES and not self._has_database():
            found.append(POSTGRES)
        return found

    def _revive_what_ended(self, name: str) -> None:
        record = self._supervisor.record(self._process(name))
        if record is None or not is_alive(record.identity):
            self._ended(name)
            self._supervisor.start(self._specs[name])

    def _answers(self, service: str) -> bool:
        with suppress(httpx.HTTPError):
            return self._http.get(f"{self._url(service)}/health/ready").is_success
        return False

    def _relayed(self) -> bool:
        with suppress(httpx.HTTPError):
            state = self._http.get(f"{self._url('payment')}/drain").json()
            return not state.get("unsent_facts", 1) and not state.get("unsent_receipts", 1)
        return False

    def _has_database(self) -> bool:
        with suppress(psycopg.OperationalError), self.servers.postgres.connect() as connection:
            return connection.execute("SELECT NOT pg_is_in_recovery()").fetchone() == (True,)
        return False

    def _url(self, service: str) -> str:
        return f"http://{HOST}:{self.servers.state.port(service)}"


def _split(payment: ProcessSpec) -> dict[str, ProcessSpec]:
    """Payment without its relay, and the relay."""
    without = replace(payment, argv=(*payment.argv, "--roles", "api,worker,projector"))
    relay = replace(payment, name=RELAY_PROCESS, argv=(*payment.argv, "--roles", "relay"), ready=None)
    return {"payment": without, RELAY: relay}


def _signal(pids: Iterable[int], which: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, which)
