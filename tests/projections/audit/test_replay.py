"""Telling a case again: the order of its facts, the state folded anew, the citations of its rules."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from services.audit.projections import replay
from services.audit.projections.claims import changed
from shared.contracts.fact import decode
from shared.contracts.trace import PolicyRef, TraceStep, decided
from tests.book import BOOK
from tests.component.audit.story import AMOUNT, CLAIM, SECOND_CLAIM, TRACE, paid_claim

SHANGHAI = ZoneInfo("Asia/Shanghai")


def _row(subject: str, version: int, day: int, hour: int, index: int) -> dict[str, Any]:
    on = date(2024, 6, day)
    at = datetime.combine(on, datetime.min.time(), SHANGHAI) + timedelta(hours=hour)
    return {
        "subject": subject,
        "streamversion": version,
        "businessdate": on,
        "occurredat": at,
        "index": index,
    }


def test_facts_are_told_by_business_time_not_by_index() -> None:
    """A payment ledgered before its enrolment is told after it."""
    paid, enrolled = _row("claim", 1, 14, 9, 0), _row("enrolment", 1, 3, 9, 1)
    assert replay.in_order([paid, enrolled]) == [enrolled, paid]


def test_a_stream_is_told_in_the_order_of_its_versions() -> None:
    """Also where a submission that waited carries an earlier time than the fact before it."""
    first, waited, later = _row("s", 1, 3, 12, 5), _row("s", 2, 3, 9, 7), _row("s", 3, 4, 8, 8)
    other = _row("t", 1, 3, 10, 1)
    rows = [first, waited, later, other]
    for seed in range(5):
        random.Random(seed).shuffle(rows)  # noqa: S311 - a repeatable order
        assert replay.in_order(rows) == [other, first, waited, later]


@pytest.fixture(scope="module")
def told() -> tuple[list[dict[str, Any]], dict[int, bytes]]:
    """Rows and entries of a story, indexed as it was told."""
    rows, entries = [], {}
    for index, fact in enumerate(paid_claim().facts):
        envelope = decode(fact.state, fact.type)
        entries[index] = fact.state
        rows.append(
            {
                "index": index,
                "fact_id": fact.id,
                "type": fact.type,
                "subject": fact.stream,
                "streamversion": fact.version,
                "businessdate": envelope.businessdate,
                "occurredat": envelope.occurredat,
            }
        )
    return rows, entries


def test_the_state_is_folded_from_the_claim_s_own_entries(told: Any) -> None:
    """Paid in full; a refused one says why."""
    rows, entries = told
    paid = replay.state_of(CLAIM, rows, entries)
    assert paid is not None
    assert (paid["state"], paid["computed_fen"], paid["paid_fen"]) == ("PAID", AMOUNT, AMOUNT)
    refused = replay.state_of(SECOND_CLAIM, rows, entries)
    assert refused is not None
    assert (refused["state"], refused["codes"]) == ("REFUSED", "entitlement.already_used")
    assert replay.state_of("another", rows, entries) is None


def test_the_state_follows_each_step(told: Any) -> None:
    """In the order of the issue's stages."""
    rows, entries = told
    own = [row for row in rows if row["subject"] == CLAIM]
    states = [replay.state_of(CLAIM, own[:count], entries) for count in range(1, len(own) + 1)]
    assert [state["state"] for state in states if state] == [
        "CLAIMED", "ACCEPTED", "FIRST_REVIEWED", "RE_REVIEWED", "PUBLICISED", "APPROVED", "ORDERED", "PAID",
    ]  # fmt: skip


def test_a_fact_of_no_claim_changes_nothing() -> None:
    """What the fold does not know leaves the row as it is."""
    assert changed(object()) == {}


def test_a_fact_is_told_as_its_own_bytes(told: Any) -> None:
    """Nothing is encoded anew, so the leaf hash is that of what is shown."""
    rows, entries = told
    answer = msgspec.json.encode(replay.told(rows[0], entries[0]))
    assert entries[0] in answer


def test_a_trace_is_cited(told: Any) -> None:
    """Package, entry, citation and mark of each step; the bytes of the package are the ones that decided."""
    rows, entries = told
    found = replay.traces_of([row for row in rows if row["subject"] == CLAIM], entries, BOOK)
    assert len(found) == 1
    step = found[0]["steps"][0]
    assert step["rule"] == "standard"
    assert step["policy"]["name"] == next(TRACE.refs).name
    assert step["policy"]["citation"]
    assert step["policy"]["unchanged"]
    assert found[0]["marks"] == ["演示 / DEMO"]


@pytest.mark.parametrize(
    ("ref", "unchanged"),
    [
        (PolicyRef(package="gone", version=1, sha256="0" * 64, entry="x"), False),
        (PolicyRef(package="demo-standards", version=1, sha256="0" * 64, entry="x"), False),
        (PolicyRef(package="demo-standards", version=1, entry="x"), True),
    ],
)
def test_a_package_that_is_gone_or_altered_is_told(told: Any, ref: PolicyRef, unchanged: bool) -> None:  # noqa: FBT001
    """The name stays, the citation is left out, and the reader sees that the file differs."""
    rows, _ = told
    trace = decided("TEST", TraceStep(rule="standard", ref=ref, result="FOUND"))
    entry = msgspec.json.encode({"data": {"trace": trace}})
    policy = replay.traces_of([rows[0]], {0: entry}, BOOK)[0]["steps"][0]["policy"]
    assert (policy["name"], policy["citation"], policy["unchanged"]) == (ref.name, "", unchanged)
