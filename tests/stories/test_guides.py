"""The guides as their readers follow them: every command, in order, in a shell, with what they say that it shows."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from tests.guides import ROOT, Block, Step, commands, differences, steps
from tests.stories.conftest import SEED, TRAINEES
from tests.stories.running import Demo
from zeren.stack.local import reset
from zeren.stack.state import StateFolder

DOCS = ROOT / "docs"
PLAYED = f'make demo ARGS="--trainees {TRAINEES} --seed {SEED}"'
"""The auditors' first command: what the fixture `demo` has run, in a terminal, as they are told to."""
NOT_RUN = {
    PLAYED: "the demo of these stories is this one",
    ". .venv/bin/activate": "the test's own environment stands in the path already",
    "make test": "it runs this test",
    "make demo": "the stories' demo, with fewer trainees",
}
_MAKE = re.compile(r"make (?P<target>[a-z]+)(?: ARGS=\"(?P<arguments>[^\"]*)\")?")


class Shell:
    """A reader's shell: variables and the folder stay from one command to the next."""

    def __init__(self, folder: Path, state: str) -> None:
        environment = {**os.environ, "ZEREN_STATE": state}
        environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
        environment.pop("ZEREN_LEDGER_VKEY", None)
        self._process = subprocess.Popen(
            (shutil.which("bash") or "bash", "--noprofile", "--norc"),
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.kill()
        self._process.communicate()

    def run(self, command: str) -> tuple[int, str]:
        """The exit code of a command, and what it showed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        end = secrets.token_hex(8)
        self._process.stdin.write(f"{{ {command}\n}} </dev/null\nprintf '\\n%s %s\\n' {end} $?\n")
        self._process.stdin.flush()
        shown = []
        for line in self._process.stdout:
            if line.startswith(end):
                return int(line.split()[1]), "".join(shown).removesuffix("\n")
            shown.append(line)
        raise AssertionError(f"the shell has ended:\n{''.join(shown)}")


@pytest.fixture(scope="module")
def stack() -> Iterator[StateFolder]:
    """Where the guides start their stack; whatever is left of it in the end is stopped and deleted."""
    state = StateFolder.named(f"test-{secrets.token_hex(4)}")
    yield state
    reset(StateFolder(state.path))


def test_the_guide_for_institutions(stack: StateFolder, tmp_path: Path) -> None:
    """From nothing to receipts: accepted, parked, rejected, corrected, and a fact proven."""
    with Shell(tmp_path, stack.path.name) as shell:
        for step in steps(DOCS / "institutions.md"):
            _followed(shell, step)


def test_the_guide_for_operators(stack: StateFolder, tmp_path: Path) -> None:
    """From nothing to a database that was lost and recovered; the stack of the institutions goes on if it runs."""
    with Shell(tmp_path, stack.path.name) as shell:
        for step in steps(DOCS / "operators.md"):
            _followed(shell, step)


@pytest.mark.untouched
def test_the_guide_for_auditors(demo: Demo, tmp_path: Path) -> None:
    """From a demo to a claim replayed, its ledger verified, a fact proven and a forgery found."""
    first, *others = steps(DOCS / "auditors.md")
    assert [one.text for one in commands(first.block)] == [PLAYED]
    wrong = differences(demo.terminal.shown, first.shows or ())
    assert wrong == [], "\n".join(wrong[:60])
    with Shell(tmp_path, demo.state.path.name) as shell:
        for step in others:
            _followed(shell, step)


def test_the_readmes_show_no_command_that_nobody_tries() -> None:
    """Whatever stands in them to be typed is tried elsewhere."""
    shown = [one.text for step in steps(ROOT / "README.md") for one in commands(step.block)]
    assert shown
    assert {text.partition("#")[0].rstrip() for text in shown} <= NOT_RUN.keys()


def _followed(shell: Shell, step: Step) -> None:
    """Runs a block's commands; each must end as the guide says, and all of them show what it shows."""
    shown = []
    for command in commands(step.block):
        if command.text not in NOT_RUN:
            code, told = shell.run(_as_zeren(command.text, step.block))
            assert code == command.exit_code, f"{step.block.place}: {command.text}\n{told}"
            shown.append(told)
    if step.shows is not None:
        wrong = differences("\n".join(shown), step.shows)
        assert wrong == [], "\n".join([f"{step.block.place}: {step.block.lines[-1]}", *wrong])


def _as_zeren(command: str, block: Block) -> str:
    """A make command as what make would run: the environment is there, and nothing is to be installed."""
    made = _MAKE.fullmatch(command)
    if made is None:
        return command
    told = subprocess.run(
        (
            shutil.which("make") or "make",
            "-n",
            "--no-print-directory",
            made["target"],
            f"ARGS={made['arguments'] or ''}",
        ),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    runs = f"zeren {made['target']} {made['arguments'] or ''}".rstrip()
    assert told.stdout.rstrip().endswith(f"python -m {runs}"), f"{block.place}: {command}\n{told.stdout}"
    return runs
