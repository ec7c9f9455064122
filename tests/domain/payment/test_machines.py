"""Payment under everything that happens to it: any order, repeats, crashes, rivals, refusals, banks that fail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from services.payment.domain.claim import claim as claims
from services.payment.domain.rules import next_step
from shared.access.actor import Actor
from shared.contracts.fact import Fact
from tests.book import BOOK
from tests.domain.kernel.crashing import Moment
from tests.domain.payment import facts as f
from tests.domain.payment.money import Books
from tests.domain.payment.under_fire import BANK, DUTIES, SCHOOLS, Command, PaymentUnderFire

PEOPLE = (f.LI_NA, f.WANG_FANG)
REFS = {(who, school): f"{who[:4]}-{school[-1]}" for who in PEOPLE for school in SCHOOLS}
LEARNED: tuple[Fact, ...] = tuple(
    fact for (who, school), ref in REFS.items() for fact in f.trained(who, ref=ref, school=school)
)
"""Both were trained for the same at both schools: two certificates for one entitlement each."""
HANDLERS = ("h-1", "h-2", "h-3", "h-4", "h-5", "h-6")
ACTIONS = ("accept", "first_review", "re_review", "publicise", "approve", "refuse")
STEPS = {
    "ACCEPT": "accept",
    "FIRST_REVIEW": "first_review",
    "RE_REVIEW": "re_review",
    "NOTICE": "publicise",
    "APPROVE": "approve",
}
REVIEWS = BOOK.procedure(f.XIAMEN, f.CLAIM_DAY).review_stages

who = st.sampled_from(PEOPLE)
school = st.sampled_from(SCHOOLS)
some = st.integers(0, 50)
answers = st.sampled_from(("PAID", "PAID", "FAILED", "WRONG", ""))
"""Of one line by the bank: with the ordered amount, failed, with another amount, not at all."""


def handler(name: str) -> Actor:
    """Somebody with every duty: what separates them is the claim's history alone."""
    return Actor("handler", name, DUTIES)


