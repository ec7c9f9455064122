"""Node, for the tests that need it: where it is, and what to say where it is not."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path

from tests.architecture.tree import ROOT

OLDEST = 20
INSTALL_SECONDS = 300
EXAMPLE = ROOT / "examples" / "node-institution"
NEEDING = ("contracts/test_node.py", "stories/test_node_institution.py")
"""Tests that are collected only where Node is, see tests/conftest.py."""


@cache
def missing() -> str:
    """Why nothing can be checked with Node here, in both languages; "" where it can."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return "本机没有 Node.js 与 npm / Node.js and npm are not on this machine"
    told = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(told.removeprefix("v").split(".")[0]) < OLDEST:
        return (
            f"Node.js {told} 太旧，需 {OLDEST} 以上 / Node.js {told} is too old: {OLDEST} or later is needed"
        )
    return ""


def install(folder: Path) -> None:
    """Installs what `package-lock.json` pins, unless it is there already: npm keeps the lock that it installed by."""
    done = folder / "node_modules" / ".package-lock.json"
    if done.exists() and done.stat().st_mtime >= (folder / "package-lock.json").stat().st_mtime:
        return
    ran = _run(folder, "npm", "ci", "--prefer-offline", "--no-audit", "--no-fund", seconds=INSTALL_SECONDS)
    assert ran.returncode == 0, ran.stderr


def install_example(folder: Path) -> Path:
    """The sample institution as an outsider has it: its own files alone, with its packages."""
    for name in ("index.mjs", "package.json", "package-lock.json", ".npmrc"):
        shutil.copy(EXAMPLE / name, folder)
    install(folder)
    return folder


def run_node(folder: Path, *arguments: str, seconds: float) -> subprocess.CompletedProcess[str]:
    """Runs Node in a folder."""
    return _run(folder, "node", *arguments, seconds=seconds)


def _run(folder: Path, program: str, *arguments: str, seconds: float) -> subprocess.CompletedProcess[str]:
    path = shutil.which(program)
    assert path is not None, program
    return subprocess.run(
        [path, *arguments], cwd=folder, capture_output=True, text=True, timeout=seconds, check=False
    )
