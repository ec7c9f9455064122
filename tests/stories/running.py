"""Running the demo as people do: in a terminal of its own."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path

from tests.interrupts import hear_interrupts
from zeren.stack.local import Servers, running_servers
from zeren.stack.paths import CHECKOUT
from zeren.stack.state import StateFolder

STORY_SECONDS = 600
SERVING = "serving; Ctrl-C"
ROWS, COLUMNS = 60, 200


def demo_command(state: StateFolder, *options: str) -> tuple[str, ...]:
    """The demo on a state folder of its own."""
    return (sys.executable, "-m", "zeren", "demo", "--state", state.path.name, *options)


class Terminal:
    """A program in a terminal of its own, and what it shows."""

    def __init__(self, command: tuple[str, ...]) -> None:
        hear_interrupts()
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.process = subprocess.Popen(
            command,
            cwd=CHECKOUT,
            env={**os.environ, "COLUMNS": str(COLUMNS)},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self._master = master
        self._shown = bytearray()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                shown = os.read(self._master, 65_536)
            except OSError:  # the program has closed its terminal
                return
            if not shown:
                return
            self._shown += shown

    @property
    def shown(self) -> str:
        """All of it so far."""
        return self._shown.decode("utf-8", "replace").replace("\r\n", "\n")

    def shows(self, text: str, seconds: float) -> bool:
        """Waits until it shows a text; False when it has ended without, or does not in time."""
        deadline = time.monotonic() + seconds
        while text not in self.shown:
            if self.process.poll() is not None or time.monotonic() > deadline:
                self._reader.join(1)
                return text in self.shown
            time.sleep(0.05)
        return True

    def interrupt(self, seconds: float) -> int:
        """Ctrl-C; answers the exit code. What it showed is told where it does not end."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still runs {seconds} s after Ctrl-C: {self.shown[-2_000:]}") from None
        self._reader.join(1)
        os.close(self._master)
        return code


class Demo:
    """A demo that has come to its end and serves."""

    def __init__(self, state: StateFolder, terminal: Terminal) -> None:
        self.state = state
        self.terminal = terminal
        self.servers: Servers = running_servers(state)

    @property
    def dataset(self) -> Path:
        """The generated run."""
        return self.state.path / "dataset"
