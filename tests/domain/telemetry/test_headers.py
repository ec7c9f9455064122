"""The hop in a fact's record: a fifth header, read cheaply, and never a reason not to take a fact."""

from __future__ import annotations

from typing import Any

import pytest

from shared.messaging.topics import FactHeaders, fact_headers
from tests.domain.telemetry.recorded import PARENT

FOUR = FactHeaders("zeren.payment.SubsidyPaid.v1", "payment@1", 7, 3)
FIVE = FOUR._replace(hop=PARENT)


@pytest.mark.parametrize("headers", [FOUR, FIVE], ids=["four", "five"])
def test_what_is_written_is_read(headers: FactHeaders) -> None:
    """In the fixed order, and in any other with whatever else stands there."""
    rows = headers.encode()
    assert len(rows) == 4 + bool(headers.hop)
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
def test_an_odd_fifth_header_spoils_no_fact(more: list[tuple[str, Any]], hop: str) -> None:
    """It says nothing about what was decided."""
    assert fact_headers([*FOUR.encode(), *more]) == FOUR._replace(hop=hop)
