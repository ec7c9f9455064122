"""Tables in a narrow terminal: an id stays whole, and nothing is lost."""

from __future__ import annotations

import pytest
from rich.console import Console

from zeren.cli import output

CLAIM = "0b6c7e5a-54f4-5a25-8f21-6f1a5be0a001"
COLUMNS = ("!申领 / claim", "环节 / stage", ">金额 / amount", "原因 / codes")
ROWS = [(CLAIM, "PUBLICISED", "1,500.00", ""), (CLAIM, "PAID", None, "claim.no_standard_for_this_occupation")]


def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int) -> list[str]:
    monkeypatch.setattr(output, "console", lambda: Console(width=width, highlight=False))
    output.print_table("两笔 / two", COLUMNS, iter(ROWS))
    return capsys.readouterr().out.splitlines()


def test_a_table_that_would_be_folded_is_told_in_lines(monkeypatch, capsys):
    """Each id alone on its line, each cell behind its heading, empty ones left out."""
    assert printed(monkeypatch, capsys, 60) == [
        "两笔 / two",
        CLAIM,
        "    环节 / stage: PUBLICISED",
        "    金额 / amount: 1,500.00",
        CLAIM,
        "    环节 / stage: PAID",
        "    原因 / codes: claim.no_standard_for_this_occupation",
    ]


def test_a_table_that_fits_is_one(monkeypatch, capsys):
    """With the id whole on its line and its mark left out."""
    lines = printed(monkeypatch, capsys, 160)
    assert sum(CLAIM in line for line in lines) == 2
    assert not any("!" in line for line in lines)
