"""A class: application, approval, one sheet a session, its end."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
import pytest

from services.enrolment.domain import training_class as classes
from services.enrolment.domain.training_class import (
    ApplyClass,
    ApproveClass,
    CompleteClass,
    RecordSheet,
    training_class,
)
from shared.contracts.enrolment import ClassCompleted
from shared.testing.scenario import given
from tests.domain.enrolment.facts import (
    AFTERWARDS,
    CLASS_ID,
    DAYS,
    EVIDENCE,
    PROCEDURE,
    REGION,
    SCHOOL,
    SESSION_IDS,
    SESSION_MINUTES,
    SESSIONS,
    TODAY,
    applied,
    approved,
    class_of,
    recorded,
)

approve = ApproveClass(class_id=CLASS_ID)
complete = CompleteClass(class_id=CLASS_ID, completed=1, not_completed=1)
completed = ClassCompleted(class_id=CLASS_ID, completed=1, not_completed=1)
all_sheets = (recorded(0), recorded(1), recorded(2))


def apply(**changes: Any) -> ApplyClass:
    """The application of `applied`."""
    plain: dict[str, Any] = {
        "class_id": CLASS_ID,
        "class_ref": "K-1",
        "institution": SCHOOL,
        "region": REGION,
        "occupation_id": "elder-carer",
        "level": "5",
        "training_kind": "EMPLOYMENT_SKILL",
        "programme_tags": ["SKILLS_PROJECT_2024"],
        "max_trainees": 2,
        "sessions": SESSIONS,
        "region_known": True,
        "occupation_known": True,
        "kind_known": True,
        "procedure": PROCEDURE,
        "sessions_taken": frozenset(),
        "business_date": TODAY,
    }
    return ApplyClass(**(plain | changes))


def record(number: int, *, lines: int = 1, on: date = AFTERWARDS) -> RecordSheet:
    """The sheet of the session at this place, counted from 0."""
    return RecordSheet(
        class_id=CLASS_ID, session_id=SESSION_IDS[number], lines=lines, evidence=EVIDENCE, business_date=on
    )


def test_an_application_fixes_first_and_last_day_and_planned_minutes():
    given(training_class).when(apply()).then(applied)


def test_a_class_may_begin_on_the_business_date_itself():
    given(training_class).when(apply(business_date=DAYS[0])).then(applied)


@pytest.mark.parametrize(
    ("changes", "why", "field"),
    [
        ({"region_known": False, "procedure": None}, classes.RegionUnknown, "data.region"),
        ({"occupation_known": False}, classes.OccupationUnknown, "data.occupation_id"),
        ({"kind_known": False}, classes.TrainingKindUnknown, "data.training_kind"),
        ({"max_trainees": PROCEDURE.max_trainees + 1}, classes.TooManyTrainees, "data.max_trainees"),
        ({"business_date": DAYS[1]}, classes.StartsInPast, "data.sessions.held_on"),
        (
            {"sessions_taken": frozenset((SESSION_IDS[2],))},
            classes.SessionReferenceUsed,
            "data.sessions.session_ref",
        ),
    ],
)
def test_an_application_outside_the_rules_is_refused(changes: dict[str, Any], why: Any, field: str):
    given(training_class).when(apply(**changes)).then_refused(why, field)


def test_as_many_trainees_as_the_policy_allows_are_allowed():
    most = PROCEDURE.max_trainees
    given(training_class).when(apply(max_trainees=most)).then(
        msgspec.structs.replace(applied, max_trainees=most)
    )


def test_a_class_reference_is_used_once():
    given(training_class, applied).when(apply()).then_refused(classes.AlreadyApplied, "data.class_ref")


def test_a_handler_approves():
    given(training_class, applied).when(approve).then(approved)


def test_approving_again_changes_nothing():
    given(training_class, applied, approved).when(approve).then_nothing()


def test_approving_after_the_end_changes_nothing():
    given(training_class, applied, approved, *all_sheets, completed).when(approve).then_nothing()


def test_what_nobody_applied_for_can_t_be_approved():
    given(training_class).when(approve).then_refused(classes.ClassUnknown)


def test_a_session_s_sheet_is_recorded_from_its_own_day_on():
    given(training_class, applied, approved).when(record(1, on=DAYS[1])).then(recorded(1))


def test_an_empty_sheet_says_that_the_session_fell_out():
    given(training_class, applied, approved).when(record(1, lines=0)).then(recorded(1, lines=0))
    state = class_of(applied, approved, recorded(0), recorded(1, lines=0), recorded(2))
    assert state.counted_minutes == 2 * SESSION_MINUTES
    assert state.missing_session is None


def test_a_sheet_before_its_session_s_day_is_refused():
    given(training_class, applied, approved).when(record(1, on=DAYS[0])).then_refused(classes.SessionInFuture)


def test_a_sheet_outside_the_plan_is_refused():
    stray = RecordSheet(
        class_id=CLASS_ID, session_id=CLASS_ID, lines=1, evidence=EVIDENCE, business_date=AFTERWARDS
    )
    given(training_class, applied, approved).when(stray).then_refused(classes.SessionOutsidePlan)


@pytest.mark.parametrize("lines", [0, 1, 2])
def test_a_session_has_one_sheet_for_ever(lines: int):
    """Neither a fuller sheet nor an empty one takes the first one's place."""
    history = (applied, approved, recorded(0))
    given(training_class, *history).when(record(0, lines=lines)).then_refused(classes.SheetAlreadyRecorded)


def test_an_empty_sheet_is_not_filled_later():
    history = (applied, approved, recorded(0, lines=0))
    given(training_class, *history).when(record(0)).then_refused(classes.SheetAlreadyRecorded)


def test_no_sheet_before_the_approval():
    given(training_class, applied).when(record(0)).then_refused(classes.ClassNotApproved)


def test_a_class_with_every_sheet_ends():
    given(training_class, applied, approved, *all_sheets).when(complete).then(completed)


def test_a_class_without_a_sheet_does_not_end():
    given(training_class, applied, approved, recorded(0), recorded(2)).when(complete).then_refused(
        classes.SheetMissing
    )


def test_the_first_missing_session_of_the_plan_is_named():
    assert class_of(applied, approved, recorded(1)).missing_session == SESSION_IDS[0]
    assert class_of(applied, approved, recorded(0)).missing_session == SESSION_IDS[1]


def test_a_class_ends_once():
    given(training_class, applied, approved, *all_sheets, completed).when(complete).then_refused(
        classes.ClassAlreadyCompleted
    )


def test_no_end_before_the_approval():
    given(training_class, applied).when(complete).then_refused(classes.ClassNotApproved)


def test_training_ends_with_the_last_session_that_took_place():
    """Whenever its papers came in: lateness is judged by dates in facts, never by arrival."""
    assert class_of(applied, approved, *all_sheets).ended_on == DAYS[2]
    assert class_of(applied, approved, recorded(0), recorded(1), recorded(2, lines=0)).ended_on == DAYS[1]


def test_where_no_session_took_place_nothing_counts_and_the_planned_end_stands():
    state = class_of(applied, approved, *(recorded(number, lines=0) for number in range(3)))
    assert (state.counted_minutes, state.ended_on) == (0, DAYS[2])
