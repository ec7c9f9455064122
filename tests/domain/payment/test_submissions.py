"""Lists of claims and the bank's receipts, from submission to outcome."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import msgspec
import pytest

from services.payment.policies import PublishPackages
from shared.contracts.intake import Reason
from shared.contracts.payment import (
    ClaimRefused,
    EntitlementRefused,
    EntitlementReserved,
    PaymentBatchReconciled,
    PaymentFailed,
    PolicyPublished,
    SubsidyClaimed,
    SubsidyPaid,
)
from shared.contracts.submission import ApplySubsidy, ClaimLine, ConfirmPayments, PaymentLine
from shared.eventstore.changes import Changes, Committed
from shared.eventstore.memory import MemoryStore
from shared.identity import application_id, claim_id, derive_id, entitlement_account_id
from shared.intake.handling import Accepted, Parked, Rejected
from tests.book import BOOK
from tests.domain.payment import facts as f
from tests.domain.payment.conftest import World

ACCOUNT = entitlement_account_id(f.LI_NA)


def listed(*refs: str, ref: str = "SQ-1") -> ApplySubsidy:
    """A list with one line a certificate."""
    lines = [ClaimLine(line=n, certificate_id=f.certificate_of(r)) for n, r in enumerate(refs, 1)]
    return ApplySubsidy(application_ref=ref, lines=lines)


def claim_of(school: str, line: int = 1, ref: str = "SQ-1") -> str:
    return claim_id(application_id(school, ref), line)


def refused(code: str, line: int = 1, field: str = "data.lines.certificate_id") -> Reason:
    return Reason(code=code, field=field, line=line)


def test_a_list_files_each_claim_and_reserves_each_entitlement(world: World) -> None:
    world.learns(*f.trained(f.LI_NA, ref="li"), *f.trained(f.WANG_FANG, ref="wang", level="4"))
    (outcome,) = world.decides(world.sent(listed("li", "wang"), by=f.SCHOOL))
    assert isinstance(outcome, Accepted)
    assert (outcome.lines, outcome.refused, len(outcome.facts)) == (2, [], 4)
    (filed,) = world.envelopes(claim_of(f.SCHOOL))
    assert isinstance(filed.data, SubsidyClaimed)
    assert (filed.data.computed_fen, filed.data.payee_kind, filed.data.claimant) == (
        70000,
        "INSTITUTION",
        f.SCHOOL,
    )
    assert filed.data.account_id == f.account_of().account_id
    assert filed.data.trace.demo
    assert (filed.actor, filed.duty, filed.region) == (f"institution:{f.SCHOOL}", "D7", f.XIAMEN)
    assert (filed.correlationid, filed.partitionkey) == (filed.data.enrolment_id, f.LI_NA)
    assert world.facts(ACCOUNT) == [
        EntitlementReserved(
            person_id=f.LI_NA, claim_id=claim_of(f.SCHOOL), occupation_id="elder-carer", level="5"
        )
    ]
    (second,) = world.facts(claim_of(f.SCHOOL, 2))
    assert second.computed_fen == 100000


@pytest.mark.parametrize("known", [0, 1, 2])
def test_a_list_waits_for_the_facts_it_rests_on_in_whatever_order_they_come(world: World, known: int) -> None:
    enrolled, completed, certificate = f.trained(f.LI_NA, ref="li")
    arriving = (certificate, enrolled, completed)
    awaited = (
        f"certificate:{certificate.certificate_id}",
        f"enrolment:{enrolled.enrolment_id}",
        f"training-verdict:{enrolled.enrolment_id}",
    )[known]
    world.learns(*arriving[:known])
    sent = world.sent(listed("li"), by=f.SCHOOL, named="s")
    assert world.decides(sent) == [Parked(awaited)]
    assert world.facts(claim_of(f.SCHOOL)) == []
    world.learns(arriving[known])
    assert world.ready() == [awaited]
    world.learns(*arriving[known + 1 :])
    (outcome,) = world.decides(sent)
    assert isinstance(outcome, Accepted)
    assert len(outcome.facts) == 2


def test_one_unknown_certificate_parks_the_whole_list(world: World) -> None:
    world.learns(*f.trained(f.LI_NA, ref="li"))
    (outcome,) = world.decides(world.sent(listed("li", "wang"), by=f.SCHOOL))
    assert outcome == Parked(f"certificate:{f.certificate_of('wang')}")
    assert world.facts(claim_of(f.SCHOOL)) == []
    assert world.facts(ACCOUNT) == []


def test_somebody_elses_trainee_is_refused_and_the_rest_of_the_list_stands(world: World) -> None:
    world.learns(*f.trained(f.LI_NA, ref="li"))
    world.learns(*f.trained(f.WANG_FANG, ref="wang", school=f.OTHER_SCHOOL, region=f.FUZHOU))
    (outcome,) = world.decides(world.sent(listed("wang", "li"), by=f.SCHOOL))
    assert outcome.refused == [refused("claim.not_your_trainee")]
    assert world.facts(claim_of(f.SCHOOL)) == []
    assert len(world.facts(claim_of(f.SCHOOL, 2))) == 1


def test_an_institution_without_an_account_cannot_claim() -> None:
    world = World()
    world.moves_to(f.CLAIM_DAY)
    world.learns(*f.trained(f.LI_NA, ref="li"))
    (outcome,) = world.decides(world.sent(listed("li"), by=f.SCHOOL))
    assert outcome.refused == [refused("claim.no_payee_account", field="data.lines.account")]
    assert world.facts(ACCOUNT) == []


@pytest.mark.parametrize(
    ("issued_on", "code"),
    [(date(2023, 6, 3), "claim.too_late"), (date(2023, 6, 4), ""), (date(2022, 12, 31), "claim.too_late")],
)
def test_a_claim_comes_within_twelve_months(world: World, issued_on: date, code: str) -> None:
    world.learns(*f.trained(f.LI_NA, ref="li", issued_on=issued_on))
    (outcome,) = world.decides(world.sent(listed("li"), by=f.SCHOOL))
    assert outcome.refused == ([refused(code)] if code else [])
    assert len(world.facts(claim_of(f.SCHOOL))) == (0 if code else 1)


def test_a_certificate_kind_without_a_standard_refuses_the_line(world: World) -> None:
    enrolled, completed, certificate = f.trained(f.LI_NA, ref="li")
    world.learns(enrolled, completed, msgspec.structs.replace(certificate, certificate_kind="COMPLETION"))
    (outcome,) = world.decides(world.sent(listed("li"), by=f.SCHOOL))
    assert outcome.refused == [refused("claim.no_standard")]
    assert world.facts(ACCOUNT) == []


def test_scenario_2_a_repeat_through_another_institution_and_region_is_refused(world: World) -> None:
    """The account names the first claim; the second institution's outcome does not."""
    world.learns(*f.trained(f.LI_NA, ref="li"))
    world.learns(*f.trained(f.LI_NA, ref="li-2", school=f.OTHER_SCHOOL, region=f.FUZHOU))
    world.decides(world.sent(listed("li"), by=f.SCHOOL))
    (outcome,) = world.decides(world.sent(listed("li-2"), by=f.OTHER_SCHOOL))
    first, second = claim_of(f.SCHOOL), claim_of(f.OTHER_SCHOOL)
    assert outcome.refused == [refused("entitlement.already_used")]
    filed, by_rule = world.facts(second)
    assert filed.computed_fen == 0
    assert by_rule == ClaimRefused(
        claim_id=second,
        person_id=f.LI_NA,
        enrolment_id=filed.enrolment_id,
        stage="RULE",
        reasons=[Reason(code="entitlement.already_used")],
        handler_id="",
        decision_jws=None,
    )
    assert world.facts(ACCOUNT)[1] == EntitlementRefused(
        person_id=f.LI_NA,
        claim_id=second,
        occupation_id="elder-carer",
        level="5",
        conflicts_with=first,
    )
    told = msgspec.json.encode((outcome.refused, filed, by_rule)).decode()
    assert first not in told
    assert f.SCHOOL not in told


