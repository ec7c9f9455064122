"""What follows from facts in payment's kernel tables."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from services.payment.domain.keys import open_claims
from services.payment.policies import POLICIES, effects
from shared.contracts.certification import CertificateIssued
from shared.contracts.enrolment import (
    ErasureOrdered,
    ErasureWithdrawn,
    InstitutionKeyRegistered,
    InstitutionKeyRevoked,
    InstitutionRegistered,
    PayeeAccountRegistered,
    SubjectErased,
    TraineeEnrolled,
    TrainingCompleted,
)
from shared.contracts.fact import Encoded, Fact, decode, encode
from shared.contracts.payment import PaymentBatchCreated
from shared.eventstore.changes import AlsoKnownAs, Effect, KnowKey, Reserve, Wake
from shared.testing.world import by_the_system
from tests.domain.payment import facts as f

NOW = datetime(2024, 6, 4, 1, tzinfo=UTC)
GIVEN = by_the_system("test", date(2024, 6, 4), now=NOW, region=f.XIAMEN, about=f.CLAIM)
key = InstitutionKeyRegistered(
    uscc=f.BANK,
    kind="BANK",
    region=f.FUZHOU,
    key_id="bank-1",
    public_key="11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    valid_from=NOW,
    valid_until=None,
)
enrolled, completed, issued = f.trained(f.LI_NA, ref="li")


def encoded(source: str, fact: Fact, stream: str) -> Encoded:
    return encode(source, fact, stream=stream, version=3, given=GIVEN, now=NOW)


def follows(source: str, fact: Fact, stream: str) -> list[Effect]:
    """What payment makes of a foreign fact."""
    return POLICIES[type(fact)](decode(encoded(source, fact, stream).state))


@pytest.mark.parametrize(
    ("fact", "awaited"),
    [
        (enrolled, f"enrolment:{enrolled.enrolment_id}"),
        (completed, f"training-verdict:{enrolled.enrolment_id}"),
    ],
)
def test_a_fact_of_the_training_wakes_what_waits_for_it(fact: Any, awaited: str) -> None:
    assert follows("enrolment", fact, fact.enrolment_id) == [Wake(awaited)]


def test_a_certificate_is_known_under_its_own_id_as_well() -> None:
    """It stands in its candidate's stream, and claims name it by its own id."""
    known, wake = follows("certification", issued, issued.candidate_id)
    assert known == AlsoKnownAs(issued.certificate_id)
    assert wake == Wake(f"certificate:{issued.certificate_id}")


def test_a_registered_key_is_known() -> None:
    known, wake = follows("enrolment", key, f.BATCH)
    assert isinstance(known, KnowKey)
    assert wake == Wake("key:bank-1")
    assert (known.key_id, known.uscc, known.kind, len(known.public_key)) == ("bank-1", f.BANK, "BANK", 32)


@pytest.mark.parametrize("fact", [f.account_of(), f.registered()])
def test_an_account_and_an_organisation_are_known_and_nothing_follows(fact: Fact) -> None:
    assert follows("enrolment", fact, f.stream_of(fact)) == []


def test_a_filed_claim_is_known_as_a_claim_of_its_person() -> None:
    """And, where the person is the payee, as money still on its way to their account: see ADR 0015."""
    assert tuple(effects(encoded("payment", f.claimed, f.CLAIM))) == (
        Reserve("claim", f.CLAIM, f.LI_NA),
        Reserve(open_claims(f.LI_NA), f.CLAIM, f.claimed.account_id),
    )


def test_a_batch_is_known_as_its_banks_and_wakes_the_receipts_that_came_before_it() -> None:
    batch = PaymentBatchCreated(
        batch_id=f.BATCH, region=f.XIAMEN, bank=f.BANK, claims=[f.CLAIM], total_fen=70000, decision_jws=None
    )
    assert tuple(effects(encoded("payment", batch, f.BATCH))) == (
        Reserve("payment-batch", f.BATCH, f.BANK),
        Wake(f"batch:{f.BATCH}"),
    )


def test_nothing_follows_from_the_other_facts() -> None:
    assert tuple(effects(encoded("payment", f.accepted, f.CLAIM))) == ()


def test_every_foreign_fact_that_decisions_look_at_is_followed() -> None:
    assert set(POLICIES) == {
        CertificateIssued, TraineeEnrolled, TrainingCompleted, PayeeAccountRegistered, InstitutionRegistered,
        ErasureOrdered, ErasureWithdrawn, SubjectErased, InstitutionKeyRegistered, InstitutionKeyRevoked,
    }  # fmt: skip
