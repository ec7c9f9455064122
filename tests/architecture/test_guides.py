"""What guides and READMEs name is there: commands, options, anchors, files. `tests/stories` runs what they show."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tests.architecture.test_documents import GUIDES
from tests.architecture.tree import ROOT, name_of, parsed
from tests.guides import (
    CHINESE,
    COMMANDS,
    ENGLISH,
    OUTPUT,
    Block,
    Command,
    blocks,
    commands,
    differences,
    slugs,
    steps,
)
from zeren.cli.entry import zeren

TO_TYPE = re.compile(r"(?:\$ |sudo )?(?:zeren|make|python3?|pip|curl|docker|git|kubectl) ")
LANGUAGES = {COMMANDS, OUTPUT, "json", "mermaid", ""}
CALLED = re.compile(r"`(?:\.venv/bin/)?(zeren [^`\n]+)`")
TARGET = re.compile(r"`make ([a-z]+)[^`\n]*`")
ANCHOR = re.compile(r"\]\(([^)#\s:]*)#([^)\s]+)\)")
NAMED = re.compile(r"`((?:services|shared|zeren)/[\w/]+\.py)` ((?:`\w+`(?:, )?)+)")
TWINS = list(zip(ENGLISH, CHINESE, strict=True))


@pytest.mark.parametrize("path", [*ENGLISH, *CHINESE], ids=name_of)
def test_what_is_to_be_typed_stands_in_a_block_that_is_run(path: Path) -> None:
    """A command in a block of another kind would be run by nobody; so would one in a block of an unknown kind."""
    found = blocks(path)
    assert [one.place for one in found if one.language not in LANGUAGES] == []
    others = [one for one in found if one.language != COMMANDS]
    assert [f"{one.place}: {line}" for one in others for line in one.lines if TO_TYPE.match(line)] == []
    assert [step.block.place for step in steps(path) if step.shows == []] == []


@pytest.mark.parametrize(("english", "chinese"), TWINS, ids=[name_of(path) for path, _ in TWINS])
def test_both_languages_show_the_same_commands_and_outputs(english: Path, chinese: Path) -> None:
    """Only the English ones are run. What is left for a person to fill in stands in both, too."""
    assert list(map(_shown, _checked(english))) == list(map(_shown, _checked(chinese)))
    marks = re.compile(r"^<!-- .+ -->$", re.MULTILINE)
    assert marks.findall(english.read_text("utf-8")) == marks.findall(chinese.read_text("utf-8"))


def _checked(path: Path) -> list[Block]:
    return [one for one in blocks(path) if one.language in (COMMANDS, OUTPUT)]


def _shown(block: Block) -> tuple[str, list[str]]:
    """Without what is said to the reader behind a command."""
    if block.language == OUTPUT:
        return block.language, list(block.lines)
    return block.language, [re.sub(r"\s+#(?!.*\bexit \d).*$", "", line) for line in block.lines]


@pytest.mark.parametrize("path", GUIDES, ids=name_of)
def test_commands_in_a_document_exist_with_their_options(path: Path) -> None:
    """Every `zeren …` of prose, tables and blocks; every `make …`."""
    text = path.read_text("utf-8")
    called = CALLED.findall(text) + re.findall(r"^(zeren [a-z].*)$", text, re.MULTILINE)
    assert [fault for words in called for fault in _faults(words)] == []
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert sorted(set(TARGET.findall(text)) - targets) == []


def _faults(words: str) -> Iterator[str]:
    """What of a command line does not exist: `list|show` names two commands; values are passed over."""
    command: click.Command = zeren
    for name in words.split()[1:]:
        if not isinstance(command, click.Group) or name.startswith("-"):
            break
        found = [command.get_command(click.Context(command), each) for each in name.split("|")]
        if found[0] is None or None in found:
            yield f"{words}: {name}"
            return
        command = found[0]
    known = {option for each in command.get_params(click.Context(command)) for option in each.opts}
    told = re.findall(r"(?<![\w-])--[a-z][a-z-]*", words)
    yield from (f"{words}: {option}" for option in told if option not in known)


@pytest.mark.parametrize("path", [*ENGLISH, *CHINESE], ids=name_of)
def test_anchors_lead_to_a_heading(path: Path) -> None:
    """A link into another document, or its own, names a heading that is there."""
    missing = [
        f"{target}#{anchor}"
        for target, anchor in ANCHOR.findall(path.read_text("utf-8"))
        if anchor not in slugs(path.parent / target if target else path)
    ]
    assert missing == []


def test_the_way_of_a_sheet_names_files_and_functions_that_exist() -> None:
    """docs/architecture.md: each function or class stands in the file beside it."""
    rows = NAMED.findall((ROOT / "docs" / "architecture.md").read_text("utf-8"))
    assert len(rows) > 10
    missing = [
        f"{file}: {name}"
        for file, names in rows
        for name in re.findall(r"\w+", names)
        if name not in _defined(ROOT / file)
    ]
    assert missing == []


def _defined(path: Path) -> set[str]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return {node.name for node in ast.walk(parsed(path)) if isinstance(node, kinds)}


@pytest.mark.parametrize(
    ("expected", "same"),
    [
        (["a", "b 2", "c"], True),
        (["a", "…", "c"], True),
        (["…", "c"], True),
        (["a", "b …", "…"], True),
        (["│ a │", "┏━━┓", "b     2", "c"], True),
        (["a", "c"], False),
        (["a", "b 2"], False),
        (["a", "b 3", "c"], False),
        (["…", "c", "a"], False),
        ([], False),
    ],
)
def test_an_output_that_differs_from_what_is_told_is_found(expected: list[str], *, same: bool) -> None:
    """What is told must be shown in order; what is shown and not told needs a …."""
    assert (differences("a\nb 2\n\n│ c │\n", expected) == []) is same


def test_commands_are_taken_as_a_shell_takes_them(tmp_path: Path) -> None:
    """Here-documents and continued lines are one command; an exit code is read from what stands behind it."""
    guide = tmp_path / "guide.md"
    guide.write_text("```sh\n# said\ncat > f <<'END'\n1 # exit 2\nEND\na \\\n  b    # exit 3\n```\n", "utf-8")
    (block,) = blocks(guide)
    assert list(commands(block)) == [
        Command("cat > f <<'END'\n1 # exit 2\nEND", 0),
        Command("a \\\n  b    # exit 3", 3),
    ]
