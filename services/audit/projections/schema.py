"""The tables of audit's read models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ARRAY, MetaData, Text, func, literal

metadata = MetaData()


def any_of(values: Sequence[str]) -> Any:
    """What a column may equal: one array parameter, however many values there are."""
    return func.any(literal(list(values), ARRAY(Text)))
