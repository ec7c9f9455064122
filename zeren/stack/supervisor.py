"""Starts processes, waits until they are ready, stops them in reverse order, and takes over what others left.

The processes outlive the command that started them. What a killed supervisor left behind is found by the
records in the state folder, or by its mark if it died before it could record.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path

from zeren.stack.errors import ProcessFailed
from zeren.stack.files import write_private
from zeren.stack.processes import (
    MARK_PROCESS,
    MARK_STATE,
    POLL_SECONDS,
    Account,
    ProcessIdentity,
    exit_code,
    is_alive,
    kill,
    marked,
    signal_name,
    spawn,
    terminate,
    wait_until,
)
from zeren.stack.state import HOST, StateFolder

LARGEST_LOG_BYTES = 20_000_000
LOG_TAIL_LINES = 15
TAKE_OVER_SECONDS = 15.0
# What a child may inherit; everything else, secrets of the caller included, is passed by name or not at all.
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH", "SSL_CERT_FILE")

Progress = Callable[[str], None]
"""Called with one line for people: Chinese first, then English."""

Ready = Callable[[], bool]
"""Answers whether a process serves; must not raise and must not take longer than a second or so."""


def silent(_line: str) -> None:
    """A progress callback that shows nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSpec:
    """A process to run.

    Attributes:
        name: unique in the state folder; also the log's name.
        argv: the command. No secret may be in it.
        environment: added to what is inherited; secrets go here or into files.
        cwd: its working folder; None is the state folder.
        ready: None takes it as ready once it runs.
        ready_seconds, stop_seconds: deadlines, in seconds.
        stop_signal: asks it to end.
        account: the user to run as, where the caller is root.
    """

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    ready: Ready | None = None
    ready_seconds: float = 60.0
    stop_seconds: float = 20.0
    stop_signal: signal.Signals = signal.SIGTERM
    account: Account | None = None

    def digest(self) -> str:
        """Tells whether a running process is the one asked for; passwords in it are 256 random bits."""
        parts = [*self.argv, *(f"{key}={value}" for key, value in sorted(self.environment.items()))]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessRecord:
    """What the state folder remembers of a started process."""

    name: str
    pid: int
    started: str
    order: int
    spec: str
    stop_signal: int
    stop_seconds: float

    @property
    def identity(self) -> ProcessIdentity:
        """The process itself."""
        return ProcessIdentity(self.pid, self.started)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessStatus:
    """One line of `zeren status`; `exit_code` of one that ended, -N by signal N, as far as that was ever seen."""

    name: str
    pid: int
    running: bool
    log: Path
    exit_code: int | None = None


