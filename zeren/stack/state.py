"""A state folder (`.local/<name>/`): everything that one running stack keeps.

id             names this folder's processes and database, random
lock           held by the command that works on the folder
secrets.json   passwords, mode 0600
ports.json     the ports chosen at the first start
processes/     one record for each started process
logs/          one log for each process
kafka/         the broker's configuration and data
postgres/      the database, unless it must lie where another user reaches it
keys/          files with keys, mode 0600
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from zeren.stack.errors import PortTaken, StateBroken, StateBusy
from zeren.stack.files import private_folder, write_private
from zeren.stack.paths import state_root
from zeren.stack.processes import wait_until

# Below the ports that the system gives to outgoing connections, so that none of those takes ours.
FIRST_PORT, LAST_PORT = 20_000, 31_999
PORT_TRIES = 200
KERNEL_LOCKS = Path("/proc/locks")
HOST = "127.0.0.1"


def port_is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1:`port` now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _holder(descriptor: int) -> int | None:
    """The process that holds the lock of a file, as the kernel tells it; None where it doesn't, or none does now.

    It is not written into the file: that would fail on a full disk, when the stack must still be stopped.
    """
    inode = str(os.fstat(descriptor).st_ino)
    try:
        lines = KERNEL_LOCKS.read_text("ascii").splitlines()
    except FileNotFoundError:  # no Linux
        return None
    for _, kind, _, _, pid, place, *_ in map(str.split, lines):
        if kind == "FLOCK" and place.rpartition(":")[2] == inode and int(pid) > 0:
            return int(pid)
    return None


def _busy(path: Path, holder: int | None) -> StateBusy:
    zh, en = (f"（进程 {holder}）", f" (process {holder})") if holder else ("", "")
    return StateBusy(
        f"另一个 zeren 命令{zh}正在使用 {path}：请等它结束，或在其终端按 Ctrl-C，然后再试",
        f"another zeren command{en} is using {path}: wait until it ends, or press Ctrl-C there, then try again",
    )


class StateFolder:
    """One stack's folder. Opening it creates it; only under `locked()` may anything be started or stopped."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        for part in ("", "processes", "logs", "kafka", "keys"):
            private_folder(self.path / part)
        self._depth = 0
        self._lock_file: int | None = None
        self._threads = threading.RLock()
        self.id = self._own_id()

    @classmethod
    def named(cls, name: str) -> StateFolder:
        """`.local/<name>/` of this checkout: `up`, `demo`, `test-…`."""
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,40}", name):
            raise ValueError(
                f"状态目录名只能含小写字母、数字、- 和 _：{name!r} / not a state folder's name: {name!r}"
            )
        return cls(state_root() / name)

    def _own_id(self) -> str:
        path = self.path / "id"
        if not path.exists():
            mine = self.path / f".id.{secrets.token_hex(4)}"
            write_private(mine, secrets.token_hex(16))
            with suppress(FileExistsError):  # another command was first, whole: its id holds
                os.link(mine, path)
            mine.unlink()
        return path.read_text("ascii")

    def log(self, process: str) -> Path:
        """The log that `process` appends to."""
        return self.path / "logs" / f"{process}.log"

    @contextmanager
    def locked(self, seconds: float = 0) -> Iterator[None]:
        """Hold the folder alone, waiting up to `seconds`; may be nested. A killed holder frees it by dying.

        Raises:
            StateBusy: another command holds it.
        """
        with self._threads:
            if self._depth == 0:
                self._take_lock(seconds)
            self._depth += 1
        try:
            yield
        finally:
            with self._threads:
                self._depth -= 1
                if self._depth == 0 and self._lock_file is not None:
                    os.close(self._lock_file)
                    self._lock_file = None

    def _take_lock(self, seconds: float) -> None:
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)

        def taken() -> bool:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        if not wait_until(taken, seconds):
            holder = _holder(descriptor)
            os.close(descriptor)
            raise _busy(self.path, holder)
        self._lock_file = descriptor

    def secret(self, name: str) -> str:
        """The password of this name; made at random (256 bits) and stored before it is first returned.

        Raises:
            StateBroken: the secrets are gone, but the servers' data that needs them isn't.
        """
        return self._remember("secrets", name, lambda: secrets.token_urlsafe(32))

    def known_secret(self, name: str) -> str | None:
        """The password of this name, or None if none was ever made."""
        return self._read("secrets").get(name)

    def known_secrets(self, prefix: str) -> list[str]:
        """The names of the passwords that were made, of those that begin so."""
        return sorted(name for name in self._read("secrets") if name.startswith(prefix))

    def key_file(self, name: str, *, size: int = 32) -> Path:
        """`keys/<name>`: `size` random bytes as hex, mode 0600, made once."""
        path = self.path / "keys" / name
        with self._file_lock():
            if not path.exists():
                write_private(path, secrets.token_hex(size))
        return path

    def _remember(self, kind: str, name: str, make: Callable[[], object]) -> str:
        with self._file_lock():
            known = self._read(kind)
            if name not in known:
                known[name] = str(make())
                write_private(self.path / f"{kind}.json", json.dumps(known, indent=1, sort_keys=True))
            return known[name]

    def _read(self, kind: str) -> dict[str, str]:
        path = self.path / f"{kind}.json"
        if not path.exists():
            used = (self.path / "kafka" / "data", self.path / "provisioned-postgres")
            if kind == "secrets" and any(path.exists() for path in used):
                raise StateBroken(
                    f"{path} 不见了，旧数据已无法使用；请运行 zeren reset 重新开始",
                    f"{path} is gone, so the old data can't be opened; start afresh with zeren reset",
                )
            return {}
        loaded: dict[str, str] = json.loads(path.read_text("utf-8"))
        return loaded

    @contextmanager
    def _file_lock(self) -> Iterator[None]:
        with self._threads:
            descriptor = os.open(self.path / "files.lock", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                yield
            finally:
                os.close(descriptor)

    def port(self, name: str) -> int:
        """The port of `name`: $ZEREN_<NAME>_PORT if set, else the one chosen at the first start."""
        configured = self.configured_port(name)
        if configured is not None:
            return configured
        return int(self._remember("ports", name, self._choose_port))

    def known_port(self, name: str) -> int | None:
        """The port chosen for `name` at an earlier start, or None; chooses none."""
        known = self._read("ports").get(name)
        return None if known is None else int(known)

    def configured_port(self, name: str) -> int | None:
        """The port that the user demands by $ZEREN_<NAME>_PORT, or None."""
        variable = f"ZEREN_{name.upper().replace('-', '_')}_PORT"
        text = os.environ.get(variable)
        if not text:
            return None
        if not text.isdigit() or not 0 < int(text) < 65_536:
            raise PortTaken(
                f"{variable}={text} 不是端口号（1–65535）", f"{variable}={text} is no port (1-65535)"
            )
        return int(text)

    def secure_port(self, name: str) -> int:
        """A port that `name` can listen on now: the known one, or another if that one was taken meanwhile.

        Raises:
            PortTaken: the user demands a port that another program has.
        """
        port = self.port(name)
        if port_is_free(port):
            return port
        if self.configured_port(name) is not None:
            variable = f"ZEREN_{name.upper().replace('-', '_')}_PORT"
            raise PortTaken(
                f"端口 {port}（{variable}）已被其他程序占用；请停止该程序或改用其他端口",
                f"port {port} ({variable}) is in use by another program; stop it or choose another port",
            )
        self.forget_port(name)
        return self.port(name)

    def forget_port(self, name: str) -> None:
        """Choose anew at the next call of `port`."""
        with self._file_lock():
            known = self._read("ports")
            if known.pop(name, None) is not None:
                write_private(self.path / "ports.json", json.dumps(known, indent=1, sort_keys=True))

    def _choose_port(self) -> int:
        taken = {int(port) for port in self._read("ports").values()}
        for _ in range(PORT_TRIES):
            port = FIRST_PORT + secrets.randbelow(LAST_PORT - FIRST_PORT + 1)
            if port not in taken and port_is_free(port):
                return port
        raise PortTaken(
            f"在 {FIRST_PORT}–{LAST_PORT} 中找不到空闲端口",
            f"no free port found in {FIRST_PORT}-{LAST_PORT}",
        )

    def remove(self) -> None:
        """Delete the folder. Call only when nothing of it runs, and after `postgres.remove_database`."""
        shutil.rmtree(self.path)
