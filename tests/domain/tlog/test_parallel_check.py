"""The full check of a folder by several processes says what one process says, and leaves none behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import psutil  # type: ignore[import-untyped]
import pytest

from shared.tlog.bundle_check import check_in_order
from shared.tlog.errors import EntryDiffers, TlogError
from shared.tlog.log_check import verify_log
from shared.tlog.notes import Signer
from shared.tlog.tiles import MAX_BUNDLE_BYTES, BundleRef
from tests.architecture.tree import ROOT
from tests.interrupts import hear_interrupts
from zeren.cli.failures import NOT_RUNNING, told
from zeren.verify import parallel
from zeren.verify.errors import CheckerEnded
from zeren.verify.ledger import Verified, verify
from zeren.verify.parallel import bundle_check

if TYPE_CHECKING:
    from tests.domain.tlog.conftest import MemoryLog

Logs = Callable[[Sequence[bytes]], "MemoryLog"]
SIZE = 70_000  # 273 full bundles in five runs, and a partial one
RUN_1, RUN_3 = BundleRef(64).path, BundleRef(200).path
PATIENCE = 20


@pytest.fixture(scope="module")
def log(log_of: Logs, payments: Callable[[int], list[bytes]]) -> MemoryLog:
    """As it was signed."""
    return log_of(payments(SIZE))


@pytest.fixture(scope="module")
def whole(log: MemoryLog, signer: Signer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log's folder."""
    folder = tmp_path_factory.mktemp("log")
    log.write(folder, signer)
    return folder


@pytest.fixture
def folder(whole: Path, log: MemoryLog) -> Iterator[Path]:
    """The log's folder, for one test to alter."""
    yield whole
    for path, content in log.files.items():
        file = whole / path
        if not file.is_file() or file.read_bytes() != content:
            file.unlink(missing_ok=True)
            file.write_bytes(content)


def _found(folder: Path, vkey: str, processes: int) -> tuple[object, list[tuple[int, int]]]:
    """The answer or the error, in words, and the progress."""
    reports: list[tuple[int, int]] = []
    try:
        answer: object = verify(str(folder), vkey, lambda *report: reports.append(report), processes)
    except TlogError as error:
        answer = type(error), str(error)
    return answer, reports


def _flip(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[:40] + bytes([content[40] ^ 0x20]) + content[41:])


@pytest.mark.parametrize("processes", [2, 3, 8])
def test_a_good_log_passes_with_the_same_progress(processes: int, folder: Path, signer: Signer) -> None:
    """Also with more processes than there are runs."""
    answer, reports = _found(folder, str(signer.vkey), processes)
    assert isinstance(answer, Verified)
    assert (answer, reports) == _found(folder, str(signer.vkey), 1)
    assert reports[-1] == (SIZE, SIZE)


