"""Enrolment's HTTP commands on an in-memory store: registering, approving, opening days."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from services.enrolment.api.models import NewAccount
from services.enrolment.api.router import router
from shared.access.actor import Actor
from shared.access.commands import refused_actions_id
from shared.contracts.codes.catalogue import CATALOGUE
from shared.contracts.enrolment import (
    BusinessDayOpened,
    ClassApproved,
    InstitutionKeyRegistered,
    InstitutionKeyRevoked,
    InstitutionRegistered,
    PayeeAccountRegistered,
)
from shared.eventstore.businessdate import STREAM, business_time
from shared.eventstore.changes import SetDeadline
from shared.identity import institution_id
from shared.testing.web import NOWHERE, acting, mounted
from tests.book import BOOK
from tests.domain.enrolment import facts
from tests.domain.enrolment.conftest import World

REGISTRAR = Actor("handler", "h-001", frozenset(("REGISTRAR",)))
CLERK = Actor("handler", "h-002", frozenset(("DAY",)))
APPROVER = Actor("handler", "h-003", frozenset(("D3",)))
LI_NA = Actor("person", facts.LI_NA, frozenset())
NUMBER = "6222020000001234567"
SCHOOL = {
    "uscc": facts.SCHOOL,
    "name": "福州某某培训学校",
    "kind": "TRAINING",
    "region": facts.REGION,
    "key": {
        "key_id": "k-1",
        "public_key": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        "valid_from": "2024-01-01T00:00:00+08:00",
    },
    "account": {"number": NUMBER, "holder": "福州某某培训学校", "bank": "某某银行"},
}
BODY = SCHOOL | {"uscc": facts.BODY, "kind": "ASSESSMENT", "account": None}


class Vault:
    """Keeps accounts as the vault does: the same number of the same owner is the same account."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], tuple[str, str]] = {}

    def register(self, uscc: str, account: NewAccount) -> tuple[str, str]:
        """(account id, commitment)."""
        name = uscc, account.number
        return self.kept.setdefault(name, (f"a-{len(self.kept) + 1}", "c" * 64))


@pytest.fixture
def vault() -> Vault:
    """An empty vault."""
    return Vault()


def client(world: World, actor: Actor | None, vault: Vault | None = None) -> TestClient:
    """Somebody with a token, or nobody."""
    kept = vault or Vault()
    routes = router(
        world.executor, NOWHERE, book=BOOK, authenticate=acting(actor), register_account=kept.register
    )
    return TestClient(mounted("enrolment", routes))


def post(http: TestClient, path: str, body: Any, key: str = "k-1") -> tuple[int, Any]:
    """POST with an Idempotency-Key."""
    answer = http.post(path, json=body, headers={"Idempotency-Key": key} if key else {})
    return answer.status_code, answer.json()


def types(world: World, stream: str) -> list[type]:
    """The facts of a stream, by class."""
    return [type(fact.data) for fact in world.facts(stream)]


def test_an_institution_is_registered_with_account_and_first_key_at_once(world: World):
    status, answer = post(client(world, REGISTRAR), "/institutions", SCHOOL)
    stream = institution_id(facts.SCHOOL)
    found = world.facts(stream)
    assert (status, answer["outcome"]) == (200, "done")
    assert answer["facts"] == [fact.id for fact in found]
    assert types(world, stream) == [InstitutionRegistered, PayeeAccountRegistered, InstitutionKeyRegistered]
    assert {(fact.actor, fact.duty) for fact in found} == {("handler:h-001", "REGISTRAR")}
    assert world.store.tables.keys["k-1"].public_key == bytes(range(32))


def test_what_a_handler_decides_came_about_on_the_business_date(world: World):
    """At the local time of the machine: a replay tells it between what institutions sent before and after it."""
    post(client(world, REGISTRAR), "/institutions", SCHOOL)
    found = world.facts(institution_id(facts.SCHOOL))
    assert {fact.businessdate for fact in found} == {facts.TODAY}
    assert {fact.occurredat.date() for fact in found} == {facts.TODAY}
    assert {fact.occurredat.utcoffset() for fact in found} == {timedelta(hours=8)}


def test_a_business_time_is_the_date_with_the_local_time_of_day():
    """22:30 UTC is past midnight in Fujian: the time of day moves on, the date is the business date's."""
    at = business_time(date(2024, 5, 13), datetime(2026, 11, 28, 22, 30, 1, tzinfo=UTC))
    assert at.isoformat() == "2024-05-13T06:30:01+08:00"


