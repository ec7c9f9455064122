"""What follows from facts: keys, wake-ups, certificate numbers."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from datetime import UTC, date, datetime
from typing import Any

import pytest

from services.certification.policies import POLICIES, effects
from shared.contracts.enrolment import InstitutionKeyRegistered
from shared.contracts.fact import Encoded, Envelope, Fact, decode, encode
from shared.eventstore.changes import KnowKey, Reserve, Wake
from shared.identity import institution_id
from shared.testing.world import by_the_system
from tests.domain.certification import facts

NOW = datetime(2024, 6, 3, 1, tzinfo=UTC)
GIVEN = by_the_system("test", date(2024, 6, 3), now=NOW, region=facts.REGION, about=facts.ENROLMENT)


def encoded(service: str, data: Fact, stream: str) -> Encoded:
    return encode(service, data, stream=stream, version=1, given=GIVEN, now=NOW)


def foreign(data: Fact, stream: str) -> Envelope[Any]:
    return decode(encoded("enrolment", data, stream).state)


@pytest.mark.parametrize("fact", [facts.enrolled, facts.completed, facts.not_completed])
def test_what_enrolment_says_of_a_trainee_wakes_the_registrations_that_wait_for_it(fact: Fact):
    woken = POLICIES[type(fact)](foreign(fact, facts.ENROLMENT))
    assert woken == [Wake(f"training-verdict:{facts.ENROLMENT}")]


def test_a_key_registered_by_enrolment_is_known_here():
    key = InstitutionKeyRegistered(
        uscc=facts.BODY,
        kind="ASSESSMENT",
        region=facts.REGION,
        key_id="k-1",
        public_key=urlsafe_b64encode(bytes(range(32))).rstrip(b"=").decode(),
        valid_from=NOW,
        valid_until=None,
    )
    learnt = POLICIES[InstitutionKeyRegistered](foreign(key, institution_id(facts.BODY)))
    assert learnt == [
        KnowKey("k-1", facts.BODY, "ASSESSMENT", facts.REGION, bytes(range(32)), NOW, None),
        Wake("key:k-1"),
    ]


@pytest.mark.parametrize(
    ("fact", "expected"),
    [
        (facts.registered, [Wake(f"candidate:{facts.CANDIDATE}")]),
        (facts.passed, [Wake(f"result:{facts.CANDIDATE}")]),
        (facts.pass_approved, []),
        (facts.issued, [Reserve("certificate-no", facts.issued.certificate_no, facts.CERTIFICATE)]),
    ],
    ids=["registered", "marked", "approved", "issued"],
)
def test_own_facts_wake_what_awaits_them_and_take_the_certificate_number(fact: Fact, expected: list[Any]):
    assert list(effects(encoded("certification", fact, facts.CANDIDATE))) == expected
