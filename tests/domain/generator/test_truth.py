"""The truth agrees with itself, and follows the input: change a record and it changes as the rules say."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
from collections import Counter
from dataclasses import replace
from datetime import date

import pytest

from tests.domain.generator.conftest import Generated
from zeren.generator.policy_files import PolicyFiles
from zeren.generator.truth.inputs import Inputs, Sent
from zeren.generator.truth.standards import Standards
from zeren.generator.truth.working_days import WorkingDays
from zeren.generator.truth.working_out import work_out


@pytest.fixture(scope="module")
def policy() -> PolicyFiles:
    """The shipped packages."""
    return PolicyFiles()


def kind(record: Sent) -> str:
    try:
        return str(json.loads(record.value)["type"]).split(".")[2]
    except ValueError:
        return ""


def without(inputs: Inputs, name: str) -> Inputs:
    """The input without the submission of this receipt."""
    uscc, _, submission = name.partition("/")
    parts = (f'"id":"{submission}"'.encode(), uscc.encode())
    kept = [record for record in inputs.records if not all(part in record.value for part in parts)]
    assert len(kept) < len(inputs.records)
    return replace(inputs, records=kept)


def test_region_rows_sum_to_the_totals(run: Generated) -> None:
    """Column by column; the targets are the notice's 50,000 person-times (闽人社办〔2024〕40号 附件)."""
    totals = run.truth["totals"]
    for column, total in totals.items():
        assert sum(row[column] for row in run.truth["regions"].values()) == total
    assert totals["target"] == 50000
    assert run.truth["regions"]["350128"]["target"] == 500
    assert (
        totals["enrolled"]
        >= totals["completed"]
        >= totals["certified"]
        >= totals["claimed"]
        >= totals["paid"]
    )


def test_every_region_takes_part(run: Generated) -> None:
    """No row of the table stays empty; the smallest run has regions without a paid claim."""
    column = "paid" if run.trainees >= 100 else "certified"
    assert all(row[column] > 0 for row in run.truth["regions"].values())


def test_paid_claims_sum_to_the_money(run: Generated) -> None:
    """Count and amount of the claims are the totals'."""
    paid = [claim["amount_fen"] for claim in run.truth["claims"] if claim["outcome"] == "paid"]
    assert (len(paid), sum(paid)) == (run.truth["totals"]["paid"], run.truth["totals"]["paid_fen"])
    assert all(claim["amount_fen"] == 0 for claim in run.truth["claims"] if claim["outcome"] != "paid")


def test_every_attributable_record_has_one_answer(run: Generated) -> None:
    """A receipt for each id, one more for each other body under it, none for the same bytes again."""
    bodies: dict[str, list[bytes]] = {}
    for row in run.rows("records.jsonl"):
        value = base64.b64decode(row["value_base64"])
        record = Sent(
            date.fromisoformat(row["day"]), row["phase"], row["service"], row["headers"].get("jws"), value
        )
        if not _quarantined(run, record):
            content = json.loads(value)
            seen = bodies.setdefault(f"{content['source'][9:]}/{content['id']}", [])
            if value not in seen:
                seen.append(value)
    expected = set()
    for name, seen in bodies.items():
        expected |= {name, *(f"{name}#{number}" for number in range(2, len(seen) + 1))}
    assert set(run.truth["receipts"]) == expected


def _quarantined(run: Generated, record: Sent) -> bool:
    proof = record.value + b"\0" + (record.jws or "").encode()
    return hashlib.sha256(proof).hexdigest() in run.truth["quarantined"]


def test_the_truth_follows_from_the_files_alone(run: Generated, policy: PolicyFiles) -> None:
    """Worked out again from the folder it is the same."""
    assert json.loads(json.dumps(work_out(run.inputs, policy))) == run.truth


def test_without_the_late_enrolment_the_sheet_and_the_class_fall(
    small: Generated, policy: PolicyFiles
) -> None:
    """What was accepted only because the enrolment came is rejected when it does not."""
    enrolled_behind_sheet = next(
        record
        for record in small.inputs.records
        if kind(record) == "EnrolTrainee" and record.day == date(2024, 5, 15)
    )
    content = json.loads(enrolled_behind_sheet.value)
    changed = work_out(without(small.inputs, f"{content['source'][9:]}/{content['id']}"), policy)
    late = Counter(row["codes"][0] for row in changed["receipts"].values() if row["codes"])
    before = Counter(row["codes"][0] for row in small.truth["receipts"].values() if row["codes"])
    assert late["parking.deadline_passed"] > before["parking.deadline_passed"]
    assert changed["totals"]["completed"] < small.truth["totals"]["completed"] - 1


