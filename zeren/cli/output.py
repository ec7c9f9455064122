"""What people and programs see: tables, lines with the seconds passed, one JSON object."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import IO, Any, NoReturn

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

LOG_WIDTH = 200
"""Columns where the output is no terminal: tables in a log file must not be folded."""

json_option = click.option("--json", "as_json", is_flag=True, help="输出 JSON / print JSON")


def console() -> Console:
    """Prints to standard output, as wide as the terminal."""
    return Console(width=None if sys.stdout.isatty() else LOG_WIDTH, highlight=False, soft_wrap=False)


def print_json(answer: Any) -> None:
    """One JSON value, indented."""
    click.echo(json.dumps(answer, ensure_ascii=False, indent=2, default=str))


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A table; columns whose name begins with > are aligned to the right.

    Folded in a narrow terminal, never cut: no amount may lose its end. A heading takes a line a language. A first
    column whose name begins with ! holds an id that is to be copied: where the table would be folded, a row is a few
    lines instead.
    """
    screen, rows = console(), list(rows)
    if title:
        screen.print(title, soft_wrap=True, markup=False)
    made = table(columns, rows)
    unfolded = screen.measure(made, options=screen.options.update(width=1_000)).maximum
    if columns[0].startswith("!") and unfolded > screen.width:
        _print_lines(screen, columns, rows)
    else:
        screen.print(made)


def _print_lines(screen: Console, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """The id on a line of its own, then the cells that hold something, each behind its heading."""
    for identity, *cells in rows:
        screen.print(identity, soft_wrap=True, markup=False)
        for heading, cell in zip(columns[1:], cells, strict=True):
            if cell not in (None, ""):
                screen.print(f"    {heading.removeprefix('>')}: {cell}", soft_wrap=True, markup=False)


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    """The table of `print_table`, to be printed with others."""
    made = Table()
    for column in columns:
        heading = column.lstrip(">!").replace(" / ", "\n")
        made.add_column(heading, justify="right" if column.startswith(">") else "left", overflow="fold")
    for row in rows:
        made.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    return made


def timed_progress(*, to_stderr: bool = False) -> Callable[[str], None]:
    """Prints a line a step with the seconds since the start: the same in a terminal and in a log file."""
    started = time.monotonic()

    def show(line: str) -> None:
        click.echo(f"{time.monotonic() - started:6.1f}s  {line}", err=to_stderr)

    return show


class Failed(click.ClickException):
    """A command that ends with a message and an exit code of its own."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self._code = code

    @property
    def exit_code(self) -> int:  # type: ignore[override]
        """See `zeren.cli.entry`."""
        return self._code

    def show(self, file: IO[Any] | None = None) -> None:
        """The message alone, on standard error."""
        click.echo(self.message, file=file, err=file is None)


def fail(code: int, message: str) -> NoReturn:
    """Ends the command with a message and an exit code."""
    raise Failed(code, message)
