"""Every code by name: what `zeren codes` prints and receipts refer to."""

from __future__ import annotations

from shared.contracts.codes import audit, certification, enrolment, intake, payment
from shared.contracts.codes.code import Code

CATALOGUE: dict[str, Code] = {
    code.code: code for module in (intake, enrolment, certification, payment, audit) for code in module.CODES
}


def text(code: str) -> str:
    """Chinese and English of a code, for people; the bare code where it is not of this release."""
    found = CATALOGUE.get(code)
    return f"{found.zh} / {found.en}" if found else code
