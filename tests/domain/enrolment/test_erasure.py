"""The erasure of a person's data: two people, payment's answer, and what HTTP says of it."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from services.enrolment.api import erasures
from services.enrolment.domain import erasure as rules
from services.enrolment.domain.erasure import (
    ConfirmErasure,
    OrderErasure,
    RecordErased,
    WithdrawErasure,
    erasure,
)
from services.enrolment.policies import POLICIES
from shared.access.actor import Actor
from shared.access.commands import refused_actions_id
from shared.access.edge import Edge
from shared.contracts.enrolment import ErasureConfirmed, ErasureOrdered, ErasureWithdrawn, SubjectErased
from shared.contracts.payment import ErasureAnswered
from shared.identity import erasure_id
from shared.testing.scenario import given
from shared.testing.web import NOWHERE, acting, mounted
from tests.book import BOOK
from tests.domain.enrolment import facts
from tests.domain.enrolment.conftest import World

PERSON = facts.LI_NA
FIRST = Actor("handler", "h-001", frozenset(("ERASURE",)))
SECOND = Actor("handler", "h-002", frozenset(("ERASURE",)))

ordered = ErasureOrdered(person_id=PERSON, order_no=1, handler_id="h-001", reason="CONSENT_WITHDRAWN")
confirmed = ErasureConfirmed(person_id=PERSON, order_no=1, handler_id="h-002")
withdrawn = ErasureWithdrawn(person_id=PERSON, order_no=1, handler_id="h-001")
erased = SubjectErased(
    person_id=PERSON, order_no=1, data_keys=1, values=3, commitments=1, submissions=2, accounts=1
)
cleared = ErasureAnswered(person_id=PERSON, order_no=1, open_claims=[])
held = ErasureAnswered(person_id=PERSON, order_no=1, open_claims=["c-1"])


def order(answer: ErasureAnswered | None = None) -> OrderErasure:
    """The first handler orders."""
    return OrderErasure(person_id=PERSON, handler_id="h-001", reason="CONSENT_WITHDRAWN", answer=answer)


def confirm(by: str = "h-002", answer: ErasureAnswered | None = cleared) -> ConfirmErasure:
    """Another handler confirms."""
    return ConfirmErasure(person_id=PERSON, handler_id=by, answer=answer)


withdraw = WithdrawErasure(person_id=PERSON, handler_id="h-001")


def test_an_order_is_confirmed_by_another_handler():
    given(erasure).when(order()).then(ordered)
    given(erasure, ordered).when(confirm()).then(confirmed)


def test_whoever_ordered_can_not_confirm():
    given(erasure, ordered).when(confirm("h-001")).then_refused(rules.SameHandler)


def test_nothing_is_confirmed_that_nobody_ordered():
    given(erasure).when(confirm()).then_refused(rules.ErasureNotOrdered, "person_id")
    given(erasure, ordered, withdrawn).when(confirm()).then_refused(rules.ErasureNotOrdered, "person_id")


def test_before_payment_has_answered_this_very_order_nobody_confirms():
    given(erasure, ordered).when(confirm(answer=None)).then_refused(rules.PaymentNotAnswered)
    again = ErasureOrdered(person_id=PERSON, order_no=2, handler_id="h-001", reason="CONSENT_WITHDRAWN")
    given(erasure, ordered, withdrawn, again).when(confirm()).then_refused(rules.PaymentNotAnswered)


def test_while_money_is_on_its_way_nobody_confirms():
    given(erasure, ordered).when(confirm(answer=held)).then_refused(rules.PaymentUnderWay)


def test_an_order_that_a_payment_held_up_is_given_again():
    again = ErasureOrdered(person_id=PERSON, order_no=2, handler_id="h-001", reason="CONSENT_WITHDRAWN")
    given(erasure, ordered).when(order(held)).then(again)


@pytest.mark.parametrize("history", [(ordered,), (ordered, confirmed)])
def test_an_order_that_stands_is_not_given_again(history: tuple[rules.Event, ...]):
    given(erasure, *history).when(order(cleared)).then_nothing()


def test_only_an_unconfirmed_order_is_withdrawn():
    given(erasure, ordered).when(withdraw).then(withdrawn)
    given(erasure).when(withdraw).then_nothing()
    given(erasure, ordered, confirmed).when(withdraw).then_refused(rules.ConfirmedAlready, "person_id")


def test_what_was_deleted_is_recorded_once():
    given(erasure, ordered, confirmed).when(RecordErased(erased)).then(erased)
    given(erasure, ordered, confirmed, erased).when(RecordErased(erased)).then_nothing()


def test_a_person_who_enrolled_anew_may_be_erased_again():
    second = ErasureOrdered(person_id=PERSON, order_no=2, handler_id="h-001", reason="CONSENT_WITHDRAWN")
    given(erasure, ordered, confirmed, erased).when(order(cleared)).then(second)
    given(erasure, ordered, confirmed, erased, second).when(RecordErased(erased)).then_nothing()


def client(world: World, actor: Actor) -> TestClient:
    """A handler's browser; the vault knows Li Na alone."""
    routes = erasures.router(
        Edge(world.executor, NOWHERE, BOOK), acting(actor), lambda person: person == PERSON
    )
    return TestClient(mounted("enrolment", routes))


