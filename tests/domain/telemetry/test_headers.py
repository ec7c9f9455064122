"""The headers of a fact's record: its form, and its hop, which is never a reason not to take a fact."""

from __future__ import annotations

from typing import Any

import pytest

from shared.messaging.topics import FactHeaders, fact_headers
from tests.domain.telemetry.recorded import PARENT

PLAIN = FactHeaders("zeren.payment.SubsidyPaid.v1", "payment@1", 7, 3)
TRACED = PLAIN._replace(hop=PARENT)
ALWAYS = ["type", "source", "position", "prev", "content-type"]


@pytest.mark.parametrize("headers", [PLAIN, TRACED], ids=["plain", "traced"])
def test_what_is_written_is_read(headers: FactHeaders) -> None:
    """In the fixed order, and in any other with whatever else stands there."""
    rows = headers.encode()
    assert [name for name, _ in rows] == [*ALWAYS, "traceparent"][: 5 + bool(headers.hop)]
    assert ("content-type", b"application/cloudevents+json") in rows
    assert fact_headers(tuple(rows)) == headers
    assert fact_headers(rows[::-1]) == headers
    assert fact_headers([("extra", None), *rows, ("more", b"x")]) == headers


@pytest.mark.parametrize(
    ("more", "hop"),
    [
        ([("traceparent", None)], ""),
        ([("traceparent", b"")], ""),
        ([("other", b"x")], ""),
        ([("other", b"x"), ("traceparent", PARENT.encode())], PARENT),
        ([("traceparent", b"\xff\xfe")], "\ufffd\ufffd"),
    ],
)
def test_odd_headers_behind_spoil_no_fact(more: list[tuple[str, Any]], hop: str) -> None:
    """It says nothing about what was decided."""
    assert fact_headers([*PLAIN.encode(), *more]) == PLAIN._replace(hop=hop)
