"""What becomes of the submissions of assessment bodies, on an in-memory store."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest

from shared.contracts.certification import AssessmentResultRecorded, CandidateRegistered, CertificateIssued
from shared.contracts.intake import Reason
from shared.contracts.submission import (
    ApprovalLine,
    ApproveResults,
    RecordResults,
    RegisterCandidate,
    ResultLine,
    Trainee,
)
from shared.identity import candidate_id, certificate_id, enrolment_id
from shared.intake.handling import Accepted, Parked, Rejected
from tests.domain.certification import facts

if TYPE_CHECKING:
    from tests.domain.certification.conftest import World

ONE_DAY = timedelta(days=1)
TRAINEE = Trainee(name="", national_id="", phone="")


def person(number: int) -> str:
    return f"5f1c7a52-6a0e-4d0e-8f6f-0c9e6f3a{number:04d}"


def registration(number: int = 1, **changes: object) -> RegisterCandidate:
    """Candidate K-n of enrolment E-n."""
    asked = RegisterCandidate(
        candidate_ref=f"K-{number:02d}",
        institution=facts.INSTITUTION,
        enrolment_ref=f"E-{number:02d}",
        occupation_id=facts.OCCUPATION,
        level=facts.LEVEL,
        trainee=TRAINEE,
    )
    return msgspec.structs.replace(asked, **changes)


def results(*lines: tuple[int, int, int]) -> RecordResults:
    """(candidate, theory, practice) each."""
    rows = [ResultLine(candidate_ref=f"K-{n:02d}", theory=theory, practice=p) for n, theory, p in lines]
    return RecordResults(assessed_on=facts.ASSESSED_ON, lines=rows)


def approvals(*lines: tuple[int, str]) -> ApproveResults:
    """(candidate, certificate number) each."""
    rows = [ApprovalLine(candidate_ref=f"K-{n:02d}", certificate_no=number) for n, number in lines]
    return ApproveResults(
        issued_on=facts.ISSUED_ON, certificate_kind="SKILL_LEVEL", norm="GZB-elder-carer", lines=rows
    )


def trains(world: World, *numbers: int) -> None:
    """Enrolment says that trainees n completed their training."""
    for number in numbers:
        of = {
            "enrolment_id": enrolment_id(facts.INSTITUTION, f"E-{number:02d}"),
            "person_id": person(number),
        }
        world.learns(
            msgspec.structs.replace(facts.enrolled, **of), msgspec.structs.replace(facts.completed, **of)
        )


def registers(world: World, *numbers: int, by: str = facts.BODY) -> None:
    """Candidates K-n are registered."""
    trains(world, *numbers)
    sent = [world.sent(registration(n), person=person(n), by=by) for n in numbers]
    assert [type(outcome) for outcome in world.decides(*sent)] == [Accepted] * len(numbers)


def test_a_candidate_is_registered_under_the_class_s_region_and_the_episode_s_correlation(world: World):
    registers(world, 1)
    (fact,) = world.facts(facts.CANDIDATE)
    assert fact.data == msgspec.structs.replace(facts.registered, person_id=person(1))
    assert (fact.region, fact.correlationid, fact.partitionkey) == (
        facts.REGION,
        facts.ENROLMENT,
        facts.CANDIDATE,
    )
    assert (fact.actor, fact.duty) == (f"institution:{facts.BODY}", "D5")


def test_a_registration_waits_for_the_training_s_verdict_and_is_woken_by_it(world: World):
    waiting = world.sent(registration(), person=facts.LI_NA, named="early")
    verdict = f"training-verdict:{facts.ENROLMENT}"
    assert world.decides(waiting) == [Parked(verdict)]
    world.learns(facts.enrolled)
    assert world.ready() == [verdict]
    assert world.decides(waiting) == [Parked(verdict)]
    assert world.ready() == []
    world.learns(facts.completed)
    assert world.ready() == [verdict]
    (outcome,) = world.decides(waiting)
    assert isinstance(outcome, Accepted)
    assert len(outcome.facts) == 1


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (registration(level="3"), "body.scope_not_covered"),
        (registration(institution=facts.BODY), "body.is_training_institution"),
    ],
    ids=["scope", "trainer assesses"],
)
def test_what_is_refused_whatever_the_verdict_does_not_wait_for_it(
    world: World, asked: RegisterCandidate, code: str
):
    (outcome,) = world.decides(world.sent(asked, person=facts.LI_NA))
    assert isinstance(outcome, Rejected)
    assert [reason.code for reason in outcome.reasons] == [code]
    assert world.facts(facts.CANDIDATE) == []


def test_a_body_that_nobody_approved_registers_nobody(world: World):
    world.learns(facts.enrolled, facts.completed)
    (outcome,) = world.decides(world.sent(registration(), person=facts.LI_NA, by=facts.OTHER_BODY))
    assert outcome == Rejected([Reason(code="body.not_approved")])


def test_another_person_s_id_number_is_refused_as_soon_as_the_enrolment_is_known(world: World):
    world.learns(facts.enrolled)
    (outcome,) = world.decides(world.sent(registration(), person=facts.WANG_FANG))
    assert outcome == Rejected([Reason(code="candidate.person_differs", field="data.trainee")])


def test_who_did_not_complete_the_training_is_refused(world: World):
    world.learns(facts.enrolled, facts.not_completed)
    (outcome,) = world.decides(world.sent(registration(), person=facts.LI_NA))
    assert outcome == Rejected([Reason(code="candidate.training_not_completed", field="data.enrolment_ref")])


def test_the_same_registration_under_another_id_is_refused(world: World):
    registers(world, 1)
    (outcome,) = world.decides(world.sent(registration(1), person=person(1)))
    assert outcome == Rejected([Reason(code="candidate.reference_used", field="data.candidate_ref")])
    assert len(world.facts(facts.CANDIDATE)) == 1


def test_two_registrations_of_one_reference_in_one_batch_give_one_candidate(world: World):
    trains(world, 1)
    sent = [world.sent(registration(1), person=person(1)) for _ in range(2)]
    assert [type(outcome) for outcome in world.decides(*sent)] == [Accepted, Rejected]


def test_a_list_with_an_unknown_candidate_waits_whole_and_takes_effect_when_it_is_registered(world: World):
    registers(world, 1)
    listed = world.sent(results((1, 80, 80), (2, 70, 70)), named="list")
    unknown = f"candidate:{candidate_id(facts.BODY, 'K-02')}"
    assert world.decides(listed) == [Parked(unknown)]
    assert len(world.facts(facts.CANDIDATE)) == 1
    registers(world, 2)
    assert world.ready() == [unknown]
    (outcome,) = world.decides(listed)
    assert isinstance(outcome, Accepted)
    assert (len(outcome.facts), outcome.lines, outcome.refused) == (2, 2, [])


def test_in_one_batch_the_list_sees_the_candidate_registered_before_it(world: World):
    trains(world, 1)
    outcomes = world.decides(
        world.sent(registration(1), person=person(1)),
        world.sent(results((1, 59, 90))),
        world.sent(approvals((1, ""))),
    )
    assert [len(outcome.facts) for outcome in outcomes] == [1, 1, 1]
    assert [fact.data.passed for fact in world.facts(facts.CANDIDATE)[1:]] == [False, False]


def test_a_refused_line_of_marks_leaves_the_others_alone(world: World):
    registers(world, 1, 2, 3)
    world.decides(world.sent(results((2, 10, 10))))
    (outcome,) = world.decides(world.sent(results((1, 80, 80), (2, 90, 90), (3, 60, 60))))
    assert outcome.refused == [
        Reason(code="result.already_recorded", field="data.lines.candidate_ref", line=2)
    ]
    assert (len(outcome.facts), outcome.lines) == (2, 3)


def test_a_list_of_an_assessment_in_the_future_is_rejected_whole(world: World):
    registers(world, 1)
    future = msgspec.structs.replace(results((1, 80, 80)), assessed_on=facts.TODAY + ONE_DAY)
    assert world.decides(world.sent(future)) == [
        Rejected([Reason(code="result.in_future", field="data.assessed_on")])
    ]


def test_an_assessment_before_the_training_s_end_is_refused_by_line(world: World):
    registers(world, 1)
    early = msgspec.structs.replace(results((1, 80, 80)), assessed_on=facts.TRAINING_ENDED - ONE_DAY)
    (outcome,) = world.decides(world.sent(early))
    assert [(reason.line, reason.code) for reason in outcome.refused] == [(1, "result.before_training_end")]


def test_the_trace_of_a_result_names_the_policy_entry(world: World):
    registers(world, 1)
    world.decides(world.sent(results((1, 81, 77))))
    recorded = world.facts(facts.CANDIDATE)[1].data
    assert isinstance(recorded, AssessmentResultRecorded)
    assert recorded == facts.passed
    assert [ref.name for ref in recorded.trace.refs] == ["demo-procedure@1#procedure"]


def test_an_approval_waits_for_the_result_and_is_woken_by_it(world: World):
    registers(world, 1)
    waiting = world.sent(approvals((1, "S1")), named="early")
    assert world.decides(waiting) == [Parked(f"result:{facts.CANDIDATE}")]
    world.decides(world.sent(results((1, 80, 80))))
    assert world.ready() == [f"result:{facts.CANDIDATE}"]
    (outcome,) = world.decides(waiting)
    assert len(outcome.facts) == 2


def test_certificates_follow_line_by_line_and_their_numbers_are_taken(world: World):
    registers(world, 1, 2, 3, 4, 5)
    world.decides(world.sent(results((1, 80, 80), (2, 80, 80), (3, 80, 80), (4, 10, 80), (5, 10, 80))))
    (outcome,) = world.decides(world.sent(approvals((1, "S1"), (2, "S1"), (3, ""), (4, "S4"), (5, ""))))
    assert [(reason.line, reason.code) for reason in outcome.refused] == [
        (2, "certificate.number_used"),
        (3, "certificate.number_missing"),
        (4, "certificate.number_for_failed"),
    ]
    assert len(outcome.facts) == 3
    assert world.store.tables.reservations == {("certificate-no", "S1"): facts.CERTIFICATE}
    (outcome,) = world.decides(world.sent(approvals((2, "S2"))))
    assert len(outcome.facts) == 2


def test_a_certificate_number_is_used_once_in_the_province_also_within_one_batch(world: World):
    world.approves(facts.OTHER_BODY)
    registers(world, 1)
    registers(world, 2, by=facts.OTHER_BODY)
    world.decides(world.sent(results((1, 80, 80))), world.sent(results((2, 80, 80)), by=facts.OTHER_BODY))
    first, second = world.decides(
        world.sent(approvals((1, "S1"))), world.sent(approvals((2, "S1")), by=facts.OTHER_BODY)
    )
    assert first.refused == []
    assert [reason.code for reason in second.refused] == ["certificate.number_used"]
    issued = [
        fact.data
        for fact in world.facts(facts.CANDIDATE, candidate_id(facts.OTHER_BODY, "K-02"))
        if isinstance(fact.data, CertificateIssued)
    ]
    assert [fact.certificate_no for fact in issued] == ["S1"]


def test_the_issued_certificate_says_all_that_payment_needs(world: World):
    registers(world, 1)
    world.decides(world.sent(results((1, 81, 77))), world.sent(approvals((1, "S350100001"))))
    issued = world.facts(facts.CANDIDATE)[-1]
    assert issued.data == msgspec.structs.replace(facts.issued, person_id=person(1))
    assert issued.duty == "D6"


def test_certificates_dated_after_the_business_date_are_rejected_whole(world: World):
    registers(world, 1)
    world.decides(world.sent(results((1, 81, 77))))
    future = msgspec.structs.replace(approvals((1, "S1")), issued_on=facts.TODAY + ONE_DAY)
    assert world.decides(world.sent(future)) == [
        Rejected([Reason(code="certificate.issued_in_future", field="data.issued_on")])
    ]
    world.moves_to(facts.TODAY + ONE_DAY)
    (outcome,) = world.decides(world.sent(future))
    assert len(outcome.facts) == 2


def test_one_body_s_references_never_reach_another_s_candidates(world: World):
    registers(world, 1)
    world.approves(facts.OTHER_BODY)
    (outcome,) = world.decides(world.sent(results((1, 80, 80)), by=facts.OTHER_BODY))
    assert outcome == Parked(f"candidate:{candidate_id(facts.OTHER_BODY, 'K-01')}")


def test_a_full_list_of_two_hundred_is_decided_and_read_in_few_rounds(world: World):
    """The batch reads the list's streams and its foreign facts together, not line by line."""
    numbers = range(1, 201)
    registers(world, *numbers)
    rounds = []
    read = world.store.read
    world.store.read = lambda reads: rounds.append(reads) or read(reads)  # type: ignore[method-assign]
    world.executor._cache.clear()
    (marked,) = world.decides(world.sent(results(*((n, 80, 80) for n in numbers))))
    (approved,) = world.decides(world.sent(approvals(*((n, f"S{n}") for n in numbers))))
    assert (len(marked.facts), len(approved.facts)) == (200, 400)
    assert len(rounds) <= 6
    assert world.store.tables.reservations["certificate-no", "S200"] == certificate_id(
        candidate_id(facts.BODY, "K-200")
    )


def test_a_registration_names_the_class_s_trainee_only_once_the_facts_say_so(world: World):
    """Nothing is written while it waits."""
    world.decides(world.sent(registration(), person=facts.LI_NA))
    assert [type(fact.data) for fact in world.facts(facts.CANDIDATE)] == []
    world.learns(facts.enrolled, facts.completed)
    world.decides(world.sent(registration(), person=facts.LI_NA))
    assert [type(fact.data) for fact in world.facts(facts.CANDIDATE)] == [CandidateRegistered]