def post(http: TestClient, body: Any, *, person: str = PERSON, path: str = "", key: str = "k") -> Any:
    """A command about a person's erasure."""
    answer = http.post(f"/persons/{person}/erasure{path}", json=body, headers={"Idempotency-Key": key})
    return answer.status_code, answer.json()


def test_order_answer_and_confirmation_over_http(world: World):
    """Where it stands can be looked at in between; the facts name both handlers."""
    http = client(world, FIRST)
    assert http.get(f"/persons/{PERSON}/erasure").json()["status"] == "NONE"
    assert post(http, {"reason": "CONSENT_WITHDRAWN"})[0] == 200
    status, answer = post(client(world, SECOND), {"decision": "confirm"}, path="/decision")
    assert (status, answer["code"]) == (409, "erasure.payment_not_answered")
    world.takes(POLICIES, cleared, stream=erasure_id("payment", PERSON))
    assert http.get(f"/persons/{PERSON}/erasure").json()["open_claims"] == []
    status, answer = post(client(world, SECOND), {"decision": "confirm"}, path="/decision", key="k-2")
    assert (status, answer["outcome"]) == (200, "done")
    shown = http.get(f"/persons/{PERSON}/erasure").json()
    assert (shown["status"], shown["ordered_by"], shown["confirmed_by"]) == ("CONFIRMED", "h-001", "h-002")
    found = world.facts(erasure_id("enrolment", PERSON))
    assert [(fact.actor, fact.duty) for fact in found] == [
        ("handler:h-001", "ERASURE"),
        ("handler:h-002", "ERASURE"),
    ]


def test_confirming_the_own_order_is_refused_and_recorded(world: World):
    http = client(world, FIRST)
    post(http, {"reason": "CONSENT_WITHDRAWN"})
    world.takes(POLICIES, cleared, stream=erasure_id("payment", PERSON))
    status, answer = post(http, {"decision": "confirm"}, path="/decision", key="k-2")
    assert (status, answer["code"]) == (409, "erasure.same_handler")
    (fact,) = world.facts(refused_actions_id("enrolment", FIRST, facts.TODAY.isoformat()))
    assert (fact.data.action, fact.data.code) == ("ConfirmErasure", "erasure.same_handler")


def test_without_the_duty_nobody_orders_confirms_or_looks(world: World):
    http = client(world, Actor("handler", "h-009", frozenset(("REGISTRAR",))))
    assert post(http, {"reason": "OTHER_LAW"})[0] == 403
    assert post(http, {"decision": "confirm"}, path="/decision", key="k-2")[0] == 403
    assert http.get(f"/persons/{PERSON}/erasure").status_code == 403


def test_a_person_whom_the_vault_does_not_know_is_told_so(world: World):
    status, answer = post(client(world, FIRST), {"reason": "OTHER_LAW"}, person=facts.WANG_WEI)
    assert (status, answer["code"]) == (404, "person.unknown")
