"""Generated runs of several sizes and seeds, made once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from zeren.generator.generate import generate
from zeren.generator.truth.inputs import Inputs, read_inputs

RUNS = [(30, 1), (30, 2), (100, 1), (100, 7), (300, 1), (300, 42)]


@dataclass(frozen=True)
class Generated:
    """A run as it lies in its folder."""

    folder: Path
    trainees: int
    inputs: Inputs
    manifest: dict[str, Any]
    truth: dict[str, Any]

    @property
    def cases(self) -> dict[str, int]:
        """How often each case occurs, as the manifest says."""
        return dict(self.manifest["cases"])

    def rows(self, name: str) -> list[dict[str, Any]]:
        """The lines of a file."""
        return [json.loads(line) for line in (self.folder / name).read_text(encoding="utf-8").splitlines()]


def made(folder: Path, trainees: int, seed: int) -> Generated:
    """Generates a run and reads it back."""
    generate(folder, trainees=trainees, seed=seed)
    return Generated(
        folder=folder,
        trainees=trainees,
        inputs=read_inputs(folder),
        manifest=json.loads((folder / "manifest.json").read_text(encoding="utf-8")),
        truth=json.loads((folder / "truth.json").read_text(encoding="utf-8")),
    )


@pytest.fixture(scope="session", params=RUNS, ids=lambda run: f"{run[0]}-seed{run[1]}")
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generated:
    """Each run in turn."""
    trainees, seed = request.param
    return made(tmp_path_factory.mktemp("run") / "input", trainees, seed)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Generated:
    """The smallest run."""
    return made(tmp_path_factory.mktemp("small") / "input", 30, 1)
