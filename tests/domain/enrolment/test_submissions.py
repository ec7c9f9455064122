"""What training institutions send: decided, refused, line by line, or kept waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from shared import identity
from shared.contracts.enrolment import (
    AttendanceSheetRecorded,
    ClassApplied,
    ClassCompleted,
    SessionAttended,
    TraineeEnrolled,
    TrainingCompleted,
    TrainingNotCompleted,
)
from shared.contracts.intake import Reason
from shared.intake.handling import Accepted, Parked, Rejected
from tests.domain.enrolment import facts

if TYPE_CHECKING:
    from tests.domain.enrolment.conftest import World

COMMITMENT = "c" * 64


def codes(outcome: Any) -> list[str]:
    """Why it was rejected."""
    assert isinstance(outcome, Rejected)
    return [reason.code for reason in outcome.reasons]


def test_an_application_becomes_a_class_of_the_sender(world: World):
    outcome = world.decide(facts.application())
    assert world.named(outcome.facts) == [facts.applied]
    (fact,) = world.facts(facts.CLASS_ID)
    assert (fact.actor, fact.duty, fact.region) == (f"institution:{facts.SCHOOL}", "D1", facts.REGION)
    assert (fact.partitionkey, fact.correlationid) == (facts.CLASS_ID, facts.CLASS_ID)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"region": "350102"}, "class.unknown_region"),
        ({"region": "310000"}, "class.unknown_region"),
        ({"occupation_id": "astronaut"}, "class.unknown_occupation"),
        ({"training_kind": "PREJOB"}, "class.unknown_training_kind"),
        ({"max_trainees": 51}, "class.too_many_trainees"),
    ],
)
def test_an_application_that_the_policy_does_not_know_is_rejected(
    world: World, changes: dict[str, Any], code: str
):
    """A district of Fuzhou is no authority of the ten: the class must name the one that answers."""
    assert codes(world.decide(facts.application(**changes))) == [code]


def test_pingtan_is_an_authority_of_its_own(world: World):
    outcome = world.decide(facts.application(region="350128"))
    (applied,) = world.named(outcome.facts)
    assert isinstance(applied, ClassApplied)
    assert applied.region == "350128"


def test_a_class_that_would_have_begun_is_rejected(world: World):
    world.moves_to(facts.DAYS[1])
    assert codes(world.decide(facts.application())) == ["class.starts_in_past"]


def test_of_two_applications_in_one_batch_the_first_holds_the_reference(world: World):
    first, second = world.decides(world.sent(facts.application()), world.sent(facts.application()))
    assert isinstance(first, Accepted)
    assert codes(second) == ["class.already_applied"]


def test_a_session_reference_is_unique_within_the_institution(world: World):
    world.decide(facts.application())
    assert codes(world.decide(facts.application(class_ref="K-2"))) == ["class.session_reference_used"]
    assert isinstance(world.decide(facts.application(), by=facts.OTHER_SCHOOL), Accepted)


def test_a_trainee_joins_an_approved_class(world: World):
    world.decide(facts.application())
    world.approves()
    outcome = world.decide(facts.enrolment())
    (enrolled,) = world.named(outcome.facts)
    assert isinstance(enrolled, TraineeEnrolled)
    assert (enrolled.person_id, enrolled.age, enrolled.class_id) == (facts.LI_NA, 34, facts.CLASS_ID)
    assert [(group.commitment, group.evidence) for group in enrolled.groups] == [(COMMITMENT, "DATA_MATCH")]
    (fact,) = world.facts(facts.E1)
    assert (fact.partitionkey, fact.correlationid) == (facts.CLASS_ID, facts.E1)


@pytest.mark.parametrize("applied", [False, True], ids=["unknown", "not yet approved"])
def test_an_enrolment_waits_for_the_class_s_approval(world: World, *, applied: bool):
    if applied:
        world.decide(facts.application())
    assert world.decide(facts.enrolment()) == Parked(f"class-approved:{facts.CLASS_ID}")
    assert world.ready() == []
    if not applied:
        world.decide(facts.application())
    world.approves()
    assert world.ready() == [f"class-approved:{facts.CLASS_ID}"]


@pytest.mark.parametrize(
    ("national_id", "admitted"),
    [
        (facts.SIXTEEN_ON_FIRST_DAY, True),
        (facts.FIFTEEN_ON_FIRST_DAY, False),
        (facts.FIFTY_NINE_ON_FIRST_DAY, True),
        (facts.SIXTY_ON_FIRST_DAY, False),
    ],
)
def test_age_is_judged_on_the_class_s_first_day(world: World, national_id: str, *, admitted: bool):
    world.decide(facts.application())
    world.approves()
    outcome = world.decide(facts.enrolment(national_id=national_id))
    if admitted:
        assert isinstance(outcome, Accepted)
    else:
        assert codes(outcome) == ["trainee.age_outside_policy"]


def test_rivals_for_the_last_seat_in_one_batch_are_decided_in_their_order(world: World):
    world.decide(facts.application())
    world.approves()
    outcomes = world.decides(
        *(world.sent(facts.enrolment(f"E-{number}"), person=f"p-{number}") for number in range(4))
    )
    assert [type(outcome) for outcome in outcomes] == [Accepted, Accepted, Rejected, Rejected]
    assert codes(outcomes[2]) == codes(outcomes[3]) == ["class.full"]


def test_the_same_person_twice_and_the_same_reference_twice_are_rejected(world: World):
    world.decide(facts.application(max_trainees=10))
    world.approves()
    world.decide(facts.enrolment())
    assert codes(world.decide(facts.enrolment("E-7"))) == ["enrolment.already_in_class"]
    assert codes(world.decide(facts.enrolment("E-1"), person=facts.WANG_WEI)) == ["enrolment.reference_used"]


def test_nobody_can_name_another_institution_s_class(in_class: World):
    other = identity.class_id(facts.OTHER_SCHOOL, "K-1")
    outcome = in_class.decide(facts.enrolment("E-9"), by=facts.OTHER_SCHOOL, person="p-9")
    assert outcome == Parked(f"class-approved:{other}")


def test_a_sheet_gives_a_fact_for_itself_and_one_a_line(in_class: World):
    outcome = in_class.decide(facts.sheet(1, ("E-1", 180), ("E-2", 90)))
    assert isinstance(outcome, Accepted)
    assert (outcome.lines, outcome.refused) == (2, [])
    assert in_class.named(outcome.facts) == [
        facts.recorded(0, lines=2),
        facts.attended(0, 180, facts.E1),
        facts.attended(0, 90, facts.E2),
    ]


def test_a_line_over_the_session_s_minutes_is_refused_and_the_others_stand(in_class: World):
    outcome = in_class.decide(facts.sheet(1, ("E-1", 181), ("E-2", 90)))
    assert outcome.refused == [Reason(code="sheet.minutes_over_session", field="data.lines.minutes", line=1)]
    assert [type(fact) for fact in in_class.named(outcome.facts)] == [
        AttendanceSheetRecorded,
        SessionAttended,
    ]


def test_a_sheet_whose_every_line_is_refused_does_not_say_that_the_session_fell_out(in_class: World):
    outcome = in_class.decide(facts.sheet(1, ("E-1", 181)))
    assert in_class.named(outcome.facts) == [facts.recorded(0, lines=1)]


def test_a_line_of_another_class_s_trainee_is_refused(in_class: World):
    later = facts.application(
        class_ref="K-2",
        sessions=[
            type(session)(
                session_ref=f"K-2-{session.session_ref}",
                held_on=facts.AFTERWARDS,
                starts_at=session.starts_at,
                ends_at=session.ends_at,
                teacher_ref=session.teacher_ref,
            )
            for session in facts.application().sessions
        ],
    )
    in_class.decide(later)
    in_class.approves(identity.class_id(facts.SCHOOL, "K-2"))
    in_class.decide(facts.enrolment("E-8", class_ref="K-2"))
    outcome = in_class.decide(facts.sheet(1, ("E-1", 180), ("E-8", 180)))
    assert [(reason.code, reason.line) for reason in outcome.refused] == [
        ("sheet.enrolment_of_other_class", 2)
    ]


def test_a_sheet_with_one_unknown_enrolment_waits_whole(in_class: World):
    unknown = identity.enrolment_id(facts.SCHOOL, "E-9")
    before = len(in_class.store.tables.log)
    sheet = facts.sheet(1, ("E-1", 180), ("E-9", 180), ("E-10", 180))
    assert in_class.decide(sheet) == Parked(f"enrolment:{unknown}")
    assert len(in_class.store.tables.log) == before


def test_a_sheet_is_woken_by_the_enrolment_that_it_names(world: World):
    world.decide(facts.application())
    world.approves()
    world.moves_to(facts.AFTERWARDS)
    work = world.sent(facts.sheet(1, ("E-1", 180)))
    assert world.decides(work) == [Parked(f"enrolment:{facts.E1}")]
    world.decide(facts.enrolment())
    assert world.ready() == [f"enrolment:{facts.E1}"]
    assert isinstance(world.decides(work)[0], Accepted)


def test_an_enrolment_and_its_sheet_may_come_in_one_batch(world: World):
    world.decide(facts.application())
    world.approves()
    world.moves_to(facts.AFTERWARDS)
    outcomes = world.decides(world.sent(facts.enrolment()), world.sent(facts.sheet(1, ("E-1", 180))))
    assert [type(outcome) for outcome in outcomes] == [Accepted, Accepted]


def test_a_sheet_that_can_never_be_right_is_rejected_before_it_waits(in_class: World):
    assert codes(in_class.decide(facts.sheet(9, ("E-9", 1)))) == ["sheet.session_outside_plan"]
    in_class.decide(facts.sheet(1))
    assert codes(in_class.decide(facts.sheet(1, ("E-9", 1)))) == ["sheet.already_recorded"]


def test_a_sheet_for_a_session_to_come_is_rejected(world: World):
    world.decide(facts.application())
    world.approves()
    world.moves_to(facts.DAYS[0])
    assert isinstance(world.decide(facts.sheet(1)), Accepted)
    assert codes(world.decide(facts.sheet(2))) == ["sheet.session_in_future"]


def test_a_sheet_waits_for_the_class_s_approval(world: World):
    assert world.decide(facts.sheet(1)) == Parked(f"class-approved:{facts.CLASS_ID}")


def test_completing_waits_for_the_first_missing_sheet_and_is_woken_by_it(in_class: World):
    in_class.decide(facts.sheet(1, ("E-1", 180), ("E-2", 180)))
    completion = in_class.sent(facts.completion())
    second, third = (f"sheet:{name}" for name in facts.SESSION_IDS[1:])
    assert in_class.decides(completion) == [Parked(second)]
    in_class.decide(facts.sheet(2, ("E-1", 180)))
    assert in_class.ready() == [second]
    assert in_class.decides(completion) == [Parked(third)]
    in_class.decide(facts.sheet(3, ("E-1", 180)))
    assert in_class.ready() == [third]
    assert isinstance(in_class.decides(completion)[0], Accepted)


def test_at_its_end_each_trainee_has_a_verdict_with_the_rule_s_trace(in_class: World):
    in_class.decide(facts.sheet(1, ("E-1", 180), ("E-2", 180)))
    in_class.decide(facts.sheet(2, ("E-1", 180)))
    in_class.decide(facts.sheet(3, ("E-1", 180)))
    outcome = in_class.decide(facts.completion())
    by_type = {type(fact): fact for fact in in_class.named(outcome.facts)}
    assert len(outcome.facts) == 3
    yes, no = by_type[TrainingCompleted], by_type[TrainingNotCompleted]
    assert (yes.enrolment_id, yes.attended_minutes, yes.completed_on) == (facts.E1, 540, facts.DAYS[2])
    assert (no.enrolment_id, no.attended_minutes, no.planned_minutes) == (facts.E2, 180, 540)
    assert [step.ref.package for step in no.trace.steps] == ["demo-procedure"]
    assert by_type[ClassCompleted] == ClassCompleted(class_id=facts.CLASS_ID, completed=1, not_completed=1)


def test_a_session_that_fell_out_counts_for_nobody(in_class: World):
    """Wang Wei's 300 of 540 planned minutes were too little; of the 360 that took place they are enough."""
    in_class.decide(facts.sheet(1, ("E-1", 180), ("E-2", 180)))
    in_class.decide(facts.sheet(2, ("E-1", 180), ("E-2", 120)))
    in_class.decide(facts.sheet(3))
    outcome = in_class.decide(facts.completion())
    verdicts = [fact for fact in in_class.named(outcome.facts) if isinstance(fact, TrainingCompleted)]
    assert {(fact.attended_minutes, fact.planned_minutes) for fact in verdicts} == {(360, 360), (300, 360)}
    assert {fact.completed_on for fact in verdicts} == {facts.DAYS[1]}


def test_sheets_and_the_end_may_come_in_one_batch(in_class: World):
    works = [facts.sheet(number, ("E-1", 180)) for number in (1, 2, 3)]
    outcomes = in_class.decides(*map(in_class.sent, works), in_class.sent(facts.completion()))
    assert [type(outcome) for outcome in outcomes] == [Accepted] * 4
    assert len(outcomes[3].facts) == 3


def test_a_class_ends_once_and_then_takes_nobody(in_class: World):
    for number in (1, 2, 3):
        in_class.decide(facts.sheet(number, ("E-1", 180)))
    in_class.decide(facts.completion())
    assert codes(in_class.decide(facts.completion())) == ["class.already_completed"]
    assert codes(in_class.decide(facts.enrolment("E-9"), person="p-9")) == ["class.already_completed"]


def test_completing_waits_for_the_class_s_approval(world: World):
    assert world.decide(facts.completion()) == Parked(f"class-approved:{facts.CLASS_ID}")
