"""Makers of invented but well-formed identifiers: ID numbers, USCCs, phones, bank accounts.

None can belong to anyone: the address codes, phone segment and bank prefix used here are not assigned.
"""

from __future__ import annotations

from datetime import date
from random import Random

_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ID_CHECK = "10X98765432"
_USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_ORGANISATION_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ORGANISATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
_ORIGINS = ("359901", "369901", "349901", "529901", "519901", "429901")
"""Address codes of six provinces' prefecture 99, which does not exist (GB/T 2260)."""


def id_check(first17: str) -> str:
    """The check character of an ID number (GB 11643-1999)."""
    return _ID_CHECK[sum(w * int(d) for w, d in zip(_ID_WEIGHTS, first17, strict=True)) % 11]


def national_id(rng: Random, born: date) -> str:
    """A resident's ID number for a birth date."""
    first17 = f"{rng.choice(_ORIGINS)}{born:%Y%m%d}{rng.randrange(1, 1000):03d}"
    return first17 + id_check(first17)


def forged(number: str) -> str:
    """The same ID number with a check digit that does not fit."""
    return number[:17] + ("0" if number[17] != "0" else "1")


def organisation_check(first8: str) -> str:
    """The check character of an organisation code (GB 11714-1997)."""
    total = sum(
        weight * _ORGANISATION_ALPHABET.index(character)
        for weight, character in zip(_ORGANISATION_WEIGHTS, first8, strict=True)
    )
    return "0123456789X0"[11 - total % 11]


def uscc_check(first17: str) -> str:
    """The check character of a unified social credit code (GB 32100-2015)."""
    total = sum(_USCC_ALPHABET.index(character) * pow(3, i, 31) for i, character in enumerate(first17))
    return _USCC_ALPHABET[(31 - total % 31) % 31]


def uscc(rng: Random, kind: str, region: str) -> str:
    """A unified social credit code; "MA" in it keeps it from looking like an ID number.

    `kind` is the registering department and category: "52" (民办非企业) or "91" (企业).
    """
    body = "MA" + "".join(rng.choice("ABCDEFGHJKLMNPQRTUWXY0123456789") for _ in range(6))
    first17 = kind + region + body + organisation_check(body)
    return first17 + uscc_check(first17)


def phone(rng: Random) -> str:
    """A mobile number in a segment that no person's telephone has."""
    return f"1400{rng.randrange(10**7):07d}"


def account(rng: Random) -> str:
    """A bank account number of 19 digits with a Luhn check digit, under a prefix that no bank issues."""
    first18 = f"620000{rng.randrange(10**12):012d}"
    return first18 + _luhn(first18)


def _luhn(digits: str) -> str:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (2 if place % 2 == 0 else 1)
        total += doubled // 10 + doubled % 10
    return str(-total % 10)
