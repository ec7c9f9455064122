"""Every case of real life occurs in every run, and the truth sees each one as often as it was put there."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.domain.generator.conftest import Generated

AS_OFTEN = [
    ("receipts", "class.too_many_trainees", ["class_too_large"]),
    ("receipts", "submission.sender_not_entitled", ["sender_not_entitled"]),
    ("receipts", "submission.id_reused", ["same_id_other_bytes"]),
    ("receipts", "trainee.id_number_invalid", ["forged_check_digit"]),
    ("receipts", "reference.looks_personal", ["reference_looks_personal"]),
    ("receipts", "trainee.age_outside_policy", ["minor", "over_60"]),
    ("receipts", "class.full", ["class_full"]),
    ("receipts", "enrolment.already_in_class", ["enrolled_twice"]),
    ("receipts", "enrolment.reference_used", ["enrolment_reference_used"]),
    ("receipts", "sheet.session_outside_plan", ["sheet_outside_plan"]),
    ("receipts", "sheet.session_in_future", ["sheet_for_future_session"]),
    ("receipts", "sheet.already_recorded", ["second_sheet_of_session"]),
    (
        "receipts",
        "parking.deadline_passed",
        [
            "class_never_applied_for",
            "class_never_completed",
            "sheet_names_unknown_enrolment",
            "candidate_of_unfinished_class",
        ],
    ),
    ("receipts", "candidate.training_not_completed", ["candidate_without_training"]),
    ("receipts", "body.is_training_institution", ["assessor_is_trainer"]),
    ("receipts", "body.scope_not_covered", ["out_of_scope"]),
    ("receipts", "candidate.person_differs", ["candidate_is_someone_else"]),
    ("receipts", "candidate.occupation_differs", ["candidate_for_other_occupation"]),
    ("lines", "sheet.minutes_over_session", ["minutes_over_session"]),
    ("lines", "certificate.number_used", ["certificate_number_used_twice"]),
    ("lines", "claim.not_your_trainee", ["list_with_other_schools_trainee"]),
    ("quarantine", "signature.invalid", ["flipped_byte", "signature_over_other_bytes"]),
    ("quarantine", "signature.key_unknown", ["unknown_key"]),
    ("quarantine", "signature.key_of_other_institution", ["key_of_other_institution"]),
    ("quarantine", "signature.missing", ["signature_missing"]),
    ("quarantine", "signature.malformed", ["signature_malformed"]),
    ("quarantine", "signature.algorithm_not_allowed", ["algorithm_not_allowed"]),
    ("quarantine", "submission.unreadable", ["malformed_json", "not_utf8"]),
    (
        "handlers",
        "review.evidence_insufficient",
        ["handler_refuses_acceptance", "handler_refuses_first_review"],
    ),
]


@pytest.mark.parametrize(("family", "code", "cases"), AS_OFTEN, ids=[row[1] for row in AS_OFTEN])
def test_a_refusal_is_found_as_often_as_it_was_put_there(
    run: Generated, family: str, code: str, cases: list[str]
) -> None:
    """The story counts what it sends, the truth what it finds; neither knows the other."""
    sent = [run.cases[case] for case in cases]
    assert min(sent) >= 1
    assert run.truth["refusals"][family][code] == sum(sent)


def test_no_refusal_is_left_unexplained(run: Generated) -> None:
    """Every code of the truth is one of the cases."""
    known = {(family, code) for family, code, _ in AS_OFTEN}
    known |= {("quarantine", "submission.empty")}
    known |= {("lines", "entitlement.already_used"), ("people", "entitlement.already_used")}
    told = {(family, code) for family, table in run.truth["refusals"].items() for code in table}
    assert told == known


def test_every_empty_body_is_quarantined(run: Generated) -> None:
    """They differ in their signatures, so each is a quarantined record of its own."""
    assert run.truth["refusals"]["quarantine"]["submission.empty"] == run.cases["empty_body"] >= 1


def test_second_claims_are_refused_on_both_ways(run: Generated) -> None:
    """Same occupation and level, other institution and region, once paid: refused in the list and over HTTP."""
    lines = run.truth["refusals"]["lines"]["entitlement.already_used"]
    people = run.truth["refusals"]["people"]["entitlement.already_used"]
    assert min(lines, people) >= 1
    assert lines + people == run.cases["second_claim"]


def test_rivals_are_named_as_groups(run: Generated) -> None:
    """Institutions in two regions with two certificates, and persons against their school over one."""
    kinds = Counter(
        "person" if "person" in {one["by"] for one in race["contestants"]} else "institutions"
        for race in run.truth["races"]
    )
    assert kinds["institutions"] == run.cases["race_of_institutions"] >= 2
    assert kinds["person"] == run.cases["race_of_person_and_institution"] >= 1
    for race in run.truth["races"]:
        assert race["winners"] == 1
        one, other = race["contestants"]
        assert one["by"] != other["by"]
        same = one["certificate_id"] == other["certificate_id"]
        assert same == ("person" in (one["by"], other["by"]))
        assert same or one["region"] != other["region"]


def test_a_race_can_change_what_is_paid(run: Generated) -> None:
    """In Xiamen the person is paid with the uplift and the school without: totals follow from who wins."""
    amounts = [{one["amount_fen"] for one in race["contestants"]} for race in run.truth["races"]]
    assert {70000, 84000} in amounts


def test_xiamens_uplift_begins_with_the_certificate_date(run: Generated) -> None:
    """Persons with an urgent occupation: 700.00 up to 2024-05-31, 840.00 from 2024-06-01."""
    amounts = Counter(claim["amount_fen"] for claim in run.truth["claims"] if claim["by"] == "person")
    assert run.cases["urgent_before_uplift"] >= 1
    assert amounts[84000] >= run.cases["urgent_after_uplift"] >= 1
    assert amounts[70000] >= run.cases["urgent_before_uplift"]


def test_a_quarter_of_the_claims_come_from_persons(run: Generated) -> None:
    """Over HTTP, and most of the rest on lists."""
    persons = sum(claim["by"] == "person" for claim in run.truth["claims"])
    assert 4 * persons >= len(run.truth["claims"])
    assert persons < len(run.truth["claims"])


@pytest.mark.parametrize(
    "case",
    [
        "resent_at_once",
        "resent_days_later",
        "resent_while_waiting",
        "attendance_before_enrolment",
        "enrolment_before_approval",
        "attendance_exactly_at_minimum",
        "too_little_attendance",
        "failed_assessment",
        "empty_sheet",
        "claim_by_person",
    ],
)
def test_cases_without_a_refusal_occur(run: Generated, case: str) -> None:
    """Once in the smallest run, several times from 100 trainees on."""
    assert run.cases[case] >= (1 if run.trainees < 100 else 2)


def test_each_person_claims_a_certificate_once(run: Generated) -> None:
    """So that a claim is known by certificate and claimant, whatever its random ids."""
    named = Counter((claim["certificate_id"], claim["by"]) for claim in run.truth["claims"])
    assert set(named.values()) == {1}


def test_all_that_was_meant_to_succeed_does(run: Generated) -> None:
    """Nothing is left open: every claim is paid, of a race, or refused for one of the cases."""
    outcomes = Counter(claim["outcome"] for claim in run.truth["claims"])
    cases = run.cases
    assert outcomes["refused"] == (
        cases["second_claim"] + cases["handler_refuses_acceptance"] + cases["handler_refuses_first_review"]
    )
    assert outcomes["race"] == 2 * (cases["race_of_institutions"] + cases["race_of_person_and_institution"])
    assert set(outcomes) == {"paid", "refused", "race"}
    assert outcomes["paid"] >= run.trainees // 2
    totals = run.truth["totals"]
    doubles = cases["race_of_institutions"] + cases["second_claim"]
    assert totals["enrolled"] == run.trainees + doubles
    # one class never closes, with one trainee more than candidates are sent in vain
    unfinished = cases["candidate_of_unfinished_class"] + 1
    assert totals["completed"] == totals["enrolled"] - unfinished - cases["too_little_attendance"]
    assert totals["certified"] == totals["completed"] - cases["failed_assessment"]
