"""What the repository promises to whoever clones it."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, name_of, parsed, project_files, python_files

REQUIREMENTS = ROOT / "requirements"
LOCKS = ("runtime.txt", "dev.txt")
NODE_FOLDERS = ("examples/node-institution", "tests/node")
PIN = re.compile(r"^([A-Za-z0-9][\w.-]*)==[\w.]+", re.MULTILINE)
NOT_IN_A_FILE = {
    "a package registry's host": r"py"
    r"pi\.org|pythonh"
    r"osted|repo1?\.mav"
    r"en|registry\.npm"
    r"js|deb\.deb"
    r"ian",
    "a path of one machine": r"/wo" r"rk/|/ro" r"ot/|/home/[a-z]|/Use" r"rs/[a-z]|C:\\\\Users",
    "a private key": r"BEGIN [A-Z ]*PRIVATE" r" KEY|PRIVATE" r"\+KEY\+",
    "a key's private half": r"\"d\"\s*:\s*\"[A-Za-z0-9_-]{43}\"",
    "an access token": r"\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}\b",
}


@pytest.mark.parametrize("what", NOT_IN_A_FILE)
def test_no_file_holds(what: str) -> None:
    """Secrets, paths of one machine and registry hosts have no place in the repository."""
    pattern = re.compile(NOT_IN_A_FILE[what])
    found = []
    for path in project_files():
        text = path.read_bytes().decode("utf-8", "replace")
        found += [f"{name_of(path)}: {match.group()}" for match in pattern.finditer(text)]
    assert found == []


def _targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


def test_make_alone_lists_every_target() -> None:
    """`help` is the default, needs nothing installed, and leaves no target out."""
    run = subprocess.run(
        [shutil.which("make") or "make"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    listed = re.findall(r"^  make ([a-z-]+) ", run.stdout, re.MULTILINE)
    assert sorted(listed) == sorted(_targets())
    assert {"help", "demo", "up", "down", "status", "test", "check", "docs", "clean"} <= set(listed)


def test_make_test_runs_every_folder_of_tests() -> None:
    """In-process folders first; none is forgotten."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    (listed,) = re.findall(r"addprefix tests/,([a-z ]+)\)", makefile)
    folders = {path.relative_to(ROOT / "tests").parts[0] for path in (ROOT / "tests").rglob("test_*.py")}
    assert folders <= set(listed.split())


@pytest.mark.parametrize("name", LOCKS)
def test_every_requirement_is_pinned_by_hash(name: str) -> None:
    """`==` and at least one SHA-256 each, no address of an index, no path."""
    text = (REQUIREMENTS / name).read_text("utf-8")
    entries = re.split(r"\n(?=[A-Za-z0-9])", text.split("\n#", 1)[0] if text.startswith("#") else text)
    assert all(PIN.match(entry) and "--hash=sha256:" in entry for entry in entries)
    assert "://" not in text
    assert "--index" not in text


@pytest.mark.parametrize("folder", NODE_FOLDERS)
def test_packages_of_node_are_pinned_without_an_address(folder: str) -> None:
    """Exact versions, a digest each, and no registry: whoever installs uses their own. No script of a package runs."""
    wanted = json.loads((ROOT / folder / "package.json").read_text("utf-8"))
    versions = [*wanted.get("dependencies", {}).values(), *wanted.get("devDependencies", {}).values()]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in versions)
    locked = json.loads((ROOT / folder / "package-lock.json").read_text("utf-8"))["packages"]
    packages = [entry for name, entry in locked.items() if name]
    assert len(packages) > len(versions)
    assert all(entry["integrity"].startswith("sha512-") for entry in packages)
    assert not any("resolved" in entry for entry in packages)
    settings = (ROOT / folder / ".npmrc").read_text("utf-8").split()
    assert {"omit-lockfile-registry-resolved=true", "ignore-scripts=true"} <= set(settings)


def test_both_requirement_files_pin_the_same_versions() -> None:
    """They are installed together."""
    pins = [dict(re.findall(r"^([\w.-]+)==(\S+)", _lock(name), re.MULTILINE)) for name in LOCKS]
    shared = pins[0].keys() & pins[1].keys()
    assert {name: (pins[0][name], pins[1][name]) for name in shared if pins[0][name] != pins[1][name]} == {}


def _lock(name: str) -> str:
    return (REQUIREMENTS / name).read_text("utf-8")


def test_everything_that_the_code_imports_is_required_by_name() -> None:
    """What services, kernel, command line and bench import stands in runtime.in, not only beneath something else."""
    named = (REQUIREMENTS / "runtime.in").read_text("utf-8")
    required = {_plain(name) for name in re.findall(r"^([A-Za-z][\w.-]*)", named, re.MULTILINE)}
    owners = packages_distributions()
    missing = {
        f"{name_of(path)}: {module}"
        for path in python_files()
        for module in _imported(path)
        if module in owners and not {_plain(owner) for owner in owners[module]} & required
    }
    assert sorted(missing) == []


def _imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found - {"services", "shared", "zeren"}


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")


def test_ci_runs_the_readmes_test_command() -> None:
    """One command, the same for people and for CI."""
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    readme = (ROOT / "README.md").read_text("utf-8")
    assert re.search(r"^exec make test$", script, re.MULTILINE)
    assert "make test" in readme
