"""Money is an integer of fen (分): no float, no decimal, no currency but the yuan."""

from __future__ import annotations

from enum import StrEnum


class Rounding(StrEnum):
    """How a part of a fen is rounded. A policy entry names one; nothing rounds by default."""

    HALF_UP = "HALF_UP"
    """四舍五入: from half a fen upwards."""
    DOWN = "DOWN"
    """舍去: the part is dropped."""


def yuan(fen: int) -> str:
    """For people: 120000 is "¥1,200.00", -5 is "-¥0.05"."""
    whole, cents = divmod(abs(fen), 100)
    return f"{'-' if fen < 0 else ''}¥{whole:,}.{cents:02d}"


def permille_of(fen: int, permille: int, rounding: Rounding) -> int:
    """So many thousandths of an amount, in fen.

    Raises:
        ValueError: the amount or the rate is negative; a recovery is a fact of its own, never a minus.
    """
    if fen < 0 or permille < 0:
        raise ValueError(f"permille_of needs an amount and a rate of 0 or more, not {fen} and {permille}")
    thousandths = fen * permille
    match rounding:
        case Rounding.HALF_UP:
            return (thousandths + 500) // 1000
        case Rounding.DOWN:
            return thousandths // 1000