@pytest.mark.parametrize(
    "paths",
    [
        ["tile/entries/000"],
        [RUN_3],
        [RUN_3, RUN_1],
        ["tile/entries/272"],
        ["tile/entries/273.p/112"],
        ["tile/0/070"],
        ["tile/0/070", "tile/entries/070"],
        ["tile/0/200", RUN_1],
        ["tile/0/273.p/112"],
        ["tile/1/000"],
        ["tile/1/001.p/17"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize(
    "spoil",
    [
        _flip,
        Path.unlink,
        lambda file: file.write_bytes(file.read_bytes()[:-1]),
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(bytes(MAX_BUNDLE_BYTES + 1)),
    ],
    ids=["altered", "missing", "cut", "empty", "too large"],
)
def test_what_is_wrong_is_named_as_by_one_process(
    paths: list[str], spoil: Callable[[Path], object], folder: Path, signer: Signer
) -> None:
    """Same error, same words, same progress before it: the first wrong place, whichever process met it."""
    for path in paths:
        spoil(folder / path)
    alone = _found(folder, str(signer.vkey), 1)
    assert not isinstance(alone[0], Verified)
    assert _found(folder, str(signer.vkey), 2) == alone


def test_a_doubt_is_decided_by_the_callers_own_check(folder: Path, log: MemoryLog) -> None:
    """The processes' word alone condemns nobody: here the caller's reader has what their folder lacks."""
    (folder / RUN_1).unlink()
    verify_log(log, log.checkpoint, check_bundles=bundle_check(folder, SIZE, 2))


def test_the_working_folder_is_no_place_for_modules(
    folder: Path, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who sends a ledger to be checked sends no code to be run."""
    monkeypatch.chdir(folder)
    planted = folder / "zeren.py"
    planted.write_text("raise SystemExit('planted')")
    try:
        assert verify(".", str(signer.vkey), processes=2).size == SIZE
    finally:
        planted.unlink()


def test_small_logs_and_single_cores_need_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below 131,072 entries the start costs more than it brings."""
    monkeypatch.setattr(parallel, "_usable_cores", lambda: 2)
    assert bundle_check(tmp_path, 131_071) is check_in_order
    assert bundle_check(tmp_path, 131_072) is not check_in_order
    monkeypatch.setattr(parallel, "_usable_cores", lambda: 1)
    assert bundle_check(tmp_path, 10_000_000) is check_in_order


def _hold(folder: Path) -> None:
    """The process that comes to run 1 waits there: whoever opens a pipe waits for a writer."""
    (folder / RUN_1).unlink()
    os.mkfifo(folder / RUN_1)


def _checkers(folder: Path) -> list[psutil.Process]:
    return [
        one
        for one in psutil.process_iter(["cmdline"])
        if {str(folder), "-P"} <= {*(one.info["cmdline"] or ())}
    ]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_process_is_no_verdict(number: signal.Signals, folder: Path, signer: Signer) -> None:
    """The signal is told, and that it says nothing about the ledger; the other one is ended."""
    _hold(folder)

    def kill(_done: int, _total: int) -> None:
        for one in _checkers(folder):
            one.send_signal(number)

    with pytest.raises(CheckerEnded, match=f"signal {number.value}") as caught:
        verify(str(folder), str(signer.vkey), kill, 2)
    assert told(caught.value) == (NOT_RUNNING, str(caught.value))
    assert _checkers(folder) == []


def test_an_interrupted_check_leaves_no_process(folder: Path, signer: Signer) -> None:
    """However the caller's own progress ends it."""
    _hold(folder)

    def interrupt(_done: int, _total: int) -> None:
        assert _checkers(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verify(str(folder), str(signer.vkey), interrupt, 2)
    assert _checkers(folder) == []


def test_ctrl_c_ends_a_program_that_guards_nothing(folder: Path, signer: Signer, tmp_path: Path) -> None:
    """A script without `if __name__ == "__main__"` runs once, and one Ctrl-C ends all at once."""
    _hold(folder)
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\nfrom zeren.verify.ledger import verify\nprint('began', flush=True)\n"
        "verify(sys.argv[1], sys.argv[2], lambda *done: print(*done, flush=True), 2)\n"
    )
    hear_interrupts()
    program = subprocess.Popen(
        (sys.executable, str(script), str(folder), str(signer.vkey)),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with program:
        assert program.stdout is not None
        assert [program.stdout.readline() for _ in range(2)] == ["began\n", f"16384 {SIZE}\n"]
        began = time.monotonic()
        os.killpg(program.pid, signal.SIGINT)
        try:
            out, err = program.communicate(timeout=PATIENCE)
        finally:
            program.kill()
    assert (out, program.returncode) == ("", -signal.SIGINT)
    assert err.count("Traceback") == 1
    assert time.monotonic() - began < PATIENCE / 4
    assert _checkers(folder) == []


def test_a_process_that_nobody_asks_any_more_ends(folder: Path, log: MemoryLog) -> None:
    """As when the program was killed: the next answer finds no reader."""
    with parallel._worker(folder, 0, 1) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdout.close()
        worker.stdin.write(log.files["tile/1/000"])
        worker.stdin.close()
        assert worker.wait(PATIENCE) == -signal.SIGPIPE


def test_an_answer_that_is_none_is_no_verdict(
    folder: Path, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What else writes to the answers, as a start-up file of the environment may, cannot say that a run holds."""
    monkeypatch.setattr(parallel.check_worker, "__name__", "this")
    with pytest.raises(CheckerEnded, match="its answer is none"):
        verify(str(folder), str(signer.vkey), processes=2)


def test_the_first_of_two_wrong_entries_is_told(folder: Path, signer: Signer) -> None:
    """Though the other process finds its own sooner."""
    _flip(folder / BundleRef(127).path)
    _flip(folder / BundleRef(128).path)
    with pytest.raises(EntryDiffers) as caught:
        verify(str(folder), str(signer.vkey), processes=2)
    assert caught.value.index == 127 * 256 + 1
