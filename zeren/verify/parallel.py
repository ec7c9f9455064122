"""The full check of a folder by several processes.

Threads would hardly help: hashing an entry below 2 KiB holds the interpreter's lock.

Each process is a Python of its own that runs `check_worker` and nothing of the caller's: the caller's main module
need not be safe to import, and may have threads. A caller that is killed leaves none behind: each ends at its next
answer, which nobody reads.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

from shared.tlog.bundle_check import BundleCheck, Told, check_in_order, check_run, runs_of
from shared.tlog.hashing import HASH_SIZE
from shared.tlog.tiles import LogReader
from zeren.verify import check_worker
from zeren.verify.errors import CheckerEnded

ENTRIES_A_PROCESS = 65_536
"""A fifth of a second of work; the start of a process takes a tenth."""


def bundle_check(folder: Path, size: int, processes: int | None = None) -> BundleCheck:
    """How the full bundles of a folder's log are checked.

    Args:
        folder: with the log's files.
        size: entries.
        processes: by default one for each core that may be used, as far as there is work for them. Below two,
            and where the program is no Python that could run a module, it is the caller's own that checks.
    """
    count = min(_usable_cores(), size // ENTRIES_A_PROCESS) if processes is None else processes
    if count < 2 or not sys.executable or getattr(sys, "frozen", False):
        return check_in_order
    return partial(_check_by_processes, folder, count)


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _check_by_processes(folder: Path, count: int, reader: LogReader, parents: bytes, told: Told) -> None:
    """See `BundleCheck`. The runs go round; a run that is doubted is checked here once more, to name what is wrong.

    Raises:
        CheckerEnded: a process ended before its answer.
        Others: as `check_in_order`.
    """
    with ExitStack() as running:
        workers = [running.enter_context(_worker(folder, number, count)) for number in range(count)]
        for worker in workers:
            assert worker.stdin is not None
            with suppress(BrokenPipeError), worker.stdin:  # one that has ended is found by its missing answer
                worker.stdin.write(parents)
        for number, (first, hashes) in enumerate(runs_of(parents)):
            if not _holds(workers[number % count], first):
                check_run(reader, first, hashes)
            told(first + len(hashes) // HASH_SIZE)


@contextmanager
def _worker(folder: Path, number: int, count: int) -> Iterator[subprocess.Popen[bytes]]:
    """One of the processes; however the body ends, it is gone then."""
    # It finds modules where this process does, and not (-P) in the working folder, which may be the one to check.
    paths = [str(Path(path).absolute()) for path in sys.path]
    worker = subprocess.Popen(
        (sys.executable, "-P", "-m", check_worker.__name__, str(folder), str(number), str(count)),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # a terminal's Ctrl-C comes to this process, which ends the others
    )
    try:
        yield worker
    finally:
        worker.kill()
        with suppress(BrokenPipeError), worker:  # closes its pipes and waits for it
            pass


def _holds(worker: subprocess.Popen[bytes], first: int) -> bool:
    assert worker.stdout is not None
    line = worker.stdout.readline()
    if line == check_worker.answer(first, holds=True):
        return True
    if line == check_worker.answer(first, holds=False):
        return False
    raise CheckerEnded(None if line else worker.wait())
