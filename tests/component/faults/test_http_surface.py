"""The HTTP surface under schemathesis: four running services, by their own OpenAPI, as every kind of caller.

No 5xx; every answer has a documented status and content type and fits its schema; without a token nothing that
needs one answers.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
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

from tests.component.faults.sending import Town, found_person
from zeren.stack.local import SERVICES

pytestmark = pytest.mark.timeout(300)

EXAMPLES = int(os.environ.get("ZEREN_HTTP_EXAMPLES", "8"))
"""Requests an operation and caller: a longer look asks for more."""
CHECKS = [
    checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
CALLERS = (
    "nobody",
    "forger",
    "person",
    "REGISTRAR",
    "D3",
    "D8",
    "D12",
    "D14",
    "AUDITOR",
    "OPERATOR",
    "ERASURE",
)
FORGED = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJoYW5kbGVyOmgtMSJ9."


def operations(town: Town, service: str) -> Iterator[schemathesis.APIOperation]:
    """Every operation that a running service documents."""
    schema = schemathesis.openapi.from_url(f"{town.local.url(service)}/openapi.json")
    for result in schema.get_all_operations():
        yield result.ok()


def headers(town: Town, caller: str) -> dict[str, str]:
    """What the caller proves itself by."""
    if caller == "nobody":
        return {}
    if caller == "forger":
        return {"Authorization": f"Bearer {FORGED}"}
    token = town.local.person_token(found_person(town)) if caller == "person" else town.local.as_duty(caller)
    return {"Authorization": f"Bearer {token}"}


def tried(operation: schemathesis.APIOperation, own: dict[str, str]) -> list[str]:
    """What was wrong with the answers to one caller's requests, each kind once."""
    found: dict[str, str] = {}

    @settings(
        max_examples=EXAMPLES, derandomize=True, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy())
    def ask(case: schemathesis.Case) -> None:
        response = case.call(headers=own)
        try:
            case.validate_response(response, checks=CHECKS, headers=own)
        except FailureGroup as failures:
            for failure in failures.exceptions:
                found[f"{type(failure).__name__} {response.status_code}"] = (
                    f"{failure}\n{case.as_curl_command()}"
                )
        if not own and operation.definition.raw.get("security"):
            assert response.status_code in REFUSED, (response.status_code, case.as_curl_command())

    ask()
    return [f"{operation.label}: {name}: {text}" for name, text in found.items()]


REFUSED = (400, 401, 404, 414, 422, 431)
"""Without a token: not authenticated, or not even looked at."""


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("service", SERVICES)
def test_every_answer_is_a_documented_one(town: Town, service: str, caller: str) -> None:
    """Whoever asks whatever: an answer that the OpenAPI describes, and none of them a 5xx."""
    own = headers(town, caller)
    assert [fault for operation in operations(town, service) for fault in tried(operation, own)] == []


@pytest.mark.parametrize("service", SERVICES)
def test_who_must_prove_themselves_is_documented(town: Town, service: str) -> None:
    """Every operation but health, drain state, keys and the open log names the bearer scheme."""
    open_ones = {
        operation.path.split("/")[1]
        for operation in operations(town, service)
        if not operation.definition.raw.get("security")
    }
    assert open_ones <= {"health", "drain", "keys", "log"}
