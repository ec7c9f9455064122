"""The shipped packages, and a folder to spoil a copy of them in."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.policy.book import PolicyBook
from shared.policy.loading import load_packages

POLICY_FOLDER = Path(__file__).resolve().parents[3] / "policy"
Rewrite = Callable[[str, str, str], Path]


@pytest.fixture(scope="session")
def shipped() -> Path:
    """The folder of the first release."""
    return POLICY_FOLDER


@pytest.fixture(scope="session")
def book(shipped: Path) -> PolicyBook:
    """The packages of the first release."""
    return load_packages(shipped)


@pytest.fixture
def folder(shipped: Path, tmp_path: Path) -> Path:
    """A copy of the shipped folder."""
    return Path(shutil.copytree(shipped, tmp_path / "policy"))


@pytest.fixture
def rewrite(folder: Path) -> Rewrite:
    """Replaces one piece of text in one file of the copy; the text must be there."""

    def replace(file: str, old: str, new: str) -> Path:
        path = folder / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        return folder

    return replace