class PaymentMachine(RuleBasedStateMachine):
    """Two people, two schools, one bank, six handlers."""

    def __init__(self) -> None:
        super().__init__()
        self.payment = PaymentUnderFire()
        self.books = Books()
        self._entered = 0
        self._number = 0

    def _new(self) -> int:
        self._number += 1
        return self._number

    @initialize(late=st.sets(st.sampled_from(range(len(LEARNED))), max_size=3), ordered=st.booleans())
    def begins(self, late: set[int], *, ordered: bool) -> None:
        """All but a few facts have come; or all, and a claim of each person stands in a batch at the bank."""
        for number, fact in enumerate(LEARNED):
            if ordered or number not in late:
                self.payment.learn(fact)
        if ordered:
            for school, who in zip(SCHOOLS, PEOPLE, strict=True):
                self.school_claims(school=school, people=[who])
            self.payment.settle()
            self.books_balance()
            self.weeks_of_work_pass()

    @rule(fact=st.sampled_from(LEARNED))
    def fact_arrives(self, fact: Fact) -> None:
        """From enrolment or certification, in any order, again and again."""
        self.payment.learn(fact)

    @rule(school=school, people=st.lists(who, min_size=1, max_size=2, unique=True))
    def school_claims(self, school: str, people: list[str]) -> None:
        """A list of claims."""
        number = self._new()
        lines = [
            {"line": line, "certificate_id": f.certificate_of(REFS[who, school])}
            for line, who in enumerate(people, 1)
        ]
        self.payment.send(
            school, "ApplySubsidy", f"list-{number}", application_ref=f"A-{number}", lines=lines
        )

    @rule(who=who, school=school)
    def person_claims(self, who: str, school: str) -> None:
        """Over HTTP, on one of their certificates."""
        number = self._new()
        account = {"number": "6222000000000001", "holder": "某某", "bank": "某某银行"}
        certificate = f.certificate_of(REFS[who, school])
        body = {"application_ref": f"SQ-{number}", "certificate_id": certificate, "account": account}
        self.payment.ask(Command(Actor("person", who, frozenset()), "/claims", body, f"claim-{number}"))

    @rule(count=st.integers(1, 3), back=st.sampled_from((0, 0, 2)))
    def worker_reads(self, count: int, back: int) -> None:
        """Some records, perhaps some of them again."""
        self.payment.read(count, back=back)

    @precondition(lambda self: self.payment.log)
    @rule(which=some)
    def sender_sends_again(self, which: int) -> None:
        """The same bytes once more."""
        self.payment.send_again(self.payment.log[which % len(self.payment.log)])

    @rule()
    def parking_wakes(self) -> None:
        """What is ready is decided."""
        self.payment.wake()

    @rule(moment=st.sampled_from(("before", "after")))
    def database_fails(self, moment: Moment) -> None:
        """At the next transaction."""
        self.payment.store.crash(moment)

    @rule()
    def process_dies(self) -> None:
        """And another starts."""
        self.payment.restart()

    @rule(days=st.sampled_from((1, 1, 8)))
    def days_pass(self, days: int) -> None:
        """Business days; a public notice lasts about a week."""
        for _ in range(days):
            self.payment.next_day()

    def _waiting(self, *steps: str) -> list[str]:
        """Claims that wait for a step."""
        found = []
        for claim_id in sorted(self.books.claims):
            state = self.payment.world.run(lambda draft, at=claim_id: draft.state(claims, at))
            step = next_step(state.stage, REVIEWS)
            if step in steps:
                found.append(claim_id)
        return found

    @precondition(lambda self: self.books.claims)
    @rule(action=st.sampled_from(ACTIONS), name=st.sampled_from(HANDLERS), which=some)
    def handler_decides(self, action: str, name: str, which: int) -> None:
        """Whoever it is, whatever the claim waits for; many are refused."""
        claim_id = sorted(self.books.claims)[which % len(self.books.claims)]
        self._decide(action, name, [claim_id])

    @rule(steps=st.integers(1, 4))
    def work_lists_are_done(self, steps: int) -> None:
        """The right handlers do the first steps for everything that waits for them."""
        for (step, action), name in zip(list(STEPS.items())[:steps], HANDLERS, strict=False):
            if waiting := self._waiting(step):
                self._decide(action, name, waiting)

    @precondition(lambda self: self.books.claims)
    @rule()
    def weeks_of_work_pass(self) -> None:
        """All that can be handled is, up to its payment order."""
        self.work_lists_are_done(steps=4)
        self.days_pass(days=8)
        if waiting := self._waiting("APPROVE"):
            self._decide("approve", HANDLERS[4], waiting)
        self.finance_pays(name=HANDLERS[5])

    def _decide(self, action: str, name: str, wanted: Sequence[str]) -> None:
        reasons = ["review.evidence_insufficient"] if action == "refuse" else []
        body = {"action": action, "claims": [{"claim_id": one, "reasons": reasons} for one in wanted]}
        self.payment.ask(Command(handler(name), "/claims/decisions", body, f"decide-{self._new()}"))

    @rule(name=st.sampled_from(("h-6", "h-6", "h-2")))
    def finance_pays(self, name: str) -> None:
        """All that are approved or came back, in one batch."""
        if waiting := self._waiting("PAY"):
            body = {"region": f.XIAMEN, "bank": BANK, "claims": waiting}
            self.payment.ask(Command(handler(name), "/payment-batches", body, f"pay-{self._new()}"))

    @precondition(lambda self: self.books.batches)
    @rule(which=some, results=st.lists(answers, min_size=4, max_size=4))
    def bank_answers(self, which: int, results: list[str]) -> None:
        """Some lines of a batch, answered or not before; some with an amount that isn't the ordered one."""
        batch = self.books.batches[sorted(self.books.batches)[which % len(self.books.batches)]]
        lines = [
            _line(claim_id, self.books.orders[batch.batch_id, claim_id], result)
            for claim_id, result in zip(batch.claims, results, strict=False)
            if result
        ]
        if lines:
            name = f"bank-{self._new()}"
            paid_on = self.payment.today.isoformat()
            self.payment.send(
                BANK, "ConfirmPayments", name, batch_id=batch.batch_id, paid_on=paid_on, lines=lines
            )

    @invariant()
    def books_balance(self) -> None:
        """See `Books.must_balance`."""
        facts = self.payment.facts(self._entered)
        self._entered += len(facts)
        self.books.enter(facts)
        self.books.must_balance()

    def teardown(self) -> None:
        """All that was sent has one receipt; everything once more changes nothing, and is answered the same."""
        payment = self.payment
        payment.settle()
        head = payment.store.head()
        for record in list(payment.log):
            payment.send_again(record)
        payment.restart()
        payment.settle()
        for command, answer in list(payment.answered):
            assert payment.ask(command).json() == answer
        assert payment.store.head() == head
        for _ in range(5):
            payment.next_day()
        self.books_balance()
        assert len(self.books.receipts) == len({record.value for record in payment.log})
        assert not payment.store.tables.parked


