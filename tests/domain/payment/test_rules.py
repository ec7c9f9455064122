"""The rules of claiming, each by itself."""

from __future__ import annotations

from datetime import date

import pytest

from services.payment.domain.rules import (
    DUTY,
    KIND,
    Evidence,
    NoStandardApplies,
    NotYourCertificate,
    NotYourTrainee,
    TooLate,
    must_be_in_time,
    must_be_own,
    next_step,
    notice_closes_on,
    refusing_step,
    shares_entitlement,
    subsidy_standard,
)
from tests.book import BOOK
from tests.domain.payment import facts as f


def evidence(**other: object) -> Evidence:
    enrolled, completed, certificate = f.trained(f.LI_NA, ref="li", **other)  # type: ignore[arg-type]
    return Evidence(certificate=certificate, enrolled=enrolled, completed=completed)


@pytest.mark.parametrize(
    ("issued_on", "fen"), [(date(2024, 5, 31), 70000), (date(2024, 6, 1), 84000), (date(2024, 6, 3), 84000)]
)
def test_scenario_2_the_urgent_uplift_of_xiamen_starts_with_certificates_of_june(
    issued_on: date, fen: int
) -> None:
    standard = subsidy_standard(BOOK, evidence(issued_on=issued_on), "PERSON", f.CLAIM_DAY)
    assert standard.amount_fen == fen
    assert standard.trace.amount_fen == fen


def test_the_standard_of_an_institution_is_not_the_persons() -> None:
    """Xiamen's package pays persons alone: for an institution the DEMO package stands in, and is marked."""
    person = subsidy_standard(BOOK, evidence(issued_on=date(2024, 6, 1)), "PERSON", f.CLAIM_DAY)
    school = subsidy_standard(BOOK, evidence(issued_on=date(2024, 6, 1)), "INSTITUTION", f.CLAIM_DAY)
    assert (person.amount_fen, school.amount_fen) == (84000, 70000)
    assert school.trace.demo


def test_a_certificate_kind_without_a_standard_is_refused() -> None:
    with pytest.raises(NoStandardApplies):
        subsidy_standard(BOOK, evidence(issued_on=date(2022, 12, 31)), "PERSON", f.CLAIM_DAY)


def test_a_person_claims_on_their_own_certificate() -> None:
    must_be_own(evidence(), "PERSON", f.LI_NA)
    with pytest.raises(NotYourCertificate):
        must_be_own(evidence(), "PERSON", f.WANG_FANG)


def test_an_institution_claims_for_those_it_trained() -> None:
    must_be_own(evidence(), "INSTITUTION", f.SCHOOL)
    with pytest.raises(NotYourTrainee):
        must_be_own(evidence(), "INSTITUTION", f.OTHER_SCHOOL)


def test_a_claim_may_be_made_for_twelve_months_the_last_day_included() -> None:
    procedure = BOOK.procedure(f.XIAMEN, f.CLAIM_DAY)
    must_be_in_time(procedure, date(2024, 5, 31), date(2025, 5, 31))
    with pytest.raises(TooLate):
        must_be_in_time(procedure, date(2024, 5, 31), date(2025, 6, 1))


def test_training_shares_the_entitlement_and_assessment_does_not() -> None:
    rule = BOOK.no_repeat(f.XIAMEN, f.CLAIM_DAY)
    assert shares_entitlement(rule, KIND)
    assert shares_entitlement(rule, "SKILL_UPGRADE")
    assert not shares_entitlement(rule, "ASSESSMENT")


def test_the_public_notice_skips_weekends_and_the_dragon_boat_festival() -> None:
    """06-06 and 06-07, then Monday 06-10 is a holiday: 06-11, 06-12, 06-13."""
    procedure = BOOK.procedure(f.XIAMEN, date(2024, 6, 6))
    assert notice_closes_on(BOOK, procedure, date(2024, 6, 6)) == date(2024, 6, 13)


@pytest.mark.parametrize(
    ("stage", "reviews", "step", "refusing"),
    [
        ("CLAIMED", f.ONE, "ACCEPT", "ACCEPT"),
        ("ACCEPTED", f.ONE, "FIRST_REVIEW", "FIRST_REVIEW"),
        ("ACCEPTED", (), "NOTICE", "APPROVE"),
        ("FIRST_REVIEWED", f.ONE, "NOTICE", "APPROVE"),
        ("FIRST_REVIEWED", f.BOTH, "RE_REVIEW", "RE_REVIEW"),
        ("FIRST_REVIEWED", (), "NOTICE", "APPROVE"),
        ("RE_REVIEWED", f.BOTH, "NOTICE", "APPROVE"),
        ("PUBLICISED", f.ONE, "APPROVE", "APPROVE"),
        ("APPROVED", f.ONE, "PAY", ""),
        ("PAYMENT_FAILED", f.ONE, "PAY", ""),
        ("ORDERED", f.ONE, "", ""),
        ("PAID", f.ONE, "", ""),
        ("REFUSED", f.ONE, "", ""),
    ],
)
def test_what_a_claim_waits_for_follows_from_its_stage_and_the_review_stages(
    stage: str, reviews: tuple[str, ...], step: str, refusing: str
) -> None:
    assert next_step(stage, reviews) == step
    assert refusing_step(stage, reviews) == refusing
    assert step == "" or step in DUTY
