"""An enrolment: who may join, what counts as attended, and the verdict."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
import pytest
from hypothesis import given as over
from hypothesis import strategies as st

from services.enrolment.domain import enrolment as enrolments
from services.enrolment.domain.enrolment import AttendSession, EnrolTrainee, JudgeTraining, enrolment
from services.enrolment.domain.training_class import ClassAlreadyCompleted
from shared.contracts.enrolment import (
    ClassCompleted,
    GroupCommitment,
    TrainingCompleted,
    TrainingNotCompleted,
)
from shared.testing.scenario import given
from tests.domain.enrolment.facts import (
    CLASS_ID,
    DAYS,
    E1,
    E2,
    LI_NA,
    PROCEDURE,
    REGION,
    SCHOOL,
    SESSION_IDS,
    SESSION_MINUTES,
    applied,
    approved,
    attended,
    class_of,
    enrolled,
    recorded,
)

GROUP = GroupCommitment(commitment="c" * 64, evidence="DATA_MATCH", as_of=date(2024, 5, 1))
PLANNED = 3 * SESSION_MINUTES


def enrol(**changes: Any) -> EnrolTrainee:
    """Li Na joins the class."""
    plain: dict[str, Any] = {
        "enrolment_id": E1,
        "enrolment_ref": "E-1",
        "training_class": class_of(applied, approved),
        "person_id": LI_NA,
        "holder": None,
        "seated": 0,
        "age": 34,
        "groups": [],
        "procedure": PROCEDURE,
    }
    return EnrolTrainee(**(plain | changes))


def attend(number: int = 0, **changes: Any) -> AttendSession:
    """A line of the sheet of the session at this place, counted from 0."""
    plain: dict[str, Any] = {
        "enrolment_id": E1,
        "class_id": CLASS_ID,
        "session_id": SESSION_IDS[number],
        "minutes": SESSION_MINUTES,
        "session_minutes": SESSION_MINUTES,
        "method": "SIGN",
    }
    return AttendSession(**(plain | changes))


def judge(planned: int = PLANNED) -> JudgeTraining:
    """The class ends."""
    return JudgeTraining(enrolment_id=E1, planned_minutes=planned, ended_on=DAYS[2], procedure=PROCEDURE)


def completed(minutes: int, planned: int = PLANNED) -> TrainingCompleted:
    """The verdict for enough."""
    inputs: dict[str, str | int] = {"attended": minutes, "planned": planned}
    return TrainingCompleted(
        enrolment_id=E1,
        class_id=CLASS_ID,
        person_id=LI_NA,
        institution=SCHOOL,
        region=REGION,
        attended_minutes=minutes,
        planned_minutes=planned,
        completed_on=DAYS[2],
        trace=PROCEDURE.judged("attendance_permille", inputs, "COMPLETED"),
    )


def not_completed(minutes: int, planned: int = PLANNED) -> TrainingNotCompleted:
    """The verdict for too little."""
    inputs: dict[str, str | int] = {"attended": minutes, "planned": planned}
    return TrainingNotCompleted(
        enrolment_id=E1,
        class_id=CLASS_ID,
        person_id=LI_NA,
        institution=SCHOOL,
        region=REGION,
        attended_minutes=minutes,
        planned_minutes=planned,
        code="training.attendance_below_minimum",
        trace=PROCEDURE.judged("attendance_permille", inputs, "training.attendance_below_minimum"),
    )


def test_a_trainee_joins_and_the_fact_says_by_which_rule_the_age_was_right():
    given(enrolment).when(enrol()).then(enrolled)


def test_groups_are_carried_as_commitments():
    given(enrolment).when(enrol(groups=[GROUP])).then(msgspec.structs.replace(enrolled, groups=[GROUP]))


@pytest.mark.parametrize("age", [15, 60])
def test_too_young_or_too_old_is_refused(age: int):
    given(enrolment).when(enrol(age=age)).then_refused(enrolments.AgeOutsidePolicy)


@pytest.mark.parametrize("age", [16, 59])
def test_the_youngest_and_the_oldest_may_join(age: int):
    trace = PROCEDURE.judged("age", {"age": age}, "ADMITTED")
    given(enrolment).when(enrol(age=age)).then(msgspec.structs.replace(enrolled, age=age, trace=trace))


def test_one_person_sits_in_a_class_once():
    given(enrolment).when(enrol(holder=E2)).then_refused(enrolments.AlreadyInClass)


def test_an_enrolment_reference_is_used_once():
    given(enrolment, enrolled).when(enrol(seated=1)).then_refused(enrolments.ReferenceUsed)


def test_the_last_seat_is_taken_and_then_the_class_is_full():
    given(enrolment).when(enrol(seated=applied.max_trainees - 1)).then(enrolled)
    given(enrolment).when(enrol(seated=applied.max_trainees)).then_refused(enrolments.ClassFull)


def test_nobody_joins_a_class_that_has_ended():
    ended = ClassCompleted(class_id=CLASS_ID, completed=0, not_completed=0)
    over_class = class_of(applied, approved, recorded(0), recorded(1), recorded(2), ended)
    given(enrolment).when(enrol(training_class=over_class)).then_refused(ClassAlreadyCompleted)


def test_attending_is_recorded_with_its_minutes():
    given(enrolment, enrolled).when(attend(minutes=170)).then(attended(0, 170))


def test_the_whole_session_may_be_attended_but_not_a_minute_more():
    given(enrolment, enrolled).when(attend(minutes=SESSION_MINUTES)).then(attended(0))
    too_long = attend(minutes=SESSION_MINUTES + 1)
    given(enrolment, enrolled).when(too_long).then_refused(enrolments.MinutesOverSession)


def test_a_session_is_attended_once():
    given(enrolment, enrolled, attended(0)).when(attend(minutes=10)).then_nothing()


def test_a_line_for_another_class_s_trainee_is_refused():
    stray = attend(class_id=SESSION_IDS[0])
    given(enrolment, enrolled).when(stray).then_refused(enrolments.EnrolmentOfOtherClass)


def test_nobody_attends_who_is_not_enrolled():
    given(enrolment).when(attend()).then_refused(enrolments.EnrolmentOfOtherClass)


def test_who_attended_enough_completes():
    given(enrolment, enrolled, attended(0), attended(1), attended(2, 72)).when(judge()).then(completed(432))


def test_a_minute_under_the_minimum_is_too_little():
    """800 ‰ of 540 minutes are 432."""
    history = (enrolled, attended(0), attended(1), attended(2, 71))
    given(enrolment, *history).when(judge()).then(not_completed(431))


def test_sessions_that_fell_out_are_not_held_against_anybody():
    planned = 2 * SESSION_MINUTES
    given(enrolment, enrolled, attended(0), attended(1)).when(judge(planned)).then(completed(360, planned))


def test_where_no_session_took_place_nobody_completes():
    given(enrolment, enrolled).when(judge(0)).then(not_completed(0, 0))


@pytest.mark.parametrize("verdict", [completed(540), not_completed(0)])
def test_a_verdict_is_given_once(verdict: Any):
    given(enrolment, enrolled, verdict).when(judge()).then_nothing()


@over(
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 720)), max_size=12),
    st.integers(0, PLANNED),
)
def test_whatever_lines_come_attendance_counts_each_session_once_and_the_verdict_says_the_sum(
    lines: list[tuple[int, int]], planned: int
):
    """Any history: at most a session's minutes a session, and deciding again decides nothing."""
    state = enrolment.fold([enrolled])
    counted: dict[int, int] = {}
    for number, minutes in lines:
        try:
            facts = enrolment.decide(attend(number, minutes=minutes), state)
        except enrolments.MinutesOverSession:
            assert minutes > SESSION_MINUTES
            continue
        counted.setdefault(number, minutes)
        state = enrolment.fold(facts, state)
        assert enrolment.decide(attend(number, minutes=minutes), state) == []
    (verdict,) = enrolment.decide(judge(planned), state)
    assert verdict.attended_minutes == sum(counted.values())
    enough = planned > 0 and sum(counted.values()) * 1000 >= 800 * planned
    assert isinstance(verdict, TrainingCompleted) == enough
    assert enrolment.decide(judge(planned), enrolment.fold([verdict], state)) == []
