"""Payment's part in an erasure: its answer names open claims, and after a clear one no claim is opened."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from services.payment.domain.erasure import MAX_NAMED, AnswerErasure, erasure_answers
from services.payment.policies import POLICIES, answer_erasure
from shared.contracts.enrolment import ErasureOrdered, ErasureWithdrawn, SubjectErased
from shared.contracts.fact import Fact, decode, encode
from shared.contracts.payment import ErasureAnswered
from shared.contracts.submission import ApplySubsidy, ClaimLine
from shared.identity import erasure_id
from shared.testing.scenario import given
from tests.domain.payment import facts as f
from tests.domain.payment.conftest import World

ASKED = datetime(2024, 6, 4, 2, tzinfo=UTC)
ABOUT = erasure_id("enrolment", f.LI_NA)
ACCOUNT = {"number": "6222021234567890123", "holder": "李娜", "bank": "某某银行厦门支行"}


def ordered(number: int = 1) -> ErasureOrdered:
    return ErasureOrdered(
        person_id=f.LI_NA, order_no=number, handler_id="h-privacy-1", reason="CONSENT_WITHDRAWN"
    )


def erased(number: int = 1) -> SubjectErased:
    return SubjectErased(
        person_id=f.LI_NA, order_no=number, data_keys=1, values=3, commitments=0, submissions=2, accounts=0
    )


def withdrawn(number: int = 1) -> ErasureWithdrawn:
    return ErasureWithdrawn(person_id=f.LI_NA, order_no=number, handler_id="h-privacy-1")


def learns(world: World, fact: Fact) -> None:
    """Enrolment's fact arrives, with what it makes payment decide."""
    world.takes(POLICIES, fact, stream=ABOUT)
    if isinstance(fact, ErasureOrdered):
        circumstances = world.given(f.CLAIM_DAY)
        state = encode("enrolment", fact, stream=ABOUT, version=1, given=circumstances, now=ASKED).state
        world.run(lambda draft: answer_erasure(decode(state), draft))


def answers(world: World) -> list[Any]:
    return world.facts(erasure_id("payment", f.LI_NA))


def body(ref: str = "li") -> dict[str, Any]:
    return {"application_ref": "SQ-1", "certificate_id": f.certificate_of(ref), "account": ACCOUNT}


def answer(number: int, *open_claims: str) -> ErasureAnswered:
    return ErasureAnswered(person_id=f.LI_NA, order_no=number, open_claims=list(open_claims))


def test_an_order_is_answered_once_and_names_a_bounded_number_of_claims() -> None:
    command = AnswerErasure(person_id=f.LI_NA, order_no=1, open_claims=())
    given(erasure_answers).when(command).then(answer(1))
    given(erasure_answers, answer(1)).when(command).then_nothing()
    many = tuple(f"c-{number:02}" for number in range(MAX_NAMED + 5))
    command = AnswerErasure(person_id=f.LI_NA, order_no=2, open_claims=many)
    given(erasure_answers, answer(1)).when(command).then(answer(2, *many[:MAX_NAMED]))


async def test_a_claim_to_the_persons_own_account_holds_the_erasure_up(world: World) -> None:
    """Until it is refused, or paid; then the next order is clear."""
    world.learns(*f.trained(f.LI_NA, ref="li", issued_on=date(2024, 6, 1)))
    filed = (await world.person(f.LI_NA).post("/claims", body())).json()["claim_id"]
    learns(world, ordered())
    assert answers(world) == [answer(1, filed)]
    await world.handler(f.ACCEPTOR, "D8").decides("refuse", filed, reasons=["claim.certificate_unknown"])
    learns(world, ordered(2))
    assert answers(world)[-1] == answer(2)


async def test_after_a_clear_answer_the_person_opens_no_claim(world: World) -> None:
    """Or money would be ordered to an account that nobody can read any more."""
    world.learns(*f.trained(f.LI_NA, ref="li"))
    learns(world, ordered())
    told = await world.person(f.LI_NA).post("/claims", body())
    assert (told.status_code, told.json()["code"]) == (409, "person.erased")


async def test_an_order_that_was_withdrawn_closes_nothing(world: World) -> None:
    world.learns(*f.trained(f.LI_NA, ref="li"))
    learns(world, ordered())
    learns(world, withdrawn())
    assert (await world.person(f.LI_NA).post("/claims", body())).status_code == 201


async def test_who_enrols_anew_after_an_erasure_claims_again_until_the_next_order(world: World) -> None:
    world.learns(*f.trained(f.LI_NA, ref="li"))
    learns(world, ordered())
    learns(world, erased())
    assert (await world.person(f.LI_NA).post("/claims", body())).status_code == 201


def test_an_institutions_claim_is_no_obstacle_and_stays_open_to_it(world: World) -> None:
    """It is paid to the institution: nothing of the person's is needed."""
    world.learns(*f.trained(f.LI_NA, ref="li"))
    learns(world, ordered())
    line = ClaimLine(line=1, certificate_id=f.certificate_of("li"))
    (outcome,) = world.decides(world.sent(ApplySubsidy(application_ref="L-1", lines=[line]), by=f.SCHOOL))
    assert outcome.refused == []
    learns(world, ordered(2))
    assert answers(world) == [answer(1), answer(2)]