def test_an_account_s_number_stands_nowhere_but_in_the_vault(world: World, vault: Vault):
    """Neither in a fact nor in the stored answer; and not as a hash that one could try numbers on."""
    http = client(world, REGISTRAR, vault)
    post(http, "/institutions", SCHOOL)
    assert list(vault.kept) == [(facts.SCHOOL, NUMBER)]
    everything = [row.state for row in world.store.tables.log]
    everything += [kept.answer for kept in world.store.tables.answers.values()]
    assert not any(NUMBER.encode() in state for state in everything)
    other_words = SCHOOL | {"account": {**SCHOOL["account"], "holder": "另一写法"}}  # type: ignore[dict-item]
    assert post(http, "/institutions", other_words)[0] == 200


def test_the_same_registration_under_another_key_changes_nothing(world: World, vault: Vault):
    http = client(world, REGISTRAR, vault)
    post(http, "/institutions", SCHOOL)
    status, answer = post(http, "/institutions", SCHOOL, key="k-2")
    assert (status, answer["outcome"], answer["facts"]) == (200, "already", [])


def test_a_repetition_gets_the_first_answer(world: World, vault: Vault):
    http = client(world, REGISTRAR, vault)
    assert post(http, "/institutions", SCHOOL) == post(http, "/institutions", SCHOOL)
    assert len(world.facts(institution_id(facts.SCHOOL))) == 3


@pytest.mark.parametrize(
    ("changes", "status", "code", "field"),
    [
        ({"name": "另一名称"}, 409, "institution.already_registered", "name"),
        (
            {"account": {"number": "999999999", "holder": "x", "bank": "y"}},
            409,
            "institution.already_registered",
            "account",
        ),
        ({"uscc": facts.SCHOOL[:-1] + "8"}, 422, "institution.uscc_invalid", "uscc"),
        ({"uscc": facts.OTHER_SCHOOL, "region": "310100"}, 422, "institution.unknown_region", "region"),
        ({"uscc": facts.OTHER_SCHOOL, "account": None}, 422, "institution.account_missing", "account"),
        ({"uscc": facts.OTHER_SCHOOL}, 409, "institution.key_used", "key_id"),
    ],
)
def test_what_the_rules_refuse_answers_a_problem_and_writes_nothing(
    world: World, vault: Vault, changes: dict[str, Any], status: int, code: str, field: str
):
    http = client(world, REGISTRAR, vault)
    post(http, "/institutions", SCHOOL)
    before = len(world.store.tables.log)
    found, answer = post(http, "/institutions", SCHOOL | changes, key="k-2")
    assert (found, answer["code"], answer["field"]) == (status, code, field)
    assert answer["zh"] == CATALOGUE[code].zh
    assert len(world.store.tables.log) == before


def test_a_wrong_field_is_named_and_its_value_never_echoed(world: World):
    wrong = SCHOOL | {"account": {**SCHOOL["account"], "number": NUMBER + "号"}}  # type: ignore[dict-item]
    status, answer = post(client(world, REGISTRAR), "/institutions", wrong)
    assert (status, answer["code"], answer["field"]) == (422, "submission.invalid_field", "account.number")
    assert NUMBER not in json.dumps(answer)


def test_a_further_key_is_registered(world: World):
    http = client(world, REGISTRAR)
    post(http, "/institutions", BODY)
    further = {
        "key_id": "k-2",
        "public_key": "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA",
        "valid_from": "2024-06-01T00:00:00+08:00",
        "valid_until": "2025-06-01T00:00:00+08:00",
    }
    status, answer = post(http, f"/institutions/{facts.BODY}/keys", further, key="k-2")
    assert (status, answer["outcome"]) == (200, "done")
    assert sorted(world.store.tables.keys) == ["k-1", "k-2"]
    assert post(http, f"/institutions/{facts.BODY}/keys", further, key="k-3")[1]["outcome"] == "already"
    status, answer = post(http, f"/institutions/{facts.OTHER_SCHOOL}/keys", further, key="k-4")
    assert (status, answer["code"]) == (404, "institution.unknown")