def test_another_level_of_the_same_occupation_is_free(world: World) -> None:
    world.learns(*f.trained(f.LI_NA, ref="li"), *f.trained(f.LI_NA, ref="li-4", level="4"))
    (outcome,) = world.decides(world.sent(listed("li", "li-4"), by=f.SCHOOL))
    assert outcome.refused == []


@pytest.mark.parametrize("one_batch", [True, False])
def test_scenario_3_of_two_institutions_at_once_exactly_one_holds_the_entitlement(
    world: World, *, one_batch: bool
) -> None:
    """In one batch the second meets the first's staged facts; in two, its stored ones."""
    world.learns(*f.trained(f.LI_NA, ref="li"))
    world.learns(*f.trained(f.LI_NA, ref="li-2", school=f.OTHER_SCHOOL, region=f.FUZHOU))
    sent = [world.sent(listed("li"), by=f.SCHOOL), world.sent(listed("li-2"), by=f.OTHER_SCHOOL)]
    outcomes = world.decides(*sent) if one_batch else [world.decides(one)[0] for one in sent]
    codes = [[reason.code for reason in outcome.refused] for outcome in outcomes]
    assert codes == [[], ["entitlement.already_used"]]
    assert [type(fact) for fact in world.facts(ACCOUNT)] == [EntitlementReserved, EntitlementRefused]


