"""An assessment body is approved for a scope and a period."""

from __future__ import annotations

from datetime import date

import pytest

from services.certification.domain.assessment_body import ApproveBody, AssessmentBody, assessment_body
from services.certification.domain.refusals import (
    BodyAlreadyApproved,
    BodyNotApproved,
    BodyPeriodReversed,
    BodyUsccInvalid,
    OccupationNotInCatalogue,
    ScopeNotCovered,
)
from shared.contracts.certification import AssessmentBodyApproved, Scope
from shared.refusal import Refusal
from shared.testing.scenario import given
from tests.domain.certification.facts import BODY, LEVEL, OCCUPATION, SCOPE, TODAY, body_approved

CATALOGUE = frozenset((OCCUPATION, "welder"))


def approve(**changes: object) -> ApproveBody:
    """The approval of the body's fact, with changes."""
    asked: dict[str, object] = {
        "uscc": BODY,
        "scope": [SCOPE],
        "valid_from": date(2024, 1, 1),
        "valid_to": date(2024, 12, 31),
        "catalogue": CATALOGUE,
    }
    return ApproveBody(**(asked | changes))  # type: ignore[arg-type]


def test_a_body_is_approved_for_a_scope_and_a_period():
    given(assessment_body).when(approve()).then(body_approved)


def test_the_same_approval_again_changes_nothing_whatever_the_order_of_its_levels():
    reordered = [Scope(occupation_id=OCCUPATION, levels=["4", "5"])]
    given(assessment_body, body_approved).when(approve(scope=reordered)).then_nothing()


@pytest.mark.parametrize(
    "changes",
    [
        {"scope": [Scope(occupation_id=OCCUPATION, levels=["5"])]},
        {"valid_to": date(2025, 6, 30)},
        {"valid_from": date(2024, 12, 31), "valid_to": date(2025, 12, 31)},
    ],
    ids=["other scope", "longer", "one day in common"],
)
def test_another_approval_on_days_that_are_approved_is_refused(changes: dict[str, object]):
    given(assessment_body, body_approved).when(approve(**changes)).then_refused(BodyAlreadyApproved)


def test_a_renewal_follows_the_period_before_it_and_both_stand():
    renewed = AssessmentBodyApproved(
        uscc=BODY,
        scope=[SCOPE],
        valid_from=date(2025, 1, 1),
        valid_to=date(2025, 12, 31),
        decision_jws=None,
    )
    renew = approve(valid_from=date(2025, 1, 1), valid_to=date(2025, 12, 31))
    given(assessment_body, body_approved).when(renew).then(renewed).when(renew).then_nothing()
    both = assessment_body.fold([body_approved, renewed])
    both.may_assess(OCCUPATION, LEVEL, date(2024, 12, 31))
    both.may_assess(OCCUPATION, LEVEL, date(2025, 1, 1))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"uscc": BODY[:-1] + "0"}, BodyUsccInvalid),
        ({"valid_to": date(2023, 12, 31)}, BodyPeriodReversed),
        ({"scope": [Scope(occupation_id="juggler", levels=["5"])]}, OccupationNotInCatalogue),
    ],
    ids=["check character", "period", "occupation"],
)
def test_a_malformed_approval_is_refused(changes: dict[str, object], why: type[Refusal]):
    given(assessment_body).when(approve(**changes)).then_refused(why)


@pytest.mark.parametrize("day", [date(2023, 12, 31), date(2025, 1, 1)], ids=["before", "after"])
def test_outside_its_period_a_body_may_not_assess(day: date):
    with pytest.raises(BodyNotApproved):
        assessment_body.fold([body_approved]).may_assess(OCCUPATION, LEVEL, day)


def test_a_body_without_approval_may_not_assess():
    with pytest.raises(BodyNotApproved):
        AssessmentBody().may_assess(OCCUPATION, LEVEL, TODAY)


@pytest.mark.parametrize(
    ("occupation", "level"), [("welder", "5"), (OCCUPATION, "3")], ids=["occupation", "level"]
)
def test_outside_its_scope_a_body_may_not_assess(occupation: str, level: str):
    with pytest.raises(ScopeNotCovered):
        assessment_body.fold([body_approved]).may_assess(occupation, level, TODAY)
