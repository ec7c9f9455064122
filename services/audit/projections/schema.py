"""The tables of audit's read models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ARRAY, BigInteger, Column, MetaData, Table, Text, func, literal

metadata = MetaData()

ledger_cursors = Table(
    "ledger_cursors",
    metadata,
    Column("projection", Text, primary_key=True),
    Column("next", BigInteger, nullable=False),
    comment="The first ledger index that a projection has not folded; moved by compare-and-set with its page.",
)


def any_of(values: Sequence[str]) -> Any:
    """What a column may equal: one array parameter, however many values there are."""
    return func.any(literal(list(values), ARRAY(Text)))