class Overtaken(MemoryStore):
    """A store in which a rival commits between this worker's decision and its write."""

    rival: Callable[[], object] | None = None

    def commit(self, changes: Changes) -> Committed:
        """The rival first, once."""
        rival, self.rival = self.rival, None
        if rival is not None:
            rival()
        return super().commit(changes)


@pytest.mark.parametrize("first", [f.SCHOOL, f.OTHER_SCHOOL])
def test_scenario_3_two_workers_meet_at_the_account_and_the_slower_decides_again(first: str) -> None:
    store = Overtaken()
    slow = World(store)
    slow.moves_to(f.CLAIM_DAY)
    slow.learns(f.account_of(), f.account_of(f.OTHER_SCHOOL), *f.trained(f.LI_NA, ref="li"))
    slow.learns(*f.trained(f.LI_NA, ref="li-2", school=f.OTHER_SCHOOL, region=f.FUZHOU))
    lists = {f.SCHOOL: listed("li"), f.OTHER_SCHOOL: listed("li-2")}
    quick = World(store)
    second = f.OTHER_SCHOOL if first == f.SCHOOL else f.SCHOOL
    store.rival = lambda: quick.decides(quick.sent(lists[first], by=first, named="quick"))
    (outcome,) = slow.decides(slow.sent(lists[second], by=second, named="slow"))
    assert slow.executor.conflicts == 1
    assert outcome.refused == [refused("entitlement.already_used")]
    reserved, lost = slow.facts(ACCOUNT)
    assert (reserved.claim_id, lost.claim_id) == (claim_of(first), claim_of(second))
    assert lost.conflicts_with == claim_of(first)


def test_two_certificates_for_one_key_in_one_list_hold_it_once(world: World) -> None:
    world.learns(*f.trained(f.LI_NA, ref="li"), *f.trained(f.LI_NA, ref="li-again"))
    (outcome,) = world.decides(world.sent(listed("li", "li-again"), by=f.SCHOOL))
    assert outcome.refused == [refused("entitlement.already_used", line=2)]


def test_a_list_sent_again_under_another_submission_id_files_nothing(world: World) -> None:
    world.learns(*f.trained(f.LI_NA, ref="li"))
    world.decides(world.sent(listed("li"), by=f.SCHOOL))
    (outcome,) = world.decides(world.sent(listed("li"), by=f.SCHOOL))
    assert outcome == Accepted([], lines=1, refused=[refused("claim.already_filed", field="data.lines")])
    assert len(world.facts(ACCOUNT)) == 1


def test_a_line_filed_with_another_certificate_is_refused(world: World) -> None:
    world.learns(*f.trained(f.LI_NA, ref="li"), *f.trained(f.WANG_FANG, ref="wang"))
    world.decides(world.sent(listed("li"), by=f.SCHOOL))
    (outcome,) = world.decides(world.sent(listed("wang"), by=f.SCHOOL))
    assert outcome.refused == [refused("claim.already_filed", field="data.lines.line")]
    assert world.facts(entitlement_account_id(f.WANG_FANG)) == []


async def ordered(world: World, *refs: str) -> tuple[str, list[str]]:
    """A batch of approved claims, by the handlers of four duties. Returns its id and its claims."""
    for number, ref in enumerate(refs):
        world.learns(*f.trained(derive_id("person", str(number)), ref=ref))
    world.decides(world.sent(listed(*refs), by=f.SCHOOL))
    claims = [claim_of(f.SCHOOL, line) for line in range(1, len(refs) + 1)]
    await world.handler(f.ACCEPTOR, "D8").decides("accept", *claims)
    await world.handler(f.REVIEWER, "D9").decides("first_review", *claims)
    await world.handler(f.PUBLISHER, "D11").decides("publicise", *claims)
    world.moves_to(date(2024, 6, 14))
    await world.handler(f.APPROVER, "D12").decides("approve", *claims)
    body = {"region": f.XIAMEN, "bank": f.BANK, "claims": claims}
    answer = await world.handler(f.PAYER, "D14").post("/payment-batches", body)
    assert answer.status_code == 201, answer.text
    return answer.json()["batch_id"], claims


def receipt(
    batch: str, *lines: tuple[str, int, str], paid_on: date = date(2024, 6, 14), ref: str = "B"
) -> ConfirmPayments:
    """The bank's answers: (claim, amount, "" or the code of a failure)."""
    answers = [
        PaymentLine(
            claim_id=claim,
            amount_fen=amount,
            result="FAILED" if code else "PAID",
            code=code,
            bank_ref=f"{ref}-{number}",
        )
        for number, (claim, amount, code) in enumerate(lines, 1)
    ]
    return ConfirmPayments(batch_id=batch, paid_on=paid_on, lines=answers)


