"""What the product itself says when a run is over: repeated commands, and the commands that compare stores."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from random import Random

from tests.chaos.history import History
from tests.chaos.load import RecordingLocal
from zeren.cli.entry import COMMANDS
from zeren.stack.client import ServiceRefused
from zeren.stack.paths import CHECKOUT
from zeren.stack.state import StateFolder

ASKED_AGAIN = 40
COMMAND_SECONDS = 600
LAST_LINES = 20

COMPARING = {"reconcile": ("audit", "reconcile"), "projections": ("projection", "verify")}
"""By check, the command that compares raw stores by itself."""


def asked_again(local: RecordingLocal, history: History, seed: int) -> Iterator[str]:
    """Commands that were answered, sent once more under their keys: each must get the answer that it got."""
    rng = Random(seed)  # noqa: S311 - the same seed asks the same
    known = list(history.commands)
    for one in rng.sample(known, min(ASKED_AGAIN, len(known))):
        try:
            bearer = local.bearer_of(one.subject)
            answer = local.post(one.service, one.path, one.body, bearer=bearer, idempotency_key=one.key)
        except ServiceRefused as refusal:
            yield f"重复的命令被拒 / {one.service} {one.path} refused what it had answered: {refusal.code}"
            continue
        if json.dumps(answer, sort_keys=True) != one.answered.answer:
            yield f"重复的命令得到不同答复 / {one.service} {one.path} answered otherwise the second time"


def verdicts(state: StateFolder) -> dict[str, list[str]]:
    """By check, what a comparing command found; none where it answered 0."""
    found = {}
    for name, command in COMPARING.items():
        if _exists(*command):
            found[name] = _run(state, command)
    return found


def _exists(group: str, name: str) -> bool:
    if group not in COMMANDS:
        return False
    module = importlib.import_module(COMMANDS[group][0])
    return name in getattr(getattr(module, group, None), "commands", ())


def _run(state: StateFolder, command: tuple[str, ...]) -> list[str]:
    done = subprocess.run(
        (sys.executable, "-m", "zeren", *command, "--state", state.path.name),
        cwd=CHECKOUT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )
    if done.returncode == 0:
        return []
    lines = (done.stdout + done.stderr).splitlines()[-LAST_LINES:]
    return [f"zeren {' '.join(command)}: {done.returncode}", *lines]
