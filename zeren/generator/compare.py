"""The comparison of what a run brought with the truth, in words. Pure.

`observed` has the shape of truth.json, with what really happened: every claim "paid", "refused" or whatever it
came to, region rows and refusals with the winners of races in them. Its "races" are not looked at.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

USED = "entitlement.already_used"
Tree = dict[str, Any]
_ABSENT = "无 none"


def compare(truth: Tree, observed: Tree) -> list[str]:
    """Every difference, naming the thing, what the truth says, and what was seen. Empty where both agree."""
    settled, differences = settle(truth, observed)
    differences += _differences("回执 receipt", settled["receipts"], observed["receipts"])
    differences += _differences("隔离 quarantine", settled["quarantined"], observed["quarantined"])
    differences += _differences("申领 claim", _judged(settled["claims"]), _judged(observed["claims"]))
    for region in sorted({*settled["regions"], *observed["regions"]}):
        rows = (side["regions"].get(region, {}) for side in (settled, observed))
        differences += _differences(f"区域 region {region}", *rows)
    differences += _differences("合计 totals", settled["totals"], observed["totals"])
    for family in sorted({*settled["refusals"], *observed["refusals"]}):
        tables = (side["refusals"].get(family, {}) for side in (settled, observed))
        differences += _differences(f"拒绝 refusals {family}", *tables)
    return differences


def settle(truth: Tree, observed: Tree) -> tuple[Tree, list[str]]:
    """The truth once the winners of races are known, and a difference for each race without exactly one.

    A winner is paid and counted in its region; a loser is refused by the no-repeat rule, in its list's receipt or in
    the answer to the person.
    """
    settled = copy.deepcopy(truth)
    outcomes = {name: row["outcome"] for name, row in _judged(observed["claims"]).items()}
    rows = {_claim_name(row): row for row in settled["claims"]}
    differences = []
    for race in truth["races"]:
        winners = [one for one in race["contestants"] if outcomes.get(_claim_name(one)) == "paid"]
        if len(winners) != race["winners"]:
            names = " | ".join(_claim_name(one) for one in race["contestants"])
            differences.append(
                f"竞争 race {names}: 应有 {race['winners']} 个获付，实有 {len(winners)} 个"
                f" / expected {race['winners']} paid, observed {len(winners)}"
            )
        for contestant in race["contestants"]:
            row = rows[_claim_name(contestant)]
            if contestant in winners:
                _win(settled, row, contestant)
            else:
                _lose(settled, row, contestant)
    return settled, differences


def _win(settled: Tree, row: Tree, contestant: Tree) -> None:
    row["outcome"], row["amount_fen"] = "paid", contestant["amount_fen"]
    for counts in (settled["regions"][contestant["region"]], settled["totals"]):
        counts["claimed"] += 1
        counts["paid"] += 1
        counts["paid_fen"] += contestant["amount_fen"]


def _lose(settled: Tree, row: Tree, contestant: Tree) -> None:
    row["outcome"], row["codes"] = "refused", [USED]
    family = "people"
    if contestant["receipt"] is not None:
        family = "lines"
        lines = settled["receipts"][contestant["receipt"]]["refused_lines"]
        lines.append([contestant["line"], USED])
        lines.sort()
    table = settled["refusals"][family]
    table[USED] = table.get(USED, 0) + 1


def _claim_name(claim: Tree) -> str:
    return f"{claim['certificate_id']} by {claim['by']}"


def _judged(claims: list[Tree]) -> Tree:
    """What is compared of each claim; one that stands twice shows under a name of its own."""
    judged: Tree = {}
    for claim in claims:
        name = _claim_name(claim)
        while name in judged:
            name += " (再次 again)"
        judged[name] = {part: claim[part] for part in ("outcome", "amount_fen", "codes")}
    return judged


def _differences(kind: str, expected: Tree, observed: Tree) -> Iterator[str]:
    for name in sorted({*expected, *observed}):
        should, seen = expected.get(name, _ABSENT), observed.get(name, _ABSENT)
        if isinstance(should, dict) and isinstance(seen, dict):
            parts = [part for part in sorted({*should, *seen}) if should.get(part) != seen.get(part)]
            for part in parts:
                yield _sentence(f"{kind} {name} {part}", should.get(part, _ABSENT), seen.get(part, _ABSENT))
        elif should != seen:
            yield _sentence(f"{kind} {name}", should, seen)


def _sentence(thing: str, expected: Any, observed: Any) -> str:
    return f"{thing}: 应为 {expected}，实为 {observed} / expected {expected}, observed {observed}"
