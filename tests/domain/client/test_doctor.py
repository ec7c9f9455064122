"""What `zeren doctor` says first where nothing runs."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from zeren.stack import doctor
from zeren.stack.doctor import examine
from zeren.stack.files import put_back_mark
from zeren.stack.state import StateFolder
from zeren.stack.supervisor import ProcessRecord


@pytest.fixture
def state_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(doctor, "machine", lambda _path: [])
    monkeypatch.setenv("ZEREN_STATE_ROOT", str(tmp_path))
    return tmp_path


def remembered(state: StateFolder, name: str) -> None:
    """A process that was started once and is gone."""
    record = ProcessRecord(
        name=name, pid=1, started="gone", order=1, spec="", stop_signal=15, stop_seconds=1.0
    )
    (state.path / "processes" / f"{name}.json").write_text(json.dumps(asdict(record)))


def test_nothing_running_is_told_before_everything_else(state_root: Path) -> None:
    """Before the first start and after `zeren down`, with the command that starts it; nothing is wrong then."""
    for started in (False, True):
        if started:
            StateFolder.named("other")
        first = examine("other")[0]
        assert (first.check, first.ok) == ("stack", True)
        assert first.found.startswith("没有在运行")
        assert "start it with zeren up --state other" in first.found


def test_a_stack_that_ended_by_itself_is_told_apart_from_one_that_was_stopped(state_root: Path) -> None:
    """That is wrong: what ended is remembered, and each is named below."""
    state = StateFolder.named("up")
    remembered(state, "payment")
    first, *rest = examine("up")
    assert (first.check, first.ok) == ("stack", False)
    assert "zeren up" in first.advice
    assert "process payment" in {one.check for one in rest if not one.ok}


def test_a_restored_stack_is_not_told_to_start_at_once(state_root: Path) -> None:
    """Its service would refuse: the way out stands below."""
    state = StateFolder.named("up")
    put_back_mark(state.path, "payment").touch()
    first, *rest = examine("up")
    assert "zeren up" not in first.found
    assert any("zeren recover payment" in one.advice for one in rest)
