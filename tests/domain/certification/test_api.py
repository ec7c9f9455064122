"""The HTTP edge of certification that needs no database: approving a body, and who may ask what."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from httpx import ASGITransport, AsyncClient, Response

from services.certification.api.router import router
from shared.access.actor import Actor
from shared.access.commands import MAX_REFUSALS_A_DAY, refused_actions_id
from shared.contracts.codes.catalogue import CATALOGUE
from shared.identity import institution_id
from shared.testing.web import NOWHERE, acting, mounted
from tests.book import BOOK
from tests.domain.certification import facts

if TYPE_CHECKING:
    from tests.domain.certification.conftest import World

APPROVER = Actor("handler", "h-010", frozenset(("BODY",)))
REVIEWER = Actor("handler", "h-020", frozenset(("D9",)))
LI_NA = Actor("person", facts.LI_NA, frozenset())
APPROVAL = {
    "uscc": facts.OTHER_BODY,
    "scope": [{"occupation_id": facts.OCCUPATION, "levels": ["5", "4"]}],
    "valid_from": "2024-01-01",
    "valid_to": "2024-12-31",
}


class Client:
    """Somebody with a token, or nobody."""

    def __init__(self, world: World, actor: Actor | None) -> None:
        routes = router(world.executor, NOWHERE, book=BOOK, authenticate=acting(actor))
        self._app = mounted("certification", routes)

    def ask(self, method: str, path: str, **rest: Any) -> Response:
        """One request, without a socket."""

        async def go() -> Response:
            transport = ASGITransport(app=self._app)
            async with AsyncClient(transport=transport, base_url="http://test") as http:
                return await http.request(method, path, **rest)

        return asyncio.run(go())

    def get(self, path: str) -> Response:
        """A look."""
        return self.ask("GET", path)


def approve(http: Client, key: str = "k-1", **changes: Any) -> tuple[int, Any]:
    """POST with an Idempotency-Key."""
    headers = {"Idempotency-Key": key} if key else {}
    answer = http.ask("POST", "/assessment-bodies", json=APPROVAL | changes, headers=headers)
    return answer.status_code, answer.json()


def test_the_duty_s_holder_approves_a_body(world: World):
    status, answer = approve(Client(world, APPROVER))
    (fact,) = world.facts(institution_id(facts.OTHER_BODY))
    assert (status, answer) == (200, {"uscc": facts.OTHER_BODY, "outcome": "done", "facts": [fact.id]})
    assert (fact.actor, fact.duty, fact.businessdate) == ("handler:h-010", "BODY", facts.TODAY)


def test_the_same_request_again_gets_the_same_answer_and_no_second_fact(world: World):
    http = Client(world, APPROVER)
    assert approve(http) == approve(http)
    assert len(world.facts(institution_id(facts.OTHER_BODY))) == 1


def test_what_stands_already_is_said_to_under_another_key(world: World):
    http = Client(world, APPROVER)
    approve(http)
    status, answer = approve(http, key="k-2")
    assert (status, answer["outcome"], answer["facts"]) == (200, "already", [])


def test_one_key_serves_one_request(world: World):
    http = Client(world, APPROVER)
    approve(http)
    status, answer = approve(http, valid_to="2025-12-31")
    assert (status, answer["code"]) == (409, "action.idempotency_key_reused")


@pytest.mark.parametrize("actor", [REVIEWER, LI_NA], ids=["another duty", "a person"])
def test_without_the_duty_nobody_approves_and_the_attempt_is_recorded(world: World, actor: Actor):
    status, answer = approve(Client(world, actor))
    assert (status, answer["code"]) == (403, "action.duty_not_held")
    assert world.facts(institution_id(facts.OTHER_BODY)) == []
    stream = refused_actions_id("certification", actor, facts.TODAY.isoformat())
    (fact,) = world.facts(stream)
    assert (fact.data.action, fact.data.subject) == ("ApproveBody", institution_id(facts.OTHER_BODY))


def test_recorded_attempts_are_capped_and_refused_all_the_same(world: World):
    http = Client(world, REVIEWER)
    statuses = {approve(http, key=f"k-{n}")[0] for n in range(MAX_REFUSALS_A_DAY + 2)}
    stream = refused_actions_id("certification", REVIEWER, facts.TODAY.isoformat())
    assert statuses == {403}
    assert len(world.facts(stream)) == MAX_REFUSALS_A_DAY


@pytest.mark.parametrize(
    ("changes", "status", "code", "field"),
    [
        ({"uscc": facts.BODY, "valid_to": "2025-01-31"}, 409, "body.already_approved", "uscc"),
        ({"uscc": facts.OTHER_BODY[:-1] + "0"}, 422, "institution.uscc_invalid", "uscc"),
        ({"valid_to": "2023-01-01"}, 422, "body.period_reversed", "valid_to"),
        (
            {"scope": [{"occupation_id": "juggler", "levels": ["5"]}]},
            422,
            "class.unknown_occupation",
            "scope.occupation_id",
        ),
        ({"scope": []}, 422, "submission.invalid_field", "scope"),
        ({"more": 1}, 422, "submission.invalid_field", ""),
        ({"key": ""}, 422, "action.idempotency_key_missing", "Idempotency-Key"),
    ],
    ids=["stands otherwise", "check character", "period", "occupation", "empty", "superfluous", "no key"],
)
def test_a_wrong_approval_is_answered_in_one_shape(
    world: World, changes: dict[str, Any], status: int, code: str, field: str
):
    got, answer = approve(Client(world, APPROVER), **changes)
    known = CATALOGUE[code]
    assert (got, answer) == (status, {"code": code, "zh": known.zh, "en": known.en, "field": field})


@pytest.mark.parametrize(
    ("actor", "path", "status", "code"),
    [
        (None, "/assessment-bodies", 401, "action.not_authenticated"),
        (None, "/worklist", 401, "action.not_authenticated"),
        (LI_NA, "/worklist", 403, "action.duty_not_held"),
        (LI_NA, f"/candidates?body={facts.BODY}", 403, "action.duty_not_held"),
        (LI_NA, f"/certificates?person={facts.WANG_FANG}", 403, "certificate.of_other_person"),
        (APPROVER, f"/certificates?person={facts.LI_NA}", 403, "certificate.of_other_person"),
        (LI_NA, f"/certificates?person={facts.LI_NA}&limit=101", 422, "submission.invalid_field"),
        (APPROVER, "/candidates/not-an-id", 422, "submission.invalid_field"),
    ],
)
def test_who_may_not_look_is_told_so(world: World, actor: Actor | None, path: str, status: int, code: str):
    answer = Client(world, actor).get(path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_handler_s_worklist_is_served_and_empty(world: World):
    answer = Client(world, APPROVER).get("/worklist")
    assert (answer.status_code, answer.json()) == (200, {"items": [], "next": None})


def test_every_operation_documents_its_errors_and_an_example(world: World):
    schema = Client(world, APPROVER).get("/openapi.json").json()
    operations = [
        operation
        for path in schema["paths"].values()
        for operation in path.values()
        if operation.get("tags") == ["certification"]
    ]
    assert len(operations) == 6
    for operation in operations:
        assert {"200", "401", "403", "404", "409", "422"} <= operation["responses"].keys()
    models = ("Problem", "BodyApproval", "BodyOutcome", "ApprovedBody", "Candidate", "Certificate")
    for name in models:
        shown = schema["components"]["schemas"][name]
        assert "example" in shown or any("examples" in field for field in shown["properties"].values()), name
