"""Checks of identifiers that others issue, written anew from the standards."""

from __future__ import annotations

import re
from datetime import date


def is_national_id(number: str) -> bool:
    """18 characters, a real birth date, a right check digit (GB 11643-1999)."""
    if not re.fullmatch(r"[1-9][0-9]{16}[0-9X]", number):
        return False
    try:
        birth_date(number)
    except ValueError:
        return False
    total = sum(int(digit) * pow(2, 17 - place, 11) for place, digit in enumerate(number[:17]))
    check = 10 if number[17] == "X" else int(number[17])
    return (total + check) % 11 == 1


def birth_date(number: str) -> date:
    """The birth date in an ID number. Raises: ValueError where there is none."""
    return date(int(number[6:10]), int(number[10:12]), int(number[12:14]))


def age_on(number: str, day: date) -> int:
    """Whole years of a person on a day."""
    born = birth_date(number)
    had_birthday = (day.month, day.day) >= (born.month, born.day)
    return day.year - born.year - (0 if had_birthday else 1)


def looks_personal(text: str) -> bool:
    """Whether an ID number or a mobile number stands in a text, not inside a longer number."""
    for run in re.findall(r"[0-9]+[Xx]?", text):
        digits = run.rstrip("Xx")
        if len(digits) == 11 and digits[0] == "1" and digits[1] in "3456789":
            return True
        if len(run) == 18 and is_national_id(run.upper()):
            return True
    return False


def is_reference(text: str) -> bool:
    """1–64 plain characters, the first a letter or digit."""
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", text) is not None


def is_uscc(code: str) -> bool:
    """A unified social credit code with a right check character (GB 32100-2015)."""
    alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    if len(code) != 18 or not set(code) <= set(alphabet):
        return False
    total = sum(alphabet.index(character) * pow(3, place) for place, character in enumerate(code[:17]))
    return (int(total) + alphabet.index(code[17])) % 31 == 0
