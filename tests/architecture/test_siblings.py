"""The four services look alike, and imports point down."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from shared.contracts.fact import SERVICES
from tests.architecture.tree import ROOT

EVERYWHERE = {
    "README",
    "__init__",
    "__main__",
    "api",
    "app",
    "consumers",
    "domain",
    "migrations",
    "policies",
    "projections",
    "settings",
}
IN_SOME = {"bank", "ledger", "spans", "submissions", "web"}


def _names(service: str) -> set[str]:
    folder = ROOT / "services" / service
    return {path.stem for path in folder.iterdir() if path.name != "__pycache__"}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_the_files_of_its_siblings(service: str) -> None:
    """Who knows one service finds the way in all four."""
    names = _names(service)
    assert sorted(EVERYWHERE - names) == []
    assert sorted(names - EVERYWHERE - IN_SOME) == []


def test_there_are_four_services() -> None:
    """No fifth stands beside them unnoticed by these tests."""
    folders = {path.name for path in (ROOT / "services").iterdir() if (path / "__init__.py").exists()}
    assert folders == set(SERVICES)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_says_what_it_follows(service: str) -> None:
    """`consumers.SOURCES` and `PROJECTIONS` are tables: the event catalogue and the process read them."""
    consumers = importlib.import_module(f"services.{service}.consumers")
    assert set(consumers.SOURCES) <= set(SERVICES) - {service}
    assert isinstance(consumers.PROJECTIONS, tuple)


def test_imports_point_down() -> None:
    """The import contracts of pyproject.toml hold."""
    linter = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run(
        [linter, "--no-cache", "--no-logo"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout
