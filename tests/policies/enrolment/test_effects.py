"""What follows from enrolment's facts in the kernel's tables."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from services.enrolment.policies import POLICIES, effects
from shared.contracts.enrolment import (
    BusinessDayOpened,
    ClassCompleted,
    InstitutionKeyRegistered,
    InstitutionRegistered,
    PayeeAccountRegistered,
)
from shared.contracts.fact import Encoded, Fact, decode, encode
from shared.contracts.payment import ErasureAnswered
from shared.eventstore.changes import KnowKey, MarkDeadlines, Reserve, Wake
from shared.eventstore.memory import MemoryStore
from shared.testing.world import by_the_system
from tests.domain.enrolment import facts

SINCE, UNTIL = datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)
GIVEN = by_the_system("enrolment", facts.TODAY, now=facts.NOW, region=facts.REGION, about=facts.CLASS_ID)


def encoded(fact: Fact) -> Encoded:
    """The fact as the first of a stream."""
    return encode("enrolment", fact, stream=facts.CLASS_ID, version=1, given=GIVEN, now=facts.NOW)


def follows(fact: Fact) -> list[object]:
    """When this fact, then these effects."""
    return list(effects(encoded(fact)))


def test_an_application_takes_its_class_and_session_ids():
    assert follows(facts.applied) == [
        Reserve("class", facts.CLASS_ID, facts.SCHOOL),
        *(Reserve("session", name, facts.CLASS_ID) for name in facts.SESSION_IDS),
    ]


def test_an_approval_wakes_what_waits_for_the_class():
    assert follows(facts.approved) == [Wake(f"class-approved:{facts.CLASS_ID}")]


def test_an_enrolment_takes_the_person_s_seat_and_wakes_the_sheets_that_name_it():
    assert follows(facts.enrolled) == [
        Reserve(f"class-roster/{facts.CLASS_ID}", facts.LI_NA, facts.E1),
        Wake(f"enrolment:{facts.E1}"),
    ]


@pytest.mark.parametrize("lines", [0, 1])
def test_a_sheet_wakes_the_end_of_its_class_whether_or_not_the_session_fell_out(lines: int):
    assert follows(facts.recorded(0, lines)) == [Wake(f"sheet:{facts.SESSION_IDS[0]}")]


def test_a_key_is_known_to_the_intake_and_its_id_is_taken():
    fact = InstitutionKeyRegistered(
        uscc=facts.SCHOOL,
        kind="TRAINING",
        region=facts.REGION,
        key_id="k-1",
        public_key="AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        valid_from=SINCE,
        valid_until=UNTIL,
    )
    assert follows(fact) == [
        Reserve("institution-key", "k-1", facts.SCHOOL),
        KnowKey("k-1", facts.SCHOOL, "TRAINING", facts.REGION, bytes(range(32)), SINCE, UNTIL),
        Wake("key:k-1"),
    ]


def test_a_new_day_marks_every_deadline_up_to_the_day_before():
    opened = BusinessDayOpened(date=date(2024, 3, 1), working=True)
    assert follows(opened) == [MarkDeadlines(date(2024, 2, 29))]


@pytest.mark.parametrize(
    "fact",
    [
        facts.attended(0),
        ClassCompleted(class_id=facts.CLASS_ID, completed=1, not_completed=0),
        InstitutionRegistered(uscc=facts.SCHOOL, name="某校", kind="TRAINING", region=facts.REGION),
        PayeeAccountRegistered(uscc=facts.SCHOOL, account_id="a-1", commitment="c" * 64),
    ],
    ids=lambda fact: type(fact).__name__,
)
def test_other_facts_have_no_effect(fact: Fact):
    assert follows(fact) == []


def test_enrolment_rests_on_payments_word_about_an_erasure_alone():
    """What payment answers to an order (ADR 0015)."""
    assert set(POLICIES) == {ErasureAnswered}


def test_replaying_the_facts_rebuilds_the_tables_that_they_wrote(in_class):
    """Effects are a function of the facts' bytes alone."""
    rebuilt = MemoryStore()
    for row in in_class.store.tables.log:
        data = decode(row.state).data
        again = Encoded(
            id="",
            type=row.type,
            stream=row.stream,
            version=row.version,
            partition_key="",
            state=row.state,
            data=data,
        )
        for effect in effects(again):
            rebuilt._apply(effect)
    assert rebuilt.tables.reservations == in_class.store.tables.reservations
    assert rebuilt.tables.reservations[f"class-roster/{facts.CLASS_ID}", facts.WANG_WEI] == facts.E2