def test_a_revoked_key_ends_at_the_clock_of_the_command_unless_another_end_is_named(world: World):
    """The fact says when and why; the kernel's table of keys follows in the same transaction."""
    http = client(world, REGISTRAR)
    post(http, "/institutions", SCHOOL)
    path = f"/institutions/{facts.SCHOOL}/keys/k-1/revocation"
    status, answer = post(
        http, path, {"reason": "LOST", "valid_until": "2024-05-13T12:00:00+08:00"}, key="k-2"
    )
    assert (status, answer["valid_until"]) == (200, "2024-05-13T04:00:00Z")
    revoked = world.facts(institution_id(facts.SCHOOL))[-1]
    assert isinstance(revoked.data, InstitutionKeyRevoked)
    assert (revoked.data.reason, revoked.duty) == ("LOST", "REGISTRAR")
    assert world.store.tables.keys["k-1"].valid_until == revoked.data.valid_until
    status, answer = post(http, path, {"reason": "LOST"}, key="k-3")
    assert (status, answer["code"]) == (409, "institution.key_revoked_already")


def test_only_a_known_key_of_the_organisation_is_revoked_and_only_by_the_duty(world: World):
    http = client(world, REGISTRAR)
    post(http, "/institutions", SCHOOL)
    unknown = f"/institutions/{facts.SCHOOL}/keys/k-9/revocation"
    assert post(http, unknown, {"reason": "LOST"}, key="k-2")[1]["code"] == "institution.key_unknown"
    others = f"/institutions/{facts.OTHER_SCHOOL}/keys/k-1/revocation"
    assert post(http, others, {"reason": "LOST"}, key="k-3")[1]["code"] == "institution.unknown"
    own = f"/institutions/{facts.SCHOOL}/keys/k-1/revocation"
    assert post(client(world, APPROVER), own, {"reason": "LOST"}, key="k-4")[0] == 403
    assert world.store.tables.keys["k-1"].valid_until is None


def approve(http: TestClient, *class_ids: str, key: str = "k-1") -> tuple[int, Any]:
    """A bulk approval."""
    return post(http, "/classes/decisions", {"decision": "approve", "class_ids": class_ids}, key)


def test_a_bulk_approval_has_an_outcome_a_class(world: World):
    """An id that is no class, whatever stream it is, is refused and leaves the others standing."""
    world.decide(facts.application())
    no_class = institution_id(facts.SCHOOL)
    post(client(world, REGISTRAR), "/institutions", SCHOOL)
    status, answer = approve(client(world, APPROVER), no_class, facts.CLASS_ID, facts.CLASS_ID, STREAM)
    assert status == 200
    outcomes = [(row["class_id"], row["outcome"], row["code"]) for row in answer["outcomes"]]
    assert outcomes == [
        (no_class, "refused", "class.unknown"),
        (facts.CLASS_ID, "done", ""),
        (facts.CLASS_ID, "already", ""),
        (STREAM, "refused", "class.unknown"),
    ]
    approved = world.facts(facts.CLASS_ID)[1]
    assert answer["outcomes"][1]["facts"] == [approved.id]
    assert (approved.data, approved.actor, approved.duty, approved.region) == (
        ClassApproved(class_id=facts.CLASS_ID, decision_jws=None),
        "handler:h-003",
        "D3",
        facts.REGION,
    )


def test_more_than_300_decisions_at_once_are_refused(world: World):
    status, answer = approve(client(world, APPROVER), *[facts.CLASS_ID] * 301)
    assert (status, answer["code"], answer["field"]) == (422, "submission.invalid_field", "class_ids")


@pytest.mark.parametrize("actor", [REGISTRAR, LI_NA], ids=["another duty", "a person"])
def test_without_the_duty_nobody_approves_and_the_attempt_is_recorded(world: World, actor: Actor):
    world.decide(facts.application())
    status, answer = approve(client(world, actor), facts.CLASS_ID)
    assert (status, answer["code"]) == (403, "action.duty_not_held")
    assert len(world.facts(facts.CLASS_ID)) == 1
    (fact,) = world.facts(refused_actions_id("enrolment", actor, facts.TODAY.isoformat()))
    assert (fact.data.action, fact.data.duty, fact.data.subject) == ("ApproveClass", "D3", facts.CLASS_ID)


def test_the_duty_given_later_is_not_answered_by_the_earlier_refusal(world: World):
    world.decide(facts.application())
    approve(client(world, Actor("handler", "h-003", frozenset())), facts.CLASS_ID)
    status, answer = approve(client(world, APPROVER), facts.CLASS_ID)
    assert (status, answer["outcomes"][0]["outcome"]) == (200, "done")


