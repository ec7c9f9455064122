"""The no-repeat rule (R50): one live claim a person, occupation and level."""

from __future__ import annotations

from services.payment.domain.entitlement_account import Command, Release, Reserve, entitlement_account
from shared.contracts.payment import EntitlementRefused, EntitlementReleased, EntitlementReserved
from shared.testing.scenario import Scenario, given
from tests.domain.payment.facts import LI_NA

reserved = EntitlementReserved(person_id=LI_NA, claim_id="c-1", occupation_id="elder-carer", level="5")
refused = EntitlementRefused(
    person_id=LI_NA, claim_id="c-2", occupation_id="elder-carer", level="5", conflicts_with="c-1"
)
released = EntitlementReleased(person_id=LI_NA, claim_id="c-1", occupation_id="elder-carer", level="5")


def reserve(claim: str, occupation: str = "elder-carer", level: str = "5") -> Reserve:
    return Reserve(person_id=LI_NA, claim_id=claim, occupation_id=occupation, level=level)


def release(claim: str) -> Release:
    return Release(person_id=LI_NA, claim_id=claim, occupation_id="elder-carer", level="5")


def account(*history: EntitlementReserved | EntitlementRefused | EntitlementReleased) -> Scenario[Command]:
    return given(entitlement_account, *history)


def test_the_first_claim_holds_the_entitlement() -> None:
    account().when(reserve("c-1")).then(reserved).when(reserve("c-1")).then_nothing()


def test_a_second_claim_is_refused_by_a_fact_that_names_the_first() -> None:
    account(reserved).when(reserve("c-2")).then(refused).when(reserve("c-2")).then_nothing()


def test_another_level_and_another_occupation_are_free() -> None:
    account(reserved).when(reserve("c-3", level="4")).then(
        EntitlementReserved(person_id=LI_NA, claim_id="c-3", occupation_id="elder-carer", level="4")
    )
    account(reserved).when(reserve("c-3", occupation="electrician")).then(
        EntitlementReserved(person_id=LI_NA, claim_id="c-3", occupation_id="electrician", level="5")
    )


def test_a_special_ability_has_the_one_level_x() -> None:
    held = EntitlementReserved(person_id=LI_NA, claim_id="c-1", occupation_id="elder-carer", level="X")
    account(held).when(reserve("c-2", level="X")).then(
        EntitlementRefused(
            person_id=LI_NA, claim_id="c-2", occupation_id="elder-carer", level="X", conflicts_with="c-1"
        )
    )


def test_a_released_entitlement_is_free_for_another_claim() -> None:
    free = account(reserved).when(release("c-1")).then(released)
    free.when(release("c-1")).then_nothing()
    free.when(reserve("c-4")).then(
        EntitlementReserved(person_id=LI_NA, claim_id="c-4", occupation_id="elder-carer", level="5")
    )


def test_a_claim_that_holds_nothing_releases_nothing() -> None:
    account(reserved, refused).when(release("c-2")).then_nothing()
    account().when(release("c-1")).then_nothing()