def answers_http(url: str) -> Ready:
    """Ready once a GET of `url` answers with a status below 400."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ready() -> bool:
        try:
            with opener.open(url, timeout=2):
                return True
        except (urllib.error.URLError, OSError):
            return False

    return ready


def listens(port: int) -> Ready:
    """Ready once something accepts connections on 127.0.0.1:`port`."""

    def ready() -> bool:
        try:
            with socket.create_connection((HOST, port), timeout=1):
                return True
        except OSError:
            return False

    return ready


class Supervisor:
    """Runs the processes of one state folder. The caller holds `state.locked()` around start and stop."""

    def __init__(self, state: StateFolder, progress: Progress = silent) -> None:
        self.state = state
        self.progress = progress
        self._records = state.path / "processes"

    def start(self, spec: ProcessSpec, *, order: int | None = None) -> ProcessIdentity:
        """Make this process run and ready; one that does is left alone, any other of its name is replaced.

        Those of one `order` (nanoseconds; the time of the start if not given) are stopped together.

        Raises:
            ProcessFailed: it ended, or wasn't ready in time. It is stopped then.
        """
        if (identity := self.running(spec)) is not None:
            return identity
        self.stop(spec.name)
        self.progress(f"启动 {spec.name} / starting {spec.name}")
        log = self.state.log(spec.name)
        if log.exists() and log.stat().st_size > LARGEST_LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
        identity = self._spawn(spec, log)
        self._record(spec, identity, time.time_ns() if order is None else order)
        try:
            self._await_ready(spec, identity)
        except BaseException:
            self.stop(spec.name)
            raise
        return identity

    def running(self, spec: ProcessSpec) -> ProcessIdentity | None:
        """The process of this spec if it was started by the same spec, and is ready.

        One that isn't ready yet, since its starter was killed or the machine is busy, gets TAKE_OVER_SECONDS.
        """
        record = self.record(spec.name)
        if record is None or record.spec != spec.digest():
            return None
        identity, ready = record.identity, spec.ready or (lambda: True)
        seconds = min(TAKE_OVER_SECONDS, spec.ready_seconds)
        decided = wait_until(lambda: not is_alive(identity) or ready(), seconds)
        return identity if decided and is_alive(identity) else None

    def start_all(self, specs: Iterable[ProcessSpec]) -> None:
        """Start these, independent of one another, together; raises the first failure once all are done."""
        specs, order = list(specs), time.time_ns()
        with ThreadPoolExecutor(max(len(specs), 1)) as pool:
            tasks = [pool.submit(self.start, spec, order=order) for spec in specs]
        for task in tasks:
            task.result()

    def _spawn(self, spec: ProcessSpec, log: Path) -> ProcessIdentity:
        environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
        environment |= {**spec.environment, MARK_STATE: self.state.id, MARK_PROCESS: spec.name}
        cwd = spec.cwd or self.state.path
        try:
            return spawn(spec.argv, environment=environment, log=log, cwd=cwd, account=spec.account)
        except OSError as error:
            raise ProcessFailed(
                f"无法运行 {spec.name}（{spec.argv[0]}）：{error.strerror}",
                f"{spec.name} can't be run ({spec.argv[0]}): {error.strerror}",
            ) from error

    def _record(self, spec: ProcessSpec, identity: ProcessIdentity, order: int) -> None:
        record = ProcessRecord(
            name=spec.name,
            pid=identity.pid,
            started=identity.started,
            order=order,
            spec=spec.digest(),
            stop_signal=int(spec.stop_signal),
            stop_seconds=spec.stop_seconds,
        )
        write_private(self._records / f"{spec.name}.json", json.dumps(asdict(record)))

    def _await_ready(self, spec: ProcessSpec, identity: ProcessIdentity) -> None:
        deadline = time.monotonic() + spec.ready_seconds
        while True:
            if not is_alive(identity):
                if killer := signal_name(exit_code(identity)):
                    raise self._failure(
                        spec, f"启动时被信号 {killer} 终止", f"was killed by {killer} while starting"
                    )
                raise self._failure(spec, "启动后即退出", "ended while starting")
            if spec.ready is None or spec.ready():
                return
            if time.monotonic() >= deadline:
                seconds = f"{spec.ready_seconds:g}"
                raise self._failure(spec, f"{seconds} 秒内未就绪", f"wasn't ready within {seconds} s")
            time.sleep(POLL_SECONDS)

    def _failure(self, spec: ProcessSpec, zh: str, en: str) -> ProcessFailed:
        log = self.state.log(spec.name)
        tail = "\n".join(log.read_text("utf-8", "replace").splitlines()[-LOG_TAIL_LINES:])
        return ProcessFailed(
            f"{spec.name} {zh}，日志见 {log}", f"{spec.name} {en}; its log is {log}, which ends:\n{tail}"
        )

    def record(self, name: str) -> ProcessRecord | None:
        """What is remembered of `name`; None if nothing, or nothing readable."""
        try:
            return ProcessRecord(**json.loads((self._records / f"{name}.json").read_text("utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def records(self) -> list[ProcessRecord]:
        """All records, in the order of their starts."""
        found = [self.record(path.stem) for path in self._records.glob("*.json")]
        return sorted((record for record in found if record is not None), key=lambda record: record.order)

    def status(self) -> list[ProcessStatus]:
        """Every recorded process and whether it runs, in the order of their starts."""
        return [self._status(record) for record in self.records()]

    def _status(self, record: ProcessRecord) -> ProcessStatus:
        running = is_alive(record.identity)
        return ProcessStatus(
            name=record.name,
            pid=record.pid,
            running=running,
            log=self.state.log(record.name),
            exit_code=None if running else self._exit_code(record),
        )

    def _exit_code(self, record: ProcessRecord) -> int | None:
        """How it ended; whoever sees that notes it for later commands, which can't."""
        note, whose = self._note(record.name), f"{record.pid} {record.started} "
        code = exit_code(record.identity)
        if code is not None:
            write_private(note, f"{whose}{code}")
            return code
        try:
            noted = note.read_text("utf-8")
        except FileNotFoundError:
            return None
        return int(noted.removeprefix(whose)) if noted.startswith(whose) else None

    def _note(self, name: str) -> Path:
        return self._records / f"{name}.ended"

    def stop(self, name: str) -> None:
        """Stop `name` if it runs, recorded or not; returns when it is gone."""
        record = self.record(name)
        if record is not None:
            if is_alive(record.identity):
                self.progress(f"停止 {name} / stopping {name}")
                terminate(
                    record.identity, first=signal.Signals(record.stop_signal), seconds=record.stop_seconds
                )
            (self._records / f"{name}.json").unlink(missing_ok=True)
            self._note(name).unlink(missing_ok=True)
        for identity in marked(self.state.id, name):
            kill(identity)

    def stop_together(self, names: Collection[str]) -> None:
        """Stop several at once; returns when all of them are gone."""
        with ThreadPoolExecutor(len(names)) as pool:
            list(pool.map(self.stop, names))

    def stop_all(self, last: Collection[str] = ()) -> None:
        """Stop everything of this state folder, last started first, and what nobody recorded.

        What was started together is stopped together: a cluster's brokers, one after the other, would wait in vain
        for a majority. Those named in `last` come after all others: servers that were started again stay till then.
        """
        records = sorted(self.records(), key=lambda record: (record.name in last, -record.order))
        for _, together in groupby(records, key=lambda record: record.order):
            self.stop_together([record.name for record in together])
        for identity in marked(self.state.id):
            kill(identity)
