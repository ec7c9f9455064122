"""How a process ended, as far as that can be told, and in which words."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from zeren.stack import processes
from zeren.stack.files import put_back_mark
from zeren.stack.processes import exit_code, identify, signal_name, wait_until
from zeren.stack.service_states import ended
from zeren.stack.state import StateFolder
from zeren.stack.supervisor import ProcessSpec, Supervisor

SLEEPER = (sys.executable, "-c", "import time; time.sleep(60)")
UVICORN = '{"level":"INFO","message":"Uvicorn running on http://127.0.0.1:26802 (Press CTRL+C to quit)"}\n'


def test_the_signal_that_killed_a_process_is_seen_and_noted_for_later_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only its parent is told; a process of the same name that is started again has no end yet."""
    supervisor = Supervisor(StateFolder(tmp_path))
    spec = ProcessSpec(name="payment", argv=SLEEPER)
    identity = supervisor.start(spec)
    try:
        os.kill(identity.pid, signal.SIGKILL)
        assert wait_until(lambda: not supervisor.status()[0].running, 10)
        assert supervisor.status()[0].exit_code == -signal.SIGKILL
        monkeypatch.setattr(processes, "_codes", {})
        assert supervisor.status()[0].exit_code == -signal.SIGKILL
        supervisor.start(spec)
        assert supervisor.status()[0].exit_code is None
    finally:
        supervisor.stop_all()


def test_the_end_of_a_process_whose_parent_has_not_asked_yet_is_seen() -> None:
    """By anybody who may look; the parent of the demo's processes asks only at its end."""
    child = subprocess.Popen(SLEEPER)
    try:
        identity = identify(child.pid)
        assert identity is not None
        assert exit_code(identity) is None
        child.kill()
        assert wait_until(lambda: exit_code(identity) == -signal.SIGKILL, 10)
    finally:
        child.kill()
        child.wait()
    assert exit_code(identity) is None


@pytest.mark.parametrize(
    ("code", "name"),
    [(-9, "SIGKILL"), (-6, "SIGABRT"), (143, "SIGTERM"), (0, ""), (1, ""), (4, ""), (None, "")],
)
def test_a_signal_is_told_by_the_exit_code(code: int | None, name: str) -> None:
    """Also by that of a JVM; of other ends there is none to tell."""
    assert signal_name(code) == name


@pytest.mark.parametrize(
    ("line", "code", "found"),
    [
        (UVICORN, -9, "被信号 SIGKILL 终止 / killed by SIGKILL"),
        (UVICORN, None, "日志中没有结束的话"),
        (UVICORN, 1, "已退出（Uvicorn running"),
        ('{"level":"ERROR","message":"service failed"}\n', None, "已退出（service failed） / ended"),
        ('{"level":"INFO","message":"service stopped"}\n', None, "已退出（service stopped） / ended"),
        ("ValueError: no such port\n", None, "已退出（ValueError: no such port） / ended"),
        ("", None, "已退出 / ended"),
    ],
)
def test_the_last_line_of_a_log_is_no_reason_of_a_killing(
    tmp_path: Path, line: str, code: int | None, found: str
) -> None:
    """It was written in the middle of the work; what a process said of its own end is told."""
    log = tmp_path / "payment.log"
    log.write_text(line)
    told = ended("payment", log, "zeren up", code)
    assert found in told.found
    assert ("Uvicorn" in told.found) == (code == 1)
    assert "zeren up" in told.advice


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('{"level":"INFO","message":"service stopped"}\n', ""),
        (UVICORN, ""),
        (
            '{"level":"ERROR","message":"run zeren recover"}\n',
            "（run zeren recover）",
        ),
    ],
)
def test_of_a_service_that_was_put_back_only_what_it_said_since_is_told(
    tmp_path: Path, line: str, why: str
) -> None:
    """That it was stopped before says nothing; that it refused to start does."""
    log = tmp_path / "logs" / "payment.log"
    log.parent.mkdir()
    log.write_text(line)
    mark = put_back_mark(tmp_path, "payment")
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.write_text("")
    found = ended("payment", log, "zeren up").found
    assert found.startswith(
        f"数据库已恢复到较早时点，补回之前拒绝启动（退出码 4）{why} / its database was put back"
    )