def _line(claim_id: str, fen: int, result: str) -> dict[str, Any]:
    wrong = result == "WRONG"
    return {
        "claim_id": claim_id,
        "amount_fen": fen + 1 if wrong else fen,
        "result": "PAID" if wrong else result,
        "code": "ACCOUNT_CLOSED" if result == "FAILED" else "",
        "bank_ref": "B-1",
    }


TestPaymentMachine = pytest.mark.timeout(600)(PaymentMachine.TestCase)
TestPaymentMachine.settings = settings(
    max_examples=25, stateful_step_count=40, derandomize=True, print_blob=True, deadline=None
)


def _end(payment: PaymentUnderFire) -> Counter[tuple[str, str]]:
    """Everything that was decided, without where and when it was read."""

    def plain(data: Any) -> str:
        told: dict[str, Any] = msgspec.to_builtins(data)
        told.pop("origin", None)
        return msgspec.json.encode(told, order="deterministic").decode()

    return Counter((fact.subject, plain(fact.data)) for fact in payment.facts())


def _lists() -> list[tuple[str, str]]:
    """One claimant for each entitlement: nobody races here."""
    return list(zip(SCHOOLS, PEOPLE, strict=True))


def _send_list(payment: PaymentUnderFire, school: str, who: str) -> None:
    line = {"line": 1, "certificate_id": f.certificate_of(REFS[who, school])}
    payment.send(school, "ApplySubsidy", "list-1", application_ref="A-1", lines=[line])


@settings(max_examples=120, derandomize=True, print_blob=True)
@given(data=st.data())
def test_facts_and_lists_in_any_order_with_crashes_come_to_the_same_claims(data: st.DataObject) -> None:
    """A list before its certificate, a certificate before its enrolment: within the deadline order decides nothing."""
    calm, payment = PaymentUnderFire(), PaymentUnderFire()
    for fact in LEARNED:
        calm.learn(fact)
    for school, who in _lists():
        _send_list(calm, school, who)
    calm.settle()
    happenings: list[Any] = data.draw(st.permutations([*LEARNED, *_lists(), *LEARNED[:2]]))
    for happening in happenings:
        match data.draw(st.sampled_from(("", "", "before", "after", "dies"))):
            case "dies":
                payment.restart()
            case "":
                pass
            case moment:
                payment.store.crash(moment)
        if isinstance(happening, tuple):
            _send_list(payment, *happening)
        else:
            payment.learn(happening)
        payment.read(data.draw(st.integers(0, 2)))
        payment.wake()
    payment.settle()
    assert _end(payment) == _end(calm)
