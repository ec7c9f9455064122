"""A disk that can be filled and emptied under a running server: a small one where we may mount, else a limit.

The limit is RLIMIT_FSIZE of the server's processes, set from outside: the kernel refuses to let any of their files
grow, with EFBIG in ENOSPC's place, which both servers take for the same kind of fault.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import psutil  # type: ignore[import-untyped]

PRLIMIT = shutil.which("prlimit") or "prlimit"
MOUNT = shutil.which("mount")
UMOUNT = shutil.which("umount")
BLOCK = 1 << 20
LARGEST_FILE = 64 << 10
"""What a file may still grow to when the limit is on: both servers' current files are longer soon."""


class Disk(Protocol):
    """What a server's data lies on."""

    def fill(self) -> None:
        """Nothing more can be written from now on."""

    def free(self) -> None:
        """There is space again."""

    def close(self) -> None:
        """Nothing of it is left; the server must be stopped before."""


class SmallDisk:
    """A tmpfs of its own on a folder."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        options = f"size={megabytes}m,mode=0700"
        assert MOUNT is not None
        subprocess.run([MOUNT, "-t", "tmpfs", "-o", options, "zeren-test", folder], check=True)
        self._folder = folder
        self._balloon = folder / "balloon"

    def fill(self) -> None:
        """A file takes all that is left, to the last byte."""
        for size in (BLOCK, 4_096, 1):
            try:
                with self._balloon.open("ab", buffering=0) as file:
                    while file.write(bytes(size)) == size:
                        pass
            except OSError:
                continue

    def free(self) -> None:
        """The file goes."""
        self._balloon.unlink(missing_ok=True)

    def close(self) -> None:
        """Unmounts it, and removes the empty folder."""
        assert UMOUNT is not None
        subprocess.run([UMOUNT, self._folder], check=True)
        self._folder.rmdir()


class LimitedFiles:
    """A limit on how long the files of a server and its children may become."""

    def __init__(self, pid: Callable[[], int]) -> None:
        self._pid = pid

    def fill(self) -> None:
        """Sets the limit; the children that come inherit it."""
        self._limit(str(LARGEST_FILE))

    def free(self) -> None:
        """Lifts it."""
        self._limit("unlimited")

    def close(self) -> None:
        """Nothing to do: the limit went with its processes."""

    def _limit(self, most: str) -> None:
        """As the user that the process runs as: root may not be let do it to another's."""
        with suppress(psutil.NoSuchProcess):
            first = psutil.Process(self._pid())
            for one in (first, *first.children(recursive=True)):
                command = [PRLIMIT, f"--pid={one.pid}", f"--fsize={most}:"]
                done = subprocess.run(command, **_as_owner(one), cwd="/", capture_output=True, check=False)
                assert done.returncode == 0 or not one.is_running(), done.stderr


def _as_owner(process: psutil.Process) -> dict[str, Any]:
    """The user and group to act as, where we are root."""
    if os.geteuid() != 0:
        return {}
    return {"user": process.uids().real, "group": process.gids().real, "extra_groups": []}


def may_mount(folder: Path) -> bool:
    """Whether this process may mount a disk of its own."""
    if MOUNT is None or UMOUNT is None:
        return False
    options = ["-t", "tmpfs", "-o", "size=1m", "zeren-test"]
    if subprocess.run([MOUNT, *options, folder], capture_output=True, check=False).returncode != 0:
        return False
    subprocess.run([UMOUNT, folder], check=True)
    return True