async def test_the_banks_receipt_pays_fails_and_reconciles_with_the_last_line(world: World) -> None:
    batch, (one, two) = await ordered(world, "a", "b")
    (half,) = world.decides(world.sent(receipt(batch, (one, 70000, "")), by=f.BANK))
    assert (len(half.facts), half.refused) == (1, [])
    assert len(world.facts(batch)) == 1
    (whole,) = world.decides(world.sent(receipt(batch, (two, 70000, "ACCOUNT_CLOSED")), by=f.BANK))
    assert (len(whole.facts), whole.refused) == (2, [])
    paid = world.envelopes(one)[-1]
    assert isinstance(paid.data, SubsidyPaid)
    assert (paid.actor, paid.duty, paid.data.bank_ref) == (f"bank:{f.BANK}", "D15", "B-1")
    assert isinstance(world.facts(two)[-1], PaymentFailed)
    assert world.facts(batch)[-1] == PaymentBatchReconciled(batch_id=batch, paid_fen=70000, failed_fen=70000)


async def test_scenario_12_the_same_receipt_three_times_pays_once(world: World) -> None:
    batch, (one,) = await ordered(world, "a")
    sent = [world.sent(receipt(batch, (one, 70000, ""), ref=f"B{n}"), by=f.BANK) for n in range(3)]
    first, second = world.decides(*sent[:2])
    (third,) = world.decides(sent[2])
    assert first.refused == []
    repeated = [refused("payment.already_answered", field="data.lines.claim_id")]
    assert (second.refused, third.refused) == (repeated, repeated)
    assert (second.facts, third.facts) == ([], [])
    assert sum(isinstance(fact, SubsidyPaid) for fact in world.facts(one)) == 1
    assert len(world.facts(batch)) == 2


async def test_a_differing_amount_and_a_foreign_line_are_refused_by_line(world: World) -> None:
    batch, (one, two) = await ordered(world, "a", "b")
    other = derive_id("claim", "of nobody")
    lines = ((one, 70001, ""), (other, 70000, ""), (two, 70000, "6222000000000000001"))
    (outcome,) = world.decides(world.sent(receipt(batch, *lines), by=f.BANK))
    assert [(reason.line, reason.code) for reason in outcome.refused] == [
        (1, "payment.amount_differs"),
        (2, "payment.not_ordered"),
        (3, "payment.code_malformed"),
    ]
    assert outcome.facts == []


async def test_a_receipt_dated_ahead_of_the_business_date_is_rejected(world: World) -> None:
    batch, (one,) = await ordered(world, "a")
    late = receipt(batch, (one, 70000, ""), paid_on=date(2024, 6, 15))
    (outcome,) = world.decides(world.sent(late, by=f.BANK))
    assert outcome == Rejected([Reason(code="payment.dated_in_future", field="data.paid_on")])


async def test_another_bank_cannot_answer(world: World) -> None:
    batch, (one,) = await ordered(world, "a")
    (outcome,) = world.decides(world.sent(receipt(batch, (one, 70000, "")), by=f.OTHER_BANK))
    assert outcome == Rejected([Reason(code="batch.other_bank", field="data.batch_id")])


async def test_a_receipt_for_an_unknown_batch_waits_for_it(world: World) -> None:
    body = receipt(derive_id("batch", "not yet"), (derive_id("c"), 70000, ""))
    (outcome,) = world.decides(world.sent(body, by=f.BANK))
    assert outcome == Parked(f"batch:{body.batch_id}")


async def test_a_bank_that_names_a_claim_as_a_batch_waits_in_vain_and_breaks_nothing(world: World) -> None:
    _, (one,) = await ordered(world, "a")
    (outcome,) = world.decides(world.sent(receipt(one, (one, 70000, "")), by=f.BANK))
    assert outcome == Parked(f"batch:{one}")


def test_every_policy_package_is_published_once_after_the_first_day(world: World) -> None:
    names = {f"{package.id}@{package.version}" for package in BOOK.packages()}
    published = PublishPackages(BOOK)
    assert len(world.executor.run([published]).results[0]) == len(names)
    assert world.executor.run([published]).results[0] == []
    told = [fact.data for fact in world.all_facts() if isinstance(fact.data, PolicyPublished)]
    assert {f"{fact.package}@{fact.version}" for fact in told} == names
    assert {fact.sha256 for fact in told} == {package.sha256 for package in BOOK.packages()}


def test_nothing_is_published_before_the_first_day() -> None:
    assert World().executor.run([PublishPackages(BOOK)]).results == [[]]
