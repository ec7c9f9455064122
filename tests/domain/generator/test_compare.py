"""The comparison names each kind of difference, and finds none where there is none."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.domain.generator.conftest import Generated
from zeren.generator.compare import compare, settle

Tree = dict[str, Any]


def played(truth: Tree, winner: int) -> Tree:
    """What a right run would show if the n-th contestant won each race: counted here by hand."""
    seen = copy.deepcopy(truth)
    rows = {(row["certificate_id"], row["by"]): row for row in seen["claims"]}
    for race in seen.pop("races"):
        for place, one in enumerate(race["contestants"]):
            row = rows[one["certificate_id"], one["by"]]
            if place == winner:
                row.update(outcome="paid", amount_fen=one["amount_fen"])
                for table in (seen["regions"][one["region"]], seen["totals"]):
                    for column, amount in (("claimed", 1), ("paid", 1), ("paid_fen", one["amount_fen"])):
                        table[column] += amount
                continue
            row.update(outcome="refused", codes=["entitlement.already_used"])
            family = "people" if one["by"] == "person" else "lines"
            seen["refusals"][family]["entitlement.already_used"] += 1
            if one["receipt"]:
                seen["receipts"][one["receipt"]]["refused_lines"] = [
                    [one["line"], "entitlement.already_used"]
                ]
    return seen


@pytest.mark.parametrize("winner", [0, 1])
def test_a_right_run_shows_no_difference_whoever_wins(run: Generated, winner: int) -> None:
    """Claims, receipts, region rows, totals and refusals all follow from the winners."""
    assert compare(run.truth, played(run.truth, winner)) == []


def test_totals_follow_from_who_won(small: Generated) -> None:
    """The person's uplift in Xiamen makes the two endings differ."""
    one, other = (settle(small.truth, played(small.truth, winner))[0]["totals"] for winner in (0, 1))
    assert one["paid"] == other["paid"]
    assert one["paid_fen"] != other["paid_fen"]


def test_comparing_changes_neither_side(small: Generated) -> None:
    """Pure."""
    truth, seen = copy.deepcopy(small.truth), played(small.truth, 0)
    kept = copy.deepcopy(seen)
    compare(truth, seen)
    assert (truth, seen) == (small.truth, kept)


def first(seen: Tree, part: str, outcome: str) -> Any:
    rows = seen[part].values() if isinstance(seen[part], dict) else seen[part]
    return next(row for row in rows if row["outcome"] == outcome)


def drop_receipt(seen: Tree) -> None:
    del seen["receipts"][min(seen["receipts"])]


def add_receipt(seen: Tree) -> None:
    seen["receipts"]["nobody/S1"] = {"outcome": "accepted", "codes": [], "refused_lines": []}


def other_code(seen: Tree) -> None:
    first(seen, "receipts", "rejected")["codes"] = ["class.unknown"]


def other_outcome(seen: Tree) -> None:
    first(seen, "receipts", "accepted")["outcome"] = "rejected"


def other_lines(seen: Tree) -> None:
    first(seen, "receipts", "accepted")["refused_lines"] = [[1, "claim.not_your_trainee"]]


def lose_quarantined(seen: Tree) -> None:
    seen["quarantined"].popitem()


def other_quarantine(seen: Tree) -> None:
    seen["quarantined"][min(seen["quarantined"])] = "submission.too_large"


def lose_claim(seen: Tree) -> None:
    seen["claims"].remove(first(seen, "claims", "paid"))


def double_claim(seen: Tree) -> None:
    seen["claims"].append(dict(first(seen, "claims", "paid")))


def other_amount(seen: Tree) -> None:
    first(seen, "claims", "paid")["amount_fen"] += 1


def unpaid(seen: Tree) -> None:
    first(seen, "claims", "paid")["outcome"] = "approved"


def other_region(seen: Tree) -> None:
    seen["regions"]["350128"]["paid"] += 1


def lose_region(seen: Tree) -> None:
    del seen["regions"]["350128"]


def other_total(seen: Tree) -> None:
    seen["totals"]["paid_fen"] += 1


def other_count(seen: Tree) -> None:
    seen["refusals"]["receipts"]["class.full"] += 1


def new_refusal(seen: Tree) -> None:
    seen["refusals"]["people"]["claim.too_late"] = 1


PLANTED: list[tuple[Callable[[Tree], None], str]] = [
    (drop_receipt, "receipt"),
    (add_receipt, "receipt nobody/S1"),
    (other_code, "expected"),
    (other_outcome, "outcome"),
    (other_lines, "refused_lines"),
    (lose_quarantined, "quarantine"),
    (other_quarantine, "submission.too_large"),
    (lose_claim, "claim"),
    (double_claim, "again"),
    (other_amount, "amount_fen"),
    (unpaid, "approved"),
    (other_region, "region 350128 paid"),
    (lose_region, "region 350128"),
    (other_total, "totals paid_fen"),
    (other_count, "refusals receipts class.full"),
    (new_refusal, "refusals people claim.too_late"),
]


@pytest.mark.parametrize(("plant", "words"), PLANTED, ids=[plant.__name__ for plant, _ in PLANTED])
def test_a_planted_difference_is_named(small: Generated, plant: Callable[[Tree], None], words: str) -> None:
    """In Chinese and English, with what was expected and what was seen."""
    seen = played(small.truth, 0)
    plant(seen)
    differences = compare(small.truth, seen)
    assert differences
    assert all(
        "应" in line and "实" in line and "expected" in line and "observed" in line for line in differences
    )
    assert any(words in line for line in differences)


@pytest.mark.parametrize(("outcome", "count"), [("paid", 2), ("refused", 0)])
def test_a_race_without_exactly_one_winner_is_named(small: Generated, outcome: str, count: int) -> None:
    """Both paid, or neither: the invariant itself is broken."""
    seen = played(small.truth, 0)
    race = small.truth["races"][0]
    names = {(one["certificate_id"], one["by"]) for one in race["contestants"]}
    for row in seen["claims"]:
        if (row["certificate_id"], row["by"]) in names:
            row["outcome"] = outcome
    differences = compare(small.truth, seen)
    assert any(line.startswith("竞争 race") and f"observed {count}" in line for line in differences)
