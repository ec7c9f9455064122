"""Processes known beyond the life of whoever started them.

A process is recorded by its pid and the moment it started, so that a pid which the system gave to another
program is never signalled. One that died before it was recorded is found by a mark in its environment.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]

MARK_STATE = "ZEREN_STATE_ID"
MARK_PROCESS = "ZEREN_PROCESS"
POLL_SECONDS = 0.05

# Owned by this module: children of this interpreter, polled so that they don't stay zombies.
_children: dict[int, subprocess.Popen[bytes]] = {}
# And how those that were polled ended, by pid, until that is a later child's.
_codes: dict[int, int] = {}


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process for good: its pid, and its start in an opaque form that no later holder of the pid shares."""

    pid: int
    started: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The unprivileged user that a process runs as."""

    name: str
    uid: int
    gid: int


def identify(pid: int) -> ProcessIdentity | None:
    """The identity of a living process; None if there is none (a zombie is none)."""
    child = _children.get(pid)
    if child is not None and (code := child.poll()) is not None:
        _codes[pid] = code
        _children.pop(pid, None)
        return None
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return ProcessIdentity(pid, _start_of(process))
    except psutil.Error:
        return None


def _start_of(process: psutil.Process) -> str:
    """Ticks since boot on Linux, which a change of the clock doesn't move; elsewhere the time of creation."""
    try:
        fields = _stat(process.pid)
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return repr(process.create_time())
    return f"{boot}:{fields[19]}"


def _stat(pid: int) -> list[str]:
    """What Linux tells of a process, from its state on. Raises: OSError."""
    return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()


def exit_code(identity: ProcessIdentity) -> int | None:
    """How a process ended, -N by signal N: of a child of this interpreter, or where its parent hasn't asked yet.

    None where that can't be told: only a parent is told, and whoever started it may be gone.
    """
    if identity.pid in _codes:
        return _codes[identity.pid]
    try:
        fields = _stat(identity.pid)
        if fields[0] != "Z" or _start_of(psutil.Process(identity.pid)) != identity.started:
            return None
    except (OSError, psutil.Error):
        return None
    # 0 is also what those see who may not look.
    return os.waitstatus_to_exitcode(int(fields[-1])) or None


def signal_name(code: int | None) -> str:
    """The signal that ended a process, by its exit code, or that of a shell or a JVM (128 + N); "" for other ends."""
    number = 0 if code is None else -code if code < 0 else code - 128
    return signal.Signals(number).name if number in set(signal.Signals) else ""


def is_alive(identity: ProcessIdentity) -> bool:
    """Whether this very process still runs."""
    return identify(identity.pid) == identity


def spawn(
    argv: tuple[str, ...],
    *,
    environment: Mapping[str, str],
    log: Path,
    cwd: Path,
    account: Account | None = None,
) -> ProcessIdentity:
    """Start a process in a session of its own, so that a terminal's Ctrl-C doesn't reach it.

    Its output is appended to `log` (mode 0600).

    Raises:
        OSError: the program can't be run.
    """
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            env=dict(environment),
            cwd=cwd,
            start_new_session=True,
            user=None if account is None else account.uid,
            group=None if account is None else account.gid,
            extra_groups=None if account is None else [],
        )
    finally:
        os.close(descriptor)
    _codes.pop(child.pid, None)
    _children[child.pid] = child
    return identify(child.pid) or ProcessIdentity(child.pid, "ended")


def terminate(identity: ProcessIdentity, *, first: signal.Signals, seconds: float) -> bool:
    """Ask a process to end, then kill its whole group after `seconds`; True if it ended when asked."""
    if not _signal(identity, first):
        return True
    if wait_until(lambda: not is_alive(identity), seconds):
        return True
    kill(identity)
    return False


def kill(identity: ProcessIdentity) -> None:
    """Kill a process and, if it leads one, its group; returns when it is gone."""
    try:
        if is_alive(identity):
            if os.getpgid(identity.pid) == identity.pid:
                os.killpg(identity.pid, signal.SIGKILL)
            else:
                os.kill(identity.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    wait_until(lambda: not is_alive(identity), 10)


def _signal(identity: ProcessIdentity, which: signal.Signals) -> bool:
    if not is_alive(identity):
        return False
    try:
        os.kill(identity.pid, which)
    except ProcessLookupError:
        return False
    return True


def listens(pid: int, port: int) -> bool:
    """Whether a process has this TCP port open for others to connect to."""
    try:
        sockets = psutil.Process(pid).net_connections("tcp")
    except psutil.Error:
        return False
    return any(one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in sockets)


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Poll until `condition` holds; False if it doesn't within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def marked(state_id: str, name: str | None = None) -> Iterator[ProcessIdentity]:
    """Every living process that was started for this state folder (and this name), recorded or not.

    The calling process is none of them, even if it was started so itself.
    """
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        try:
            environment = process.environ()
        except (psutil.Error, OSError):
            continue
        if environment.get(MARK_STATE) == state_id and name in (None, environment.get(MARK_PROCESS)):
            identity = identify(process.pid)
            if identity is not None:
                yield identity


def working_in(folder: Path) -> Iterator[ProcessIdentity]:
    """Every living process whose working folder is `folder`.

    PostgreSQL overwrites its environment with its process title, but its processes work in the data folder.
    """
    wanted = str(folder.resolve())
    for process in psutil.process_iter():
        try:
            found = process.cwd()
        except (psutil.Error, OSError):
            continue
        if found == wanted:
            identity = identify(process.pid)
            if identity is not None:
                yield identity
