"""Receipts (回执) as an institution reads them from its own topic."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from shared.contracts.fact import UnknownFactType, decode
from shared.contracts.intake import Reason, SubmissionAccepted, SubmissionRejected
from zeren.institution.records import reason_told


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """One answer to one submission.

    Attributes:
        fact_id: of the receipt itself, which is a fact. The same id twice is a resend.
        outcome: "accepted" (perhaps with refused lines) or "rejected".
        digest: SHA-256 of the submission's bytes, hex.
        reasons: of a rejection, or of the lines refused.
        awaited: what a parked submission waited for until its deadline, else "".
    """

    fact_id: str
    institution: str
    service: str
    submission_id: str
    submission_type: str
    outcome: str
    digest: str
    business_date: str
    reasons: tuple[Reason, ...]
    lines: int
    fact_count: int
    facts: tuple[str, ...]
    awaited: str

    def told(self) -> dict[str, Any]:
        """For `--json`."""
        row: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        return {**row, "reasons": [reason_told(one) for one in self.reasons], "facts": list(self.facts)}


def read_receipt(value: bytes) -> Receipt | None:
    """The receipt in a record's value; None for what is none, such as a later version's."""
    try:
        fact = decode(value)
    except (UnknownFactType, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    match fact.data:
        case SubmissionAccepted() as data:
            more: dict[str, Any] = {
                "outcome": "accepted",
                "reasons": tuple(data.refused_lines),
                "lines": data.lines,
                "fact_count": data.fact_count,
                "facts": tuple(data.facts),
                "awaited": "",
            }
        case SubmissionRejected() as data:
            more = {
                "outcome": "rejected",
                "reasons": tuple(data.reasons),
                "lines": 0,
                "fact_count": 0,
                "facts": (),
                "awaited": data.awaited,
            }
        case _:
            return None
    return Receipt(
        fact_id=fact.id,
        institution=data.institution,
        service=fact.source.rpartition(":")[2],
        submission_id=data.submission_id,
        submission_type=data.submission_type,
        digest=data.origin.digest,
        business_date=fact.businessdate.isoformat(),
        **more,
    )


def distinct(receipts: Iterable[Receipt]) -> list[Receipt]:
    """Each receipt once, in the order of coming: a resend is the same fact again."""
    return list({receipt.fact_id: receipt for receipt in receipts}.values())
