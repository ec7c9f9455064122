"""The HTTP surface under schemathesis: four running services, by their own OpenAPI, as every kind of caller.

No 5xx; every answer has a documented status and content type and fits its schema; without a token nothing that
needs one answers.
"""

from __future__ import annotations

import os
import time
import uuid
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import checks
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from shared.runtime.bounds import MAX_BODY_BYTES
from tests.component.faults.sending import PERSON, Town, found_person
from zeren.issuer.keys import load_or_make_key
from zeren.issuer.tokens import TokenSigner
from zeren.stack.local import SERVICES

pytestmark = pytest.mark.timeout(300)

EXAMPLES = int(os.environ.get("ZEREN_HTTP_EXAMPLES", "4"))
"""Requests an operation, each sent by every caller: a longer look asks for more."""
CHECKS = [
    checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EVERY_DUTY = (
    "REGISTRAR", "DAY", "BODY", "D3", "D8", "D9", "D10", "D11", "D12", "D14", "AUDITOR", "OPERATOR", "ERASURE",
    "ISSUER",
)  # fmt: skip
FORGED = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJoYW5kbGVyOmgtMSJ9."
WITHOUT_TOKEN = (400, 401, 404, 414, 422, 431)
"""Not authenticated, or not even looked at."""

Callers = dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def callers(town: Town) -> Callers:
    """Nobody, somebody with a forged token, a person, a handler without any duty, and one with every duty."""
    signer = TokenSigner(load_or_make_key(town.state.path / "keys" / "issuer.jwk"))
    now = int(time.time())
    tokens = {
        "forger": FORGED,
        "person": town.local.person_token(found_person(town)),
        "handler": signer.issue("handler:h-none", (), now=now).token,
        "handler of all": signer.issue("handler:h-all", EVERY_DUTY, now=now).token,
    }
    return {"nobody": {}} | {name: {"Authorization": f"Bearer {token}"} for name, token in tokens.items()}


def operations(town: Town, service: str) -> list[schemathesis.APIOperation]:
    """Every operation that a running service documents."""
    schema = schemathesis.openapi.from_url(f"{town.local.url(service)}/openapi.json")
    return [result.ok() for result in schema.get_all_operations()]


def tried(operation: schemathesis.APIOperation, callers: Callers, session: requests.Session) -> list[str]:
    """What was wrong with the answers, each kind once."""
    found: dict[str, str] = {}
    secured = bool(operation.definition.raw.get("security"))

    @settings(
        max_examples=EXAMPLES, derandomize=True, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy())
    def ask(case: schemathesis.Case) -> None:
        for caller, headers in callers.items():
            response = case.call(headers=dict(headers), session=session)
            if secured and caller in ("nobody", "forger") and response.status_code not in WITHOUT_TOKEN:
                found[f"{caller} got {response.status_code}"] = case.as_curl_command()
            try:
                case.validate_response(response, checks=CHECKS, headers=headers)
            except FailureGroup as failures:
                for failure in failures.exceptions:
                    name = f"{caller}: {type(failure).__name__} {response.status_code}"
                    found[name] = f"{failure}\n{case.as_curl_command()}"

    ask()
    return [f"{operation.label}: {name}: {text}" for name, text in found.items()]


@pytest.mark.parametrize("service", SERVICES)
def test_every_answer_is_a_documented_one(town: Town, callers: Callers, service: str) -> None:
    """Whoever asks whatever: an answer that the OpenAPI describes, and none of them a 5xx."""
    with requests.Session() as session:
        faults = [fault for one in operations(town, service) for fault in tried(one, callers, session)]
    assert "\n".join(faults) == ""


@pytest.mark.parametrize("service", SERVICES)
def test_who_must_prove_themselves_is_documented(town: Town, service: str) -> None:
    """Every operation but health, drain state, keys and the open log names the bearer scheme."""
    open_ones = {
        operation.path.split("/")[1]
        for operation in operations(town, service)
        if not operation.definition.raw.get("security")
    }
    assert open_ones <= {"health", "drain", "keys", "log", "metrics"}


def decisions(claims: int, *, reasons: int = 0) -> dict[str, Any]:
    """A bulk decision on claims that nobody filed."""
    each = {"reasons": ["claim.too_late"] * reasons} if reasons else {}
    return {
        "action": "accept",
        "claims": [each | {"claim_id": str(uuid.UUID(int=number))} for number in range(claims)],
    }


BOUNDS = [
    ("body", {"content": b'"' + b"x" * (MAX_BODY_BYTES - 2) + b'"'}, {"content": b"x" * (MAX_BODY_BYTES + 1)},
        413, "request.too_large"),
    ("address", {"params": {"x": "y" * 3_900}}, {"params": {"x": "y" * 4_096}}, 414, "request.address_too_long"),
    ("headers", {"headers": {"x": "y" * 15_000}}, {"headers": {"x": "y" * 16_384}},
        431, "request.headers_too_large"),
    ("idempotency key", {"headers": {"Idempotency-Key": "k" * 200}}, {"headers": {"Idempotency-Key": "k" * 201}},
        422, "submission.invalid_field"),
    ("decisions", {"json": decisions(300)}, {"json": decisions(301)}, 422, "submission.invalid_field"),
    ("reasons", {"json": decisions(1, reasons=8)}, {"json": decisions(1, reasons=9)},
        422, "submission.invalid_field"),
]  # fmt: skip


@pytest.mark.parametrize("bound", BOUNDS, ids=lambda bound: bound[0])
def test_a_request_at_its_bound_is_looked_at_and_one_past_it_refused(
    town: Town, callers: Callers, bound: tuple[str, dict[str, Any], dict[str, Any], int, str]
) -> None:
    """With a permanent code; what is at the bound gets an answer of another kind."""
    name, most, over, status, code = bound
    url = f"{town.local.url('payment')}/claims/decisions"
    own = callers["handler of all"] | {"Idempotency-Key": f"bound {name}", "Content-Type": "application/json"}

    def ask(request: dict[str, Any]) -> tuple[int, str, str]:
        given = {"json": decisions(1)} if not request.keys() & {"content", "json"} else {}
        headers = own | request.get("headers", {})
        answer = httpx.post(url, **{**given, **request, "headers": headers}, trust_env=False)
        return answer.status_code, answer.json().get("code", ""), answer.json().get("field", "")

    at, past = ask(most), ask(over)
    assert past[:2] == (status, code)
    assert at != past


@pytest.mark.parametrize(("service", "path", "most"), [
    ("enrolment", "/institutions", 100), ("enrolment", "/classes", 100), ("certification", "/assessment-bodies", 100),
    ("payment", "/claims", 200), ("payment", "/payment-batches", 200), ("audit", "/claims", 200),
])  # fmt: skip
def test_a_page_has_a_bound(town: Town, callers: Callers, service: str, path: str, most: int) -> None:
    """So many items, and no more."""
    own = callers["handler of all"]
    url = f"{town.local.url(service)}{path}"
    taken = [
        httpx.get(url, params={"limit": limit}, headers=own, trust_env=False) for limit in (most, most + 1)
    ]
    assert [answer.status_code for answer in taken] == [200, 422]
    assert taken[1].json()["field"] == "limit"


@pytest.mark.parametrize("request_of", [
    {"content": b"\xff\xfe{}"}, {"content": b"[" * 100_000}, {"content": b'{"action": "\\u0000"}'},
    {"content": b"1" * 5_000}, {"content": b'{"action": NaN}'}, {"params": {"x": "\0"}},
], ids=["not UTF-8", "deep", "NUL", "huge number", "NaN", "NUL in the address"])  # fmt: skip
def test_what_is_no_request_has_a_clear_answer(
    town: Town, callers: Callers, request_of: dict[str, Any]
) -> None:
    """Never a fault of the service, and no value is echoed."""
    own = callers["handler of all"] | {"Idempotency-Key": "none", "Content-Type": "application/json"}
    url = f"{town.local.url('payment')}/claims/decisions"
    answer = httpx.post(url, headers=own, trust_env=False, **request_of)
    assert answer.status_code in (400, 422)
    assert answer.json()["code"] in ("request.unreadable", "submission.invalid_field")


def test_a_body_of_unknown_length_is_not_read(town: Town, callers: Callers) -> None:
    """Chunked: 411."""
    url = f"{town.local.url('payment')}/claims/decisions"
    answer = httpx.post(url, content=iter([b"{}"]), headers=callers["handler of all"], trust_env=False)
    assert (answer.status_code, answer.json()["code"]) == (411, "request.length_missing")


def test_an_unknown_path_and_a_wrong_method_have_codes(town: Town) -> None:
    """404 and 405 with the same form as every refusal."""
    url = town.local.url("payment")
    assert httpx.get(f"{url}/nothing", trust_env=False).json()["code"] == "request.unknown_path"
    wrong = httpx.delete(f"{url}/claims", trust_env=False)
    assert (wrong.status_code, wrong.json()["code"]) == (405, "request.method_not_allowed")


def test_a_superfluous_field_is_not_echoed(town: Town, callers: Callers) -> None:
    """Its name is the sender's and may be anything."""
    own = callers["handler of all"] | {"Idempotency-Key": "echo"}
    url = f"{town.local.url('payment')}/claims/decisions"
    answer = httpx.post(url, json=decisions(1) | {PERSON: 1}, headers=own, trust_env=False)
    assert answer.status_code == 422
    assert PERSON not in answer.text
