"""What came of a run, in the shape of the truth: from receipts, payment's claims, audit's table and the ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from shared.contracts.fact import decode, fact_id, header
from shared.contracts.intake import SubmissionQuarantined
from shared.identity import derive_id, receipt_id
from zeren.demo.dataset import Dataset, record_digest

Row = dict[str, Any]
USED = "entitlement.already_used"
PERSON = "person"
MAX_ANSWERS = 12
"""Receipts of one submission id: the first, and a rejection for each other body."""
OUTCOMES = {"PAID": "paid", "REFUSED": "refused"}


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """All that was looked at when the run was over.

    Attributes:
        receipts: as institutions received them.
        claims: of payment, in the order of filing.
        progress: audit's table of regions.
        people_refused: the codes with which people's claims were refused.
        entries: the ledger, verified.
    """

    receipts: list[Row]
    claims: list[Row]
    progress: Row
    people_refused: list[str]
    entries: list[bytes]


def observe(dataset: Dataset, seen: Evidence) -> Row:
    """The observation, ready to be compared with the truth."""
    receipts = _receipts(dataset, seen.receipts)
    quarantined = _quarantined(dataset, seen.entries)
    claims = [_claim(row) for row in seen.claims]
    regions = {row["region"]: row for row in seen.progress["regions"]}
    return {
        "receipts": receipts,
        "quarantined": quarantined,
        "claims": claims,
        "regions": {code: _counts(row) for code, row in regions.items()},
        "totals": _counts(seen.progress["total"]),
        "refusals": {
            **_receipt_refusals(receipts.values()),
            "quarantine": dict(Counter(quarantined.values())),
            "people": dict(Counter(seen.people_refused)),
            "handlers": dict(Counter(code for row in claims for code in row["codes"] if code != USED)),
        },
    }


def unattributed(dataset: Dataset, receipts: Iterable[Row]) -> list[str]:
    """Differences in what the truth can't know of: the bank's own submissions must all be accepted."""
    return [
        f"银行回执 bank receipt {row['submission_id']}: 应为 accepted，实为 {row['outcome']} / "
        f"expected accepted, observed {row['outcome']}"
        for row in receipts
        if row["institution"] == dataset.bank and _of_the_bank(row) and row["outcome"] != "accepted"
    ]


def _of_the_bank(row: Row) -> bool:
    """Whether the bank simulator sent it, and not the generated run in the bank's name."""
    return str(row["submission_id"]).startswith("pay-")


def _receipts(dataset: Dataset, received: Iterable[Row]) -> dict[str, Row]:
    rows = {}
    for row in {row["fact_id"]: row for row in received}.values():
        if row["institution"] == dataset.bank and _of_the_bank(row):
            continue
        reasons = row["reasons"]
        lines = [[reason["line"], reason["code"]] for reason in reasons if reason["line"]]
        rejected = row["outcome"] == "rejected"
        rows[_receipt_name(row)] = {
            "outcome": row["outcome"],
            "codes": sorted({reason["code"] for reason in reasons}) if rejected else [],
            "refused_lines": [] if rejected else sorted(lines),
        }
    return rows


def _receipt_name(row: Row) -> str:
    """`<USCC>/<submission id>`, with `#n` for the nth body under that id: the receipt's version says which."""
    stream = receipt_id(row["service"], row["institution"], row["submission_id"])
    version = next((n for n in range(1, MAX_ANSWERS) if fact_id(stream, n) == row["fact_id"]), 0)
    name = f"{row['institution']}/{row['submission_id']}"
    return name if version == 1 else f"{name}#{version}"


def _quarantined(dataset: Dataset, entries: Iterable[bytes]) -> dict[str, str]:
    """Code by digest of value and signature; the fact's stream tells which record it is about."""
    digests = {
        derive_id(record.service, "quarantine", record_digest(record)): record_digest(record)
        for record in dataset.records
    }
    found = {}
    for entry in entries:
        if b"SubmissionQuarantined" not in entry or ".SubmissionQuarantined." not in header(entry).type:
            continue
        fact = decode(entry)
        assert isinstance(fact.data, SubmissionQuarantined)
        found[digests.get(fact.subject, fact.subject)] = " ".join(one.code for one in fact.data.reasons)
    return found


def _receipt_refusals(receipts: Iterable[Row]) -> dict[str, dict[str, int]]:
    whole: Counter[str] = Counter()
    lines: Counter[str] = Counter()
    for row in receipts:
        whole.update(row["codes"])
        lines.update(code for _, code in row["refused_lines"])
    return {"receipts": dict(whole), "lines": dict(lines)}


def _claim(row: Row) -> Row:
    return {
        "certificate_id": row["certificate_id"],
        "by": PERSON if row["payee_kind"] == "PERSON" else row["claimant"],
        "claim_id": row["claim_id"],
        "outcome": OUTCOMES.get(row["stage"], row["stage"]),
        "amount_fen": row["paid_fen"],
        "codes": sorted(row["codes"]),
    }


COUNTS = ("target", "enrolled", "completed", "certified", "claimed", "paid", "paid_fen")


def _counts(row: Mapping[str, Any]) -> Row:
    return {name: row[name] for name in COUNTS}


def shown_claim(claims: Sequence[Row]) -> str:
    """The claim to show: paid, a person's where there is one, with the largest amount; "" where none was paid."""
    paid = [row for row in claims if row["stage"] == "PAID"]
    best = max(paid, key=lambda row: (row["payee_kind"] == "PERSON", row["paid_fen"]), default=None)
    return "" if best is None else str(best["claim_id"])
