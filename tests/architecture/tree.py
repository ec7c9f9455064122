"""The project's own files, as text and as syntax trees."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CODE = ("services", "shared", "zeren", "bench")
NOT_OURS = {
    ".git",
    ".venv",
    ".local",
    ".hypothesis",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    ".import_linter_cache",
    "__pycache__",
    "node_modules",
    "zeren.egg-info",
}
"""Folders that .gitignore names, and git's own."""


def project_files() -> Iterator[Path]:
    """Every file that belongs to the project."""
    folders = [ROOT]
    while folders:
        for path in sorted(folders.pop().iterdir()):
            if path.is_dir():
                folders += [path] if path.name not in NOT_OURS else []
            elif path.is_file():
                yield path


def python_files(*folders: str) -> list[Path]:
    """The Python files of top-level folders; the code packages where none is named."""
    return [path for folder in folders or CODE for path in sorted((ROOT / folder).rglob("*.py"))]


@cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text("utf-8"), str(path))


def name_of(path: Path) -> str:
    """The path within the project."""
    return path.relative_to(ROOT).as_posix()


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node
