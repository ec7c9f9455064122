"""Spans of HTTP: named by the route's template; what machines ask all the time has none."""

from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends
from fastapi.testclient import TestClient

from shared.access.actor import Actor
from shared.access.edge import Asked, asked_by
from shared.runtime.web import application
from shared.telemetry.traceparent import trace_id
from shared.testing.web import acting
from tests.domain.telemetry.recorded import (
    MALFORMED,
    PARENT,
    TRACE,
    UNSAMPLED,
    Recorded,
    all_attributes,
    recording,
)

PERSON = "5d1f0e9a-0000-4000-8000-000000000001"


def _router() -> APIRouter:
    routes = APIRouter()
    asked_dependency = asked_by(acting(Actor("handler", "h-1", frozenset())))

    @routes.post("/claims/{claim_id}/look")
    def look(asked: Annotated[Asked, Depends(asked_dependency)]) -> dict[str, str]:
        return {"traceparent": asked.traceparent}

    @routes.get("/broken/{thing}")
    def broken(thing: str) -> None:
        raise RuntimeError(f"李娜 {thing}")

    return routes


class Served:
    """A service's application, recorded."""

    def __init__(self) -> None:
        self.recorded: Recorded
        tracing, self.recorded = recording()

        async def ready() -> dict[str, Any]:
            return {"ready": True}

        async def drained(_wait: float) -> dict[str, Any]:
            return {"drained": True}

        app = application("payment", [_router()], ready=ready, drained=drained, tracing=tracing)
        self.client = TestClient(app, raise_server_exceptions=False)

    def look(self, header: str | bytes | None) -> str:
        headers = {"Idempotency-Key": "k"} | ({} if header is None else {"traceparent": header})  # type: ignore[dict-item]
        answer = self.client.post(f"/claims/{PERSON}/look?who={PERSON}", headers=headers, json={})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["traceparent"])


@pytest.fixture
def served() -> Served:
    return Served()


def test_a_request_is_named_by_its_route(served: Served) -> None:
    """And what it decides carries its context, in the trace of its header."""
    context = served.look(PARENT)
    span = served.recorded.one("POST /claims/{claim_id}/look")
    assert (span.context, span.parent, trace_id(context)) == (context, PARENT, TRACE)
    assert all_attributes(span) == {
        "http.request.method": "POST",
        "http.route": "/claims/{claim_id}/look",
        "http.response.status_code": 200,
    }
    assert span.shape.kind.name == "SERVER"
    assert span.error == ""
    assert PERSON not in f"{span.shape.name} {all_attributes(span)}"


@pytest.mark.parametrize(
    "header",
    [None, *(text for text in MALFORMED if len(text) <= 100 and text.isascii() and "\n" not in text)],
)
def test_a_request_without_a_context_begins_a_trace(served: Served, header: str | None) -> None:
    """So does one whose header is none."""
    context = served.look(header)
    assert served.recorded.one("POST /claims/{claim_id}/look").parent == ""
    assert trace_id(context) not in ("", TRACE)


def test_a_request_that_is_not_sampled_is_not_recorded(served: Served) -> None:
    """Its trace goes on."""
    assert trace_id(served.look(UNSAMPLED)) == TRACE
    assert served.recorded.spans == []


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/drain?wait=0", "/metrics", "/v1/traces"])
def test_what_machines_ask_has_no_span(served: Served, path: str) -> None:
    """Health, drain state, metrics; and spans about spans would never end."""
    served.client.get(path)
    assert served.recorded.spans == []


def test_a_fault_is_told_by_its_type(served: Served) -> None:
    """Nothing of its text stands in the span."""
    assert served.client.get(f"/broken/{PERSON}").status_code == 500
    span = served.recorded.one("GET /broken/{thing}")
    assert (span.error, span.attributes["http.response.status_code"]) == ("RuntimeError", 500)


def test_an_unknown_path_or_method_is_not_repeated(served: Served) -> None:
    """Whatever a caller writes there."""
    served.client.get(f"/{PERSON}")
    served.client.request("REVEAL", "/broken/x")
    assert [span.shape.name for span in served.recorded.spans] == ["GET", "_OTHER /broken/{thing}"]
    assert [span.attributes["http.response.status_code"] for span in served.recorded.spans] == [404, 405]
