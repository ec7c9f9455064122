"""What is checked with Node: contracts, by the official AsyncAPI parser and CloudEvents SDK, and a strict validator."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT
from tests.nodejs import install, run_node

HERE = ROOT / "tests" / "node"
FILES = sorted(HERE.glob("*.test.mjs"))
SECONDS = 300


@pytest.fixture(scope="module")
def installed() -> Path:
    """The folder of the checks with its pinned packages."""
    install(HERE)
    return HERE


@pytest.mark.timeout(2 * SECONDS)
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_checks_in_node_pass(installed: Path, path: Path) -> None:
    """Every one of a file; Node's own report tells which did not."""
    ran = run_node(installed, "--test", "--test-reporter=tap", path.name, seconds=SECONDS)
    counted = {name: int(count) for name, count in re.findall(r"^# (\w+) (\d+)$", ran.stdout, re.MULTILINE)}
    assert ran.returncode == 0, ran.stdout
    assert counted["pass"] >= 1
    assert (counted["fail"], counted["skipped"], counted["todo"]) == (0, 0, 0)
