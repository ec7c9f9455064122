"""The truth of a run, told as truth.json.

- receipts: by "<USCC>/<submission id>", and "…#2" for another body under a used id: outcome, sorted codes,
  refused lines as [line, code]. Lines of rivals (see races) are left out: who loses is seen in the run.
- quarantined: code by SHA-256 of value + NUL + jws header (nothing where there is none).
- claims: every claim that came to exist (a `SubsidyClaimed` fact), known by certificate and claimant. A line
  refused for another reason than the no-repeat rule or a handler's never becomes a claim. `amount_fen` is what
  was paid.
- races: contestants with what each would be paid; exactly one wins and is paid.
- regions, totals: person-times and fen. `claimed` counts claims that held the entitlement when filed, those
  refused by a handler later included. What races add is left out until the winners are known.
- refusals, one table a family, code to count: receipts (rejected ones, each code once a receipt), lines (refused
  lines of accepted ones), quarantine (quarantined records), people (HTTP refusals), handlers (claims that
  handlers refused). What the losers of races add is left out as well.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from zeren.generator import ids
from zeren.generator.policy_files import PolicyFiles
from zeren.generator.truth.claims import PERSON, USED, Claim
from zeren.generator.truth.inputs import Inputs
from zeren.generator.truth.run import Run

COUNTS = ("enrolled", "completed", "certified", "claimed", "paid", "paid_fen")
FAMILIES = ("receipts", "lines", "quarantine", "people", "handlers")


def work_out(inputs: Inputs, policy: PolicyFiles) -> dict[str, Any]:
    """The truth about a run, ready for JSON."""
    run = Run(inputs, policy)
    run.play()
    receipts = _receipts(run)
    targets = policy.target_regions(min(inputs.days).year)
    regions = {region: {"target": target, **dict.fromkeys(COUNTS, 0)} for region, target in targets.items()}
    for region, name, amount in _counted(run):
        regions[region][name] += amount
    return {
        "receipts": receipts,
        "quarantined": dict(sorted(run.quarantined.items())),
        "claims": [_claim_row(claim) for claim in run.claims.claims],
        "races": [_race_row(claims) for claims in run.claims.races],
        "regions": regions,
        "totals": {name: sum(row[name] for row in regions.values()) for name in ("target", *COUNTS)},
        "refusals": _refusals(run, receipts),
    }


def _receipts(run: Run) -> dict[str, dict[str, Any]]:
    """The receipts, each with the lines that the no-repeat rule refused as well."""
    receipts = {}
    for name, row in sorted(run.receipts.items()):
        lines = [*row["refused_lines"], *run.claims.refused_lines.get(name, [])]
        receipts[name] = {**row, "refused_lines": sorted([line, code] for line, code in lines)}
    return receipts


def _counted(run: Run) -> Iterator[tuple[str, str, int]]:
    """Region, column, and what is added there."""
    for enrolled in run.training.enrolled.values():
        yield enrolled.training.region, "enrolled", 1
        yield enrolled.training.region, "completed", int(enrolled.completed is True)
    for certificate in run.certification.certificates.values():
        yield certificate.enrolled.training.region, "certified", 1
    for claim in run.claims.claims:
        yield claim.region, "claimed", int(_held_the_entitlement(claim))
        if claim.outcome == "paid":
            yield claim.region, "paid", 1
            yield claim.region, "paid_fen", claim.computed_fen


def _refusals(run: Run, receipts: dict[str, dict[str, Any]]) -> dict[str, dict[str, int]]:
    tables: dict[str, Counter[str]] = defaultdict(Counter)
    for row in receipts.values():
        tables["receipts"].update(row["codes"])
        tables["lines"].update(code for _, code in row["refused_lines"])
    tables["quarantine"].update(run.quarantined.values())
    tables["people"].update(run.people_refused)
    for claim in run.claims.claims:
        if claim.outcome == "refused" and _held_the_entitlement(claim):
            tables["handlers"].update(claim.codes)
        elif claim.outcome == "refused" and claim.by == PERSON:
            tables["people"].update(claim.codes)
    return {family: dict(sorted(tables[family].items())) for family in FAMILIES}


def _held_the_entitlement(claim: Claim) -> bool:
    """Whether the claim was live once: not of a race, and not refused by the no-repeat rule."""
    return claim.outcome != "race" and USED not in claim.codes


def _claim_row(claim: Claim) -> dict[str, Any]:
    by_list = claim.by != PERSON
    application = ids.application_id(claim.by, claim.application_ref)
    return {
        "certificate_id": claim.certificate_id,
        "by": claim.by,
        "claim_id": ids.claim_id(application, claim.line) if by_list else None,
        "application_ref": claim.application_ref,
        "line": claim.line,
        "outcome": claim.outcome,
        "amount_fen": claim.computed_fen if claim.outcome == "paid" else 0,
        "codes": claim.codes,
    }


def _race_row(claims: list[Claim]) -> dict[str, Any]:
    return {
        "certificates": [claim.certificate_id for claim in claims],
        "winners": 1,
        "contestants": [
            {
                "certificate_id": claim.certificate_id,
                "by": claim.by,
                "receipt": claim.receipt or None,
                "line": claim.line,
                "region": claim.region,
                "amount_fen": claim.computed_fen,
            }
            for claim in claims
        ],
    }
