"""Which stack a command speaks to where none is named."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

import pytest

from zeren.cli.states import chosen_name
from zeren.stack.processes import identify
from zeren.stack.state import StateFolder
from zeren.stack.supervisor import ProcessRecord


@pytest.fixture(autouse=True)
def state_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ZEREN_STATE_ROOT", str(tmp_path))
    return tmp_path


def running(name: str) -> None:
    """A stack of which something runs: this process stands for it."""
    itself = identify(os.getpid())
    assert itself is not None
    record = ProcessRecord(
        name="audit",
        pid=itself.pid,
        started=itself.started,
        order=1,
        spec="",
        stop_signal=15,
        stop_seconds=1.0,
    )
    (StateFolder.named(name).path / "processes" / "audit.json").write_text(json.dumps(asdict(record)))


@pytest.mark.parametrize(
    ("names", "chosen", "others"),
    [
        ((), "up", ""),
        (("up",), "up", ""),
        (("demo",), "demo", ""),
        (("up", "demo"), "up", "demo"),
        (("demo", "three"), "demo", "three"),
        (("three",), "up", "three"),
    ],
)
def test_where_others_run_too_the_command_says_which_it_speaks_to(
    names: tuple[str, ...], chosen: str, others: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """On standard error, so that JSON stays JSON; nothing is said where there is one only."""
    StateFolder.named("stopped")
    for name in names:
        running(name)
    assert chosen_name(None) == chosen
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == bool(others)
    if others:
        assert f"针对 {chosen}；另在运行：{others} / " in said.err


def test_a_stack_that_was_named_is_not_told_again(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever else runs."""
    running("up")
    running("three")
    assert chosen_name("three") == "three"
    assert capsys.readouterr().err == ""
