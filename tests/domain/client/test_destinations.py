"""Where a command may write: judged before it asks, starts or reads anything."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from zeren.cli.entry import main

EVIDENCE = ("audit", "evidence", "payment", "a" * 64, "--reason", "CASE_REVIEW", "--to")
KEY = ("institution", "key", "make")
FACT = "0b6c7e5a-54f4-5a25-8f21-6f1a5be0a001"
PROVE = ("ledger", "prove", FACT, "--out")
COPY = ("ledger", "copy")
BACKUP = ("backup",)


@pytest.fixture(autouse=True)
def _nothing_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked of a stack ends with 3."""
    monkeypatch.setenv("ZEREN_STATE_ROOT", str(tmp_path / "states"))
    monkeypatch.delenv("ZEREN_STATE", raising=False)


@pytest.mark.parametrize(
    ("command", "to", "told"),
    [
        (EVIDENCE, "nowhere/x", "没有目录 {}/nowhere"),
        (EVIDENCE, "file/x", "{}/file 不是目录"),
        (EVIDENCE, "file", "{}/file 已存在"),
        (KEY, "nowhere/x.jwk", "没有目录 {}/nowhere"),
        (KEY, "file", "{}/file 已存在"),
        (PROVE, "file/x", "{}/file 不是目录"),
        (COPY, "file/x", "{}/file 不是目录"),
        (BACKUP, "file/x", "{}/file 不是目录"),
    ],
)
def test_a_place_that_takes_no_file_is_2_and_named(
    tmp_path: Path, command: tuple[str, ...], to: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the stack is asked: nothing that ends with 3 comes first."""
    (tmp_path / "file").write_text("kept")
    assert main([*command, str(tmp_path / to)]) == 2
    assert told.format(tmp_path) in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "kept"


@pytest.mark.parametrize("command", [EVIDENCE, PROVE, COPY, BACKUP])
def test_a_folder_without_the_right_to_write_is_2_and_named(
    tmp_path: Path,
    command: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Also where the folder would have to be made below it."""
    monkeypatch.setattr(os, "access", lambda *_asked: False)
    assert main([*command, str(tmp_path / "x")]) == 2
    assert f"无权在目录 {tmp_path} 中写入" in capsys.readouterr().err


@pytest.mark.parametrize("command", [EVIDENCE, PROVE, COPY, BACKUP])
def test_a_sound_place_is_no_hindrance(tmp_path: Path, command: tuple[str, ...]) -> None:
    """The command goes on to what it needs, and leaves nothing there."""
    assert main([*command, str(tmp_path / "x")]) == 3
    assert not (tmp_path / "x").exists()
