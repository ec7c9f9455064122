"""The demo's load as patient clients make it: what is not acknowledged is sent again, the same bytes, the same key."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from tests.chaos.history import History, command
from tests.chaos.injector import Injector
from zeren.demo.dataset import Dataset
from zeren.demo.parties import Parties, institutions_process
from zeren.demo.play import Play
from zeren.demo.progress import Progress
from zeren.stack.client import Local, ServiceRefused, Token
from zeren.stack.days import open_days, wait_drained
from zeren.stack.errors import ProcessFailed
from zeren.stack.handlers import read_handlers
from zeren.stack.local import Servers
from zeren.stack.processes import identify
from zeren.stack.state import StateFolder
from zeren.stack.whole import institutions_folder

T = TypeVar("T")

PATIENCE_SECONDS = 180.0
REVIVED_SECONDS = 30.0
POLL_SECONDS = 0.1
RESEND_PAUSE_SECONDS = 0.3
REASON = "CASE_REVIEW"


class RecordingLocal(Local):
    """Notes every command that was answered with yes."""

    def __init__(self, state: StateFolder, history: History) -> None:
        super().__init__(state, patience_seconds=PATIENCE_SECONDS)
        self._history = history
        self._names: dict[str, dict[str, str]] = {}

    def token_of(self, *, handler: str = "", national_id: str = "") -> Token:
        """As `Local.token_of`; remembers by what name a subject is asked for."""
        token = super().token_of(handler=handler, national_id=national_id)
        self._names[token.subject] = {"handler": handler, "national_id": national_id}
        return token

    def bearer_of(self, subject: str) -> str:
        """A token of somebody who acted before: a long run outlives the one that was used then."""
        return self.token_of(**self._names[subject]).text

    def post(
        self, service: str, path: str, body: Any, *, bearer: str, idempotency_key: str | None = None
    ) -> Any:
        """As `Local.post`."""
        key = idempotency_key or secrets.token_urlsafe(16)
        answer = super().post(service, path, body, bearer=bearer, idempotency_key=key)
        self._history.answered(command(service, path, body=body, bearer=bearer, key=key, answer=answer))
        return answer


class PatientParties(Parties):
    """The institutions' process, a new one where it was killed; whatever it was asked is asked again."""

    def __init__(self, state: StateFolder, records: Path, sent: Path) -> None:
        self._files = institutions_folder(state), records, sent
        self._state = state
        self._all = ExitStack()
        self._starting = threading.Lock()
        self._parties: Parties = self._start()

    @property
    def pid(self) -> int:
        """Of the process that runs, or ran last."""
        return self._parties.pid

    def close(self) -> None:
        """Every process of these ends."""
        self._all.close()

    def revive(self) -> None:
        """Starts a new process unless one runs."""
        with self._starting:
            if identify(self._parties.pid) is None:
                self._parties = self._start()

    def _start(self) -> Parties:
        return self._all.enter_context(institutions_process(self._state, *self._files))

    def connect(self, usccs: Sequence[str]) -> None:
        """As `Parties.connect`."""
        self._patiently(lambda parties: parties.connect(usccs))

    def publish(self, day: date, phase: int) -> int:
        """As `Parties.publish`: once more from its start where it was cut short."""
        return self._patiently(lambda parties: parties.publish(day, phase))

    def collect_receipts(self, into: Path) -> list[dict[str, Any]]:
        """As `Parties.collect_receipts`."""
        return self._patiently(lambda parties: parties.collect_receipts(into))

    def _patiently(self, ask: Callable[[Parties], T]) -> T:
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            parties = self._parties
            try:
                return ask(parties)
            except ProcessFailed:
                if time.monotonic() >= until:
                    raise
                self._await_another(parties.pid)

    def _await_another(self, pid: int) -> None:
        """Until the process was started again by whoever killed it; nobody did, so it is done here."""
        until = time.monotonic() + REVIVED_SECONDS
        time.sleep(POLL_SECONDS)
        while identify(pid) is None and self._parties.pid == pid and time.monotonic() < until:
            time.sleep(POLL_SECONDS)
        self.revive()


class ChaosPlay(Play):
    """The demo's days, each step with its faults; where a step is over before its faults, clients go on resending."""

    def __init__(
        self, servers: Servers, local: Local, dataset: Dataset, parties: Parties, progress: Progress,
        *, injector: Injector, registered: Callable[[], None],
    ) -> None:  # fmt: skip
        super().__init__(servers, local, dataset, parties, progress)
        self._injector = injector
        self._registered = registered
        self._sent: list[tuple[date, int]] = []
        self._turn = 0

    def play(self) -> None:
        """Every day of the run. Raises: what `Play.play` raises, and what the injector does."""
        number = 0
        for day in self._dataset.days:
            for turn, step in enumerate(day.steps):
                with self._injector.during(number, self._resend):
                    if turn == 0:
                        open_days(self._local, day.date)
                    self._step(day.date, step)
                number += 1
        wait_drained(self._local)

    def _register(self) -> None:
        super()._register()
        self._registered()

    def _send(self, day: date, phase: int) -> None:
        super()._send(day, phase)
        self._sent.append((day, phase))

    def _resend(self, target: str) -> None:
        """Makes some work for a target: what was sent before comes again, somebody asks what they may not."""
        self._turn += 1
        places = _places(self._dataset, self._sent, target) or self._sent
        if places:
            self._parties.publish(*places[self._turn % len(places)])
        self._try_in_vain()
        time.sleep(RESEND_PAUSE_SECONDS)

    def _try_in_vain(self) -> None:
        """Handlers without the duty try to approve a class: each attempt is a fact (R63), up to a cap a day."""
        handlers = [one.handler_id for one in read_handlers() if "D3" not in one.duties]
        bearer = self._local.handler_token(handlers[self._turn % len(handlers)])
        body = {"decision": "approve", "class_ids": ["00000000-0000-5000-8000-000000000000"]}
        with suppress(ServiceRefused):
            self._local.post("enrolment", "/classes/decisions", body, bearer=bearer)


def _places(dataset: Dataset, sent: Sequence[tuple[date, int]], service: str) -> list[tuple[date, int]]:
    """The phases sent so far in which a service had submissions."""
    wanted = {(one.day, one.phase) for one in dataset.records if one.service == service}
    return [(day, phase) for day, phase in sent if (day.isoformat(), phase) in wanted]


def eligible(dataset: Dataset, targets: Sequence[str], bank: str) -> dict[str, list[int]]:
    """By target, the numbers of the steps at which it has work: none while organisations register."""
    steps = [(day, step) for day in dataset.days for step in day.steps]
    numbers = [number for number, (_, step) in enumerate(steps) if step != "register"]
    found = {target: list(numbers) for target in targets}
    for service in ("certification", "payment"):
        days = {record.day for record in dataset.records if record.service == service}
        first = min(number for number in numbers if steps[number][0].date.isoformat() in days)
        found[service] = [number for number in numbers if number >= first]
    found[bank] = [number for number in numbers if steps[number][1] == "pay"]
    return found
