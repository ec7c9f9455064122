"""Submissions that name people, and the types of the fixtures, for the vault's tests."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from sqlalchemy import Engine

from shared.vault.erasure import Erased
from shared.vault.persons import PersonStep
from shared.vault.vault import Vault

VaultOf = Callable[[str], Vault]
EngineOf = Callable[[str], Engine]
Count = Callable[[str], int]
Erase = Callable[[str], Erased | None]

GROUPS = ("MIGRANT_WORKER", "REGISTERED_POOR")
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def digest_of(text_: str) -> str:
    """A digest as a submission has it."""
    return hashlib.sha256(text_.encode()).hexdigest()


def id_number(sequence: int) -> str:
    """A right ID number for each sequence number up to 999."""
    body = f"35010219900101{sequence:03d}"
    total = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, body, strict=True))
    return body + "10X98765432"[total % 11]


def step(
    submission: str, sequence: int = 1, *, name: str = "林小梅", groups: tuple[str, ...] = GROUPS
) -> PersonStep:
    """A submission that names the person of that sequence number."""
    return PersonStep(digest_of(submission), id_number(sequence), name, f"1380013{sequence:04d}", groups)