def test_nobody_acts_without_a_token_or_an_idempotency_key(world: World):
    status, answer = approve(client(world, None), facts.CLASS_ID)
    assert (status, answer["code"]) == (401, "action.not_authenticated")
    status, answer = approve(client(world, APPROVER), facts.CLASS_ID, key="")
    assert (status, answer["code"]) == (422, "action.idempotency_key_missing")


def test_one_key_serves_one_request(world: World):
    world.decide(facts.application())
    http = client(world, APPROVER)
    approve(http, facts.CLASS_ID)
    status, answer = approve(http, facts.CLASS_ID, facts.CLASS_ID)
    assert (status, answer["code"]) == (409, "action.idempotency_key_reused")


def test_days_are_opened_one_fact_each_through_the_last(world: World):
    """The Saturday and Sunday between are days too, not worked."""
    through = date(2024, 5, 20)
    status, answer = post(client(world, CLERK), "/business-days", {"through": through.isoformat()})
    opened = [fact.data for fact in world.facts(STREAM)][1:]
    assert (status, answer["date"], len(answer["facts"])) == (200, "2024-05-20", 7)
    assert [day.date for day in opened] == [facts.TODAY + timedelta(days=n) for n in range(1, 8)]
    assert [day.working for day in opened] == [True, True, True, True, False, False, True]
    assert [fact.businessdate for fact in world.facts(STREAM)][1:] == [day.date for day in opened]


def test_the_first_day_opens_before_anything_else_can_be_decided():
    world = World()
    status, answer = post(client(world, REGISTRAR), "/institutions", SCHOOL)
    assert (status, answer["code"]) == (409, "businessday.not_open")
    clock = client(world, CLERK)
    assert clock.get("/business-day").json() == {"date": None, "next": None}
    assert post(clock, "/business-days", {"through": "2024-05-13"})[1]["date"] == "2024-05-13"
    assert clock.get("/business-day").json() == {"date": "2024-05-13", "next": "2024-05-14"}
    assert types(world, STREAM) == [BusinessDayOpened]
    assert post(client(world, REGISTRAR), "/institutions", SCHOOL, key="k-2")[0] == 200


def test_days_that_are_open_change_nothing(world: World):
    status, answer = post(client(world, CLERK), "/business-days", {"through": "2024-05-01"})
    assert (status, answer) == (200, {"date": "2024-05-13", "facts": []})


def test_too_many_days_at_once_are_refused(world: World):
    status, answer = post(client(world, CLERK), "/business-days", {"through": "2026-01-01"})
    assert (status, answer["code"], answer["field"]) == (422, "businessday.too_many", "through")


def test_opening_a_day_marks_the_deadlines_of_the_days_before(world: World):
    def wait(draft: Any) -> None:
        for day in (facts.TODAY, facts.DAYS[0]):
            draft.stage(SetDeadline("parking", day.isoformat(), day))

    world.run(wait)
    post(client(world, CLERK), "/business-days", {"through": "2024-05-15"})
    marked = {key: mark for (_, key), (_, mark) in world.store.tables.deadlines.items()}
    assert marked == {"2024-05-13": True, "2024-05-15": False}


def test_only_the_clock_s_holder_opens_days(world: World):
    status, answer = post(client(world, APPROVER), "/business-days", {"through": "2024-05-14"})
    assert (status, answer["code"]) == (403, "action.duty_not_held")
    assert len(world.facts(STREAM)) == 1


def test_a_person_s_token_sees_no_handler_s_page(world: World):
    http = client(world, LI_NA)
    for path in ("/institutions", "/classes", f"/classes/{facts.CLASS_ID}", "/worklist", "/business-day"):
        assert http.get(path).status_code == 403


def test_every_answer_is_documented_with_an_example(world: World):
    schema = client(world, REGISTRAR).get("/openapi.json").json()
    operations = [
        operation
        for methods in schema["paths"].values()
        for operation in methods.values()
        if "tags" in operation
    ]
    assert len(operations) == 11
    for operation in operations:
        answer = operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
        model = schema["components"]["schemas"][answer.rsplit("/", 1)[1]]
        assert "example" in model, operation["operationId"]
        assert "422" in operation["responses"]
