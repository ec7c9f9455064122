"""Invented identifiers are well-formed by their standards, and the truth's own checks agree."""

from __future__ import annotations

from datetime import date
from random import Random

import pytest

from zeren.generator import identifiers as makers
from zeren.generator.truth import identifiers as checks


@pytest.mark.parametrize("number", ["11010519491231002X", "440524188001010014"])
def test_known_id_numbers_are_valid(number: str) -> None:
    """Published examples of GB 11643-1999."""
    assert number[17] == makers.id_check(number[:17])
    assert checks.is_national_id(number)


@pytest.mark.parametrize(
    "number",
    [
        "110105194912310021",
        "11010519490231002X",
        "110105194912310",
        "01010519491231002X",
        "1101051949123100２X",
    ],
)
def test_wrong_id_numbers_are_not_valid(number: str) -> None:
    """Check digit, date, length, first digit, digits of another script."""
    assert not checks.is_national_id(number)


@pytest.mark.parametrize("code", ["91350100M000100Y43", "11320000MB151840XJ", "91110000600037341L"])
def test_known_usccs_are_valid(code: str) -> None:
    """The standard's own example (GB 32100-2015) and two of public bodies."""
    assert code[17] == makers.uscc_check(code[:17])
    assert checks.is_uscc(code)
    assert not checks.is_uscc(code[:17] + ("0" if code[17] != "0" else "1"))


def test_known_organisation_codes() -> None:
    """The nine characters inside the codes above (GB 11714-1997)."""
    assert makers.organisation_check("M000100Y") == "4"
    assert makers.organisation_check("60003734") == "1"
    assert makers.organisation_check("MB151840") == "X"


def test_made_identifiers_pass_the_independent_checks() -> None:
    """A thousand of each."""
    rng = Random(3)  # noqa: S311 - numbers for a test
    for number in range(1000):
        born = date(1964 + number % 45, 1 + number % 12, 1 + number % 28)
        made = makers.national_id(rng, born)
        assert checks.is_national_id(made)
        assert checks.birth_date(made) == born
        assert not checks.is_national_id(makers.forged(made))
        code = makers.uscc(rng, "52", "350128")
        assert checks.is_uscc(code)
        assert code[8:10] == "MA"
        assert not checks.looks_personal(code)


def test_made_accounts_have_a_right_luhn_digit() -> None:
    """19 digits; the known number 7992739871 takes 3."""
    assert makers._luhn("7992739871") == "3"
    rng = Random(4)  # noqa: S311 - numbers for a test
    assert {len(makers.account(rng)) for _ in range(50)} == {19}


@pytest.mark.parametrize(
    ("text", "personal"),
    [
        ("13800138000", True),
        ("a-13800138000-b", True),
        ("11010519491231002X", True),
        ("11010519491231002x", True),
        ("no.11010519491231002X.", True),
        ("12800138000", False),
        ("138001380001", False),
        ("110105194912310021", False),
        ("FJ24-5-000123", False),
    ],
)
def test_what_looks_personal(text: str, *, personal: bool) -> None:
    """A phone number or a valid ID number, not inside a longer number."""
    assert checks.looks_personal(text) is personal


def test_ages_change_on_the_birthday() -> None:
    """15 the day before, 16 on the day."""
    number = "11010520080515123" + makers.id_check("11010520080515123")
    assert checks.age_on(number, date(2024, 5, 14)) == 15
    assert checks.age_on(number, date(2024, 5, 15)) == 16
