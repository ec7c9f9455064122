"""Money in fen: shown in yuan, its thousandths rounded by name."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.money import Rounding, permille_of, yuan


@pytest.mark.parametrize(
    ("fen", "shown"),
    [(0, "¥0.00"), (5, "¥0.05"), (120_000, "¥1,200.00"), (123_456_789, "¥1,234,567.89"), (-5, "-¥0.05")],
)
def test_fen_are_shown_as_yuan(fen: int, shown: str) -> None:
    """Two places, thousands parted, the sign before the yuan."""
    assert yuan(fen) == shown


@pytest.mark.parametrize(
    ("fen", "permille", "half_up", "down"),
    [(70_000, 200, 14_000, 14_000), (5, 100, 1, 0), (4, 100, 0, 0), (15, 100, 2, 1), (1, 499, 0, 0)],
)
def test_thousandths_are_rounded_by_name(fen: int, permille: int, half_up: int, down: int) -> None:
    """Half a fen goes up under HALF_UP and is dropped under DOWN."""
    assert permille_of(fen, permille, Rounding.HALF_UP) == half_up
    assert permille_of(fen, permille, Rounding.DOWN) == down


@given(fen=st.integers(0, 10**12), permille=st.integers(0, 5000))
def test_rounding_is_never_off_by_more_than_it_says(fen: int, permille: int) -> None:
    """HALF_UP lies within half a fen of the exact value, DOWN within one below."""
    exact = Fraction(fen * permille, 1000)
    assert Fraction(-1, 2) < permille_of(fen, permille, Rounding.HALF_UP) - exact <= Fraction(1, 2)
    assert -1 < permille_of(fen, permille, Rounding.DOWN) - exact <= 0


def test_negative_amounts_are_no_money() -> None:
    """Neither an amount nor a rate may be below nought."""
    with pytest.raises(ValueError, match="0 or more"):
        permille_of(-1, 200, Rounding.HALF_UP)
    with pytest.raises(ValueError, match="0 or more"):
        permille_of(1, -200, Rounding.DOWN)