def test_without_the_first_claim_the_second_is_free(small: Generated, policy: PolicyFiles) -> None:
    """The no-repeat rule refuses for a claim that exists, not for a name on a list."""
    refused = [claim for claim in small.truth["claims"] if claim["codes"] == ["entitlement.already_used"]]
    assert len(refused) == 2
    last = max(small.inputs.days)
    people = [claim for claim in small.inputs.people if claim.day == last]
    records = [r for r in small.inputs.records if r.day == last or r.service != "payment"]
    changed = work_out(replace(small.inputs, records=records, people=people), policy)
    assert changed["totals"]["claimed"] >= 2
    assert not any(claim["codes"] for claim in changed["claims"])


def test_a_refused_claim_frees_the_entitlement(small: Generated, policy: PolicyFiles) -> None:
    """Where the handler refuses the first claim, the repeat on the last day stands."""
    repeat = next(claim for claim in small.truth["claims"] if claim["codes"] == ["entitlement.already_used"])
    paid = {claim["certificate_id"] for claim in small.truth["claims"] if claim["outcome"] == "paid"}
    decisions = dict.fromkeys(paid, ("ACCEPT", "review.evidence_insufficient"))
    changed = work_out(replace(small.inputs, decisions=decisions), policy)
    found = next(claim for claim in changed["claims"] if claim["certificate_id"] == repeat["certificate_id"])
    assert found["codes"] == []
    assert changed["totals"]["paid"] < small.truth["totals"]["paid"]


def test_a_changed_byte_changes_the_truth(small: Generated, policy: PolicyFiles) -> None:
    """A damaged certificate list is quarantined and nobody on it is paid."""
    records = [
        replace(record, value=record.value + b" ") if kind(record) == "ApproveResults" else record
        for record in small.inputs.records
    ]
    changed = work_out(replace(small.inputs, records=records), policy)
    assert changed["totals"]["certified"] == 0
    assert changed["totals"]["paid_fen"] == 0
    assert changed["totals"]["completed"] == small.truth["totals"]["completed"]


@pytest.mark.parametrize(
    ("claim", "issued_on", "fen"),
    [
        (("350200", "PERSON", "electrician", "5"), date(2024, 5, 31), 70000),
        (("350200", "PERSON", "electrician", "5"), date(2024, 6, 1), 84000),
        (("350200", "PERSON", "welder", "5"), date(2024, 6, 1), 70000),
        (("350200", "INSTITUTION", "electrician", "5"), date(2024, 6, 1), 70000),
        (("350100", "PERSON", "electrician", "5"), date(2024, 6, 1), 70000),
        (("350128", "PERSON", "electrician", "3"), date(2024, 6, 1), 150000),
        (("350200", "PERSON", "elder-carer", "3"), date(2024, 6, 1), 180000),
        (("350200", "PERSON", "electrician", "4"), date(2026, 1, 1), 100000),
    ],
)
def test_amounts_by_hand(
    policy: PolicyFiles, claim: tuple[str, str, str, str], issued_on: date, fen: int
) -> None:
    """domain.md 2.6: Xiamen's own standard for persons, +20 % for urgent ones; DEMO standards elsewhere."""
    region, payee, occupation, level = claim
    amount = Standards(policy).amount_fen(
        region=region,
        payee=payee,
        occupation=occupation,
        level=level,
        certificate_kind="SKILL_LEVEL",
        issued_on=issued_on,
    )
    assert amount == fen


def test_special_ability_has_its_own_amount(policy: PolicyFiles) -> None:
    """专项能力: level X, ¥500."""
    amount = Standards(policy).amount_fen(
        region="350300",
        payee="INSTITUTION",
        occupation="tea-specialist",
        level="X",
        certificate_kind="SPECIAL_ABILITY",
        issued_on=date(2024, 6, 1),
    )
    assert amount == 50000


@pytest.mark.parametrize(
    ("day", "count", "then"),
    [
        (date(2024, 5, 14), 3, date(2024, 5, 17)),
        (date(2024, 5, 15), 3, date(2024, 5, 20)),
        (date(2024, 6, 6), 1, date(2024, 6, 7)),
        (date(2024, 6, 7), 1, date(2024, 6, 11)),
        (date(2024, 5, 10), 1, date(2024, 5, 11)),
    ],
)
def test_working_days_by_hand(policy: PolicyFiles, day: date, count: int, then: date) -> None:
    """Weekends, the holiday of 2024-06-10, and the Saturday worked on 2024-05-11 (国办发明电〔2023〕7号)."""
    assert WorkingDays(policy).after(day, count) == then


def test_working_out_changes_no_input(small: Generated, policy: PolicyFiles) -> None:
    """The input can be used again."""
    before = copy.deepcopy(small.inputs)
    work_out(small.inputs, policy)
    assert small.inputs == before
