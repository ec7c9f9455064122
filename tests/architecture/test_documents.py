"""What the documents say is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.generate import documents, stale
from shared.contracts.checking import Checked, check, preamble
from tests.architecture.tree import ROOT, name_of, project_files, python_files

MARKDOWN = [path for path in project_files() if path.suffix == ".md"]
GUIDES = [path for path in MARKDOWN if path.parent in (ROOT, ROOT / "docs", ROOT / "docs" / "adr")]
DECISIONS = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
HEADINGS = ["## Context", "## Decision", "## Considered and refused", "## Revisit when"]
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
CODE_SPAN = re.compile(r"`([A-Za-z_]\w*)`")


def test_generated_documents_are_up_to_date() -> None:
    """After a change of facts or codes: `make docs`."""
    assert documents()
    assert stale() == []


@pytest.mark.parametrize("path", MARKDOWN, ids=name_of)
def test_links_lead_somewhere(path: Path) -> None:
    """Every relative link of a document names a file that is there."""
    links = [link for link in LINK.findall(path.read_text("utf-8")) if "://" not in link]
    assert [link for link in links if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("path", DECISIONS, ids=name_of)
def test_a_decision_says_what_was_refused_and_when_to_look_again(path: Path) -> None:
    """One page: Context, Decision, Considered and refused, Revisit when."""
    lines = path.read_text("utf-8").splitlines()
    assert [line for line in lines if line.startswith("## ")] == HEADINGS
    assert lines[0].startswith(f"# {path.name[:4]}. ")


def test_decisions_are_numbered_without_a_gap() -> None:
    """0001, 0002 …: a decision is overruled by a later one, never taken out."""
    assert [int(path.name[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))
    assert DECISIONS


def test_the_glossary_names_things_that_exist() -> None:
    """Each identifier in the glossary's second column stands in the code."""
    rows = [line.split("|") for line in _glossary() if line.startswith("| ")]
    identifiers = {name for row in rows[1:] for name in CODE_SPAN.findall(row[2])}
    code = "\n".join(path.read_text("utf-8") for path in python_files())
    words = set(re.findall(r"\w+", code))
    assert len(identifiers) > len(rows) // 2
    assert sorted(identifiers - words) == []


def _glossary() -> list[str]:
    return (ROOT / "docs" / "glossary.md").read_text("utf-8").splitlines()


def test_the_examples_in_the_institutions_guide_are_valid_submissions() -> None:
    """Whoever begins by copying one is not refused for its form."""
    guide = (ROOT / "docs" / "institutions.md").read_text("utf-8")
    examples = re.findall(r"^{\"specversion\".+$", guide, re.MULTILINE)
    assert examples
    assert [
        one for one in map(str.encode, examples) if not isinstance(check(one, preamble(one)), Checked)
    ] == []


def test_every_code_span_of_a_path_exists() -> None:
    """`shared/money.py` in a guide is a file or folder of the project."""
    span = re.compile(r"`((?:services|shared|zeren|policy|deploy|tests|docs|requirements)/[\w./-]+)`")
    missing = [
        f"{name_of(path)}: {found}"
        for path in GUIDES
        for found in span.findall(path.read_text("utf-8"))
        if not (ROOT / found).exists()
    ]
    assert missing == []
