"""The guides as Markdown: their fenced blocks, the commands in them, and what they say that a command shows.

sh      commands, run in order; `# exit 3` behind one says with which exit code it must end
text    what the sh block right before it shows; a line or a part of one that is … stands for anything
json, mermaid, or no name: nothing to run
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GUIDES = ("institutions", "auditors", "operators")
ENGLISH = [ROOT / "README.md", *(ROOT / "docs" / f"{name}.md" for name in GUIDES)]
CHINESE = [path.with_suffix(".zh-CN.md") for path in ENGLISH]
COMMANDS, OUTPUT = "sh", "text"
CUT = "…"

_FENCE = re.compile(r"^```(.*)$")
_HEREDOC = re.compile(r"<<'(\w+)'$")
_EXIT = re.compile(r"#.*\bexit (\d+)$")
_FRAME = re.compile(r"[\u2500-\u257f]+")
"""What tables are drawn with."""


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block; `line` is that of its fence."""

    path: Path
    line: int
    language: str
    lines: Sequence[str]

    @property
    def place(self) -> str:
        """For messages."""
        return f"{self.path.name}:{self.line}"


@dataclass(frozen=True, slots=True)
class Step:
    """An sh block, and what it must show: None where the guide does not tell."""

    block: Block
    shows: Sequence[str] | None


@dataclass(frozen=True, slots=True)
class Command:
    """One command as a shell takes it, perhaps of several lines, and its exit code."""

    text: str
    exit_code: int


def blocks(path: Path) -> list[Block]:
    """Every fenced block of a document, in order."""
    found, opened = [], None
    lines = path.read_text("utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        fence = _FENCE.match(line)
        if fence and opened is None:
            opened = number, fence[1]
        elif fence and opened is not None:
            found.append(Block(path, *opened, lines[opened[0] : number - 1]))
            opened = None
    assert opened is None, f"{path.name}: the block of line {opened} has no end"
    return found


def steps(path: Path) -> list[Step]:
    """The sh blocks of a guide, each with the text block that follows it."""
    found: list[Step] = []
    lines = path.read_text("utf-8").splitlines()
    before: Block | None = None
    for block in blocks(path):
        if block.language == COMMANDS:
            found.append(Step(block, None))
        elif block.language == OUTPUT:
            assert before is not None, block.place
            assert before.language == COMMANDS, f"{block.place}: no commands stand right before this output"
            between = lines[before.line + len(before.lines) + 1 : block.line - 1]
            assert not any(between), f"{block.place}: something stands between the commands and their output"
            found[-1] = Step(before, block.lines)
        before = block
    return found


def commands(block: Block) -> Iterator[Command]:
    """The commands of an sh block: a here-document and a line that ends with a backslash belong together."""
    lines = iter(block.lines)
    for line in lines:
        text, last = [line], line
        while last.endswith("\\"):
            last = next(lines)
            text.append(last)
        heredoc = _HEREDOC.search(line)
        while heredoc and last != heredoc[1]:
            last = next(lines)
            text.append(last)
        if line.strip() and not line.startswith("#"):
            ends = _EXIT.search(line if heredoc else last)
            yield Command("\n".join(text), int(ends[1]) if ends else 0)


def differences(shown: str, expected: Sequence[str]) -> list[str]:
    """What is told and not shown: lines in order, one right after the other unless … stands between them."""
    lines = [plain for line in shown.splitlines() if (plain := _plain(line))]
    at, anywhere = 0, False
    for told in expected:
        wanted = _plain(told)
        if wanted == CUT:
            anywhere = True
        elif wanted:
            pattern = re.compile(".*".join(map(re.escape, re.split(f" ?{CUT} ?", wanted))))
            reach = range(at, len(lines) if anywhere else min(at + 1, len(lines)))
            found = next((number for number in reach if pattern.fullmatch(lines[number])), None)
            if found is None:
                return [f"told: {told}", "shown:", *lines[at:]]
            at, anywhere = found + 1, False
    return [] if anywhere or at == len(lines) else ["shown, and not told:", *lines[at:]]


def _plain(line: str) -> str:
    """Without frames, and with one blank where there are more."""
    return " ".join(_FRAME.sub(" ", line).split())


def slugs(path: Path) -> set[str]:
    """The anchors of a document's headings, as a forge makes them."""
    titles = re.findall(r"^#+ (.+)$", path.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
