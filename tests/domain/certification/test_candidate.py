"""A candidate: registered after the training, marked, approved, certified on a pass."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import msgspec
import pytest
from hypothesis import given as forall
from hypothesis import strategies as st

from services.certification.domain import refusals
from services.certification.domain.assessment_body import AssessmentBody, assessment_body
from services.certification.domain.candidate import (
    ApproveResult,
    Candidate,
    RecordResult,
    RegisterCandidate,
    candidate,
)
from shared.contracts.certification import AssessmentResultApproved, CertificateIssued
from shared.contracts.codes.catalogue import CATALOGUE
from shared.contracts.fact import Fact
from shared.refusal import Refusal
from shared.testing.scenario import given
from tests.domain.certification import facts
from tests.domain.certification.facts import fail_approved, failed, issued, pass_approved, passed, registered

ONE_DAY = timedelta(days=1)
register = RegisterCandidate(
    candidate_id=facts.CANDIDATE,
    candidate_ref="K-01",
    assessment_body=facts.BODY,
    institution=facts.INSTITUTION,
    person_id=facts.LI_NA,
    enrolment_id=facts.ENROLMENT,
    occupation_id=facts.OCCUPATION,
    level=facts.LEVEL,
    business_date=facts.TODAY,
    approvals=assessment_body.fold([facts.body_approved]),
    enrolled=facts.enrolled,
    verdict=facts.completed,
)
record = RecordResult(
    assessment_body=facts.BODY,
    assessed_on=facts.ASSESSED_ON,
    theory=81,
    practice=77,
    completed_on=facts.TRAINING_ENDED,
    business_date=facts.TODAY,
    procedure=facts.PROCEDURE,
)
approve = ApproveResult(
    assessment_body=facts.BODY,
    certificate_no=issued.certificate_no,
    certificate_kind=issued.certificate_kind,
    norm=issued.norm,
    issued_on=facts.ISSUED_ON,
    business_date=facts.TODAY,
    number_holder=None,
)
approve_failed = replace(approve, certificate_no="")


def test_a_trainee_who_completed_the_training_is_registered():
    given(candidate).when(register).then(registered)


@pytest.mark.parametrize("person", [facts.LI_NA, facts.WANG_FANG])
def test_a_reference_names_one_registration_for_ever(person: str):
    again = replace(register, person_id=person)
    given(candidate, registered).when(again).then_refused(refusals.CandidateReferenceUsed)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"approvals": AssessmentBody()}, refusals.BodyNotApproved),
        ({"business_date": date(2025, 1, 1)}, refusals.BodyNotApproved),
        ({"level": "3"}, refusals.ScopeNotCovered),
        ({"institution": facts.BODY}, refusals.TrainerMayNotAssess),
        ({"person_id": facts.WANG_FANG}, refusals.PersonDiffers),
        ({"level": "4"}, refusals.OccupationDiffers),
        ({"verdict": facts.not_completed}, refusals.TrainingNotDone),
        ({"verdict": None}, refusals.TrainingNotDone),
        ({"enrolled": None}, refusals.TrainingNotDone),
    ],
    ids=[
        "no approval",
        "expired",
        "scope",
        "trainer assesses",
        "another person",
        "level of the class",
        "not completed",
        "no verdict",
        "not enrolled",
    ],
)
def test_a_registration_against_a_rule_is_refused(changes: dict[str, object], why: type[Refusal]):
    given(candidate).when(replace(register, **changes)).then_refused(why)  # type: ignore[arg-type]


def test_both_marks_decide_and_the_trace_names_the_rule():
    given(candidate, registered).when(record).then(passed)
    given(candidate, registered).when(replace(record, practice=59)).then(failed)


@forall(st.integers(0, 100), st.integers(0, 100))
def test_one_passes_exactly_when_both_marks_reach_the_pass_mark(theory: int, practice: int):
    recorded = candidate.decide(
        replace(record, theory=theory, practice=practice), Candidate(registered=registered)
    )
    assert [fact.passed for fact in recorded] == [theory >= 60 and practice >= 60]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"assessment_body": facts.OTHER_BODY}, refusals.CandidateOfOtherBody),
        ({"assessed_on": facts.TODAY + ONE_DAY}, refusals.ResultInFuture),
        ({"assessed_on": facts.TRAINING_ENDED - ONE_DAY}, refusals.ResultBeforeTrainingEnd),
    ],
    ids=["other body", "future", "before the training's end"],
)
def test_marks_against_a_rule_are_refused(changes: dict[str, object], why: type[Refusal]):
    given(candidate, registered).when(replace(record, **changes)).then_refused(why)  # type: ignore[arg-type]


@pytest.mark.parametrize("stands", [passed, failed])
def test_marks_that_stand_are_not_overwritten(stands: Fact):
    given(candidate, registered, stands).when(record).then_refused(refusals.ResultAlreadyRecorded)


def test_the_last_day_of_training_will_do_for_the_assessment():
    (fact,) = given(candidate, registered).when(replace(record, assessed_on=facts.TRAINING_ENDED)).facts
    assert fact == msgspec.structs.replace(passed, assessed_on=facts.TRAINING_ENDED)


def test_nobody_unknown_gets_marks_or_a_certificate():
    given(candidate).when(record).then_refused(refusals.CandidateUnknown)
    given(candidate).when(approve).then_refused(refusals.CandidateUnknown)


def test_a_pass_is_approved_and_the_certificate_issued():
    given(candidate, registered, passed).when(approve).then(pass_approved, issued)


def test_a_failed_result_is_approved_without_a_certificate():
    given(candidate, registered, failed).when(approve_failed).then(fail_approved)


def test_there_is_no_certificate_without_a_result():
    given(candidate, registered).when(approve).then_refused(refusals.ResultUnknown)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"assessment_body": facts.OTHER_BODY}, refusals.CandidateOfOtherBody),
        ({"certificate_no": ""}, refusals.CertificateNumberMissing),
        ({"number_holder": "another certificate"}, refusals.CertificateNumberUsed),
        ({"issued_on": facts.ASSESSED_ON - ONE_DAY}, refusals.CertificateBeforeAssessment),
        ({"issued_on": facts.TODAY + ONE_DAY}, refusals.CertificateInFuture),
    ],
    ids=["other body", "number missing", "number used", "before the assessment", "future"],
)
def test_a_certificate_against_a_rule_is_refused(changes: dict[str, object], why: type[Refusal]):
    scenario = given(candidate, registered, passed)
    scenario.when(replace(approve, **changes)).then_refused(why)  # type: ignore[arg-type]


def test_who_failed_gets_no_certificate():
    given(candidate, registered, failed).when(approve).then_refused(refusals.CertificateNumberForFailed)


@pytest.mark.parametrize(
    ("history", "again"),
    [
        ((passed, pass_approved, issued), approve),
        ((passed, pass_approved, issued), replace(approve, certificate_no="S350100002")),
        ((failed, fail_approved), approve_failed),
        ((failed, fail_approved), approve),
    ],
    ids=["same", "another number", "same without", "a number after all"],
)
def test_a_result_is_approved_once(history: tuple[Fact, ...], again: ApproveResult):
    scenario = given(candidate, registered, *history)
    scenario.when(again).then_refused(refusals.ResultAlreadyApproved)


commands = st.one_of(
    st.builds(replace, st.just(register), person_id=st.sampled_from([facts.LI_NA, facts.WANG_FANG])),
    st.builds(replace, st.just(record), theory=st.sampled_from([59, 60]), practice=st.sampled_from([59, 60])),
    st.builds(
        replace,
        st.just(approve),
        certificate_no=st.sampled_from(["", "S350100001", "S350100002"]),
        issued_on=st.sampled_from([facts.TRAINING_ENDED, facts.ASSESSED_ON, facts.TODAY]),
    ),
)


@forall(st.lists(commands, max_size=12))
def test_whatever_is_asked_in_whatever_order_there_is_one_certificate_at_most_and_only_on_a_pass(asked):
    """And what was done once, asked again, is refused: no command takes effect twice."""
    state, history = candidate.initial, []
    for command in asked:
        try:
            decided = candidate.decide(command, state)
        except Refusal:
            continue
        state = candidate.fold(decided, state)
        history += decided
        with pytest.raises(Refusal):
            candidate.decide(command, state)
    certificates = [fact for fact in history if isinstance(fact, CertificateIssued)]
    passes = [fact for fact in history if isinstance(fact, AssessmentResultApproved) and fact.passed]
    assert len(certificates) == len(passes) <= 1
    assert all(fact.issued_on >= facts.ASSESSED_ON for fact in certificates)
    assert candidate.fold(history) == state


def test_every_refusal_has_its_texts():
    codes = {cls.code for cls in vars(refusals).values() if isinstance(cls, type) and cls is not Refusal}
    assert codes
    assert codes <= CATALOGUE.keys()
