"""What auditors and others are shown: facts to everyone who handles, names to auditors who say why, and recorded."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, insert, select

from shared.contracts.fact import Circumstances, encode
from shared.contracts.intake import BusinessDayAdopted
from shared.eventstore.businessdate import STREAM
from shared.eventstore.projector import Projector
from shared.eventstore.tables import events, foreign_facts
from shared.tlog.notes import Signer
from tests.component.audit.serving import ASKED, audit_app, serving
from tests.component.audit.story import (
    AMOUNT,
    BODY,
    CERTIFICATE,
    CLAIM,
    ENROLMENT,
    INSTITUTION,
    LI_NA,
    REGION,
    SECOND_CLAIM,
    Record,
    batches,
    paid_claim,
)

TODAY = date(2024, 6, 17)
AUDITOR, HANDLER, PERSON = "handler:h-900:AUDITOR", "handler:h-008:D8", f"person:{LI_NA}:"


def _adopt_day(engine: Engine) -> None:
    given = Circumstances(
        occurredat=datetime(2024, 6, 17, tzinfo=UTC), businessdate=TODAY, actor="system:audit", duty="SYSTEM",
        region="350000", correlationid=STREAM, causationid=STREAM, traceparent="",
    )  # fmt: skip
    day = BusinessDayAdopted(date=TODAY, working=True)
    fact = encode("audit", day, stream=STREAM, version=1, given=given, now=datetime.now(UTC))
    row = {"originator_id": STREAM, "originator_version": 1, "topic": fact.type, "state": fact.state}
    with engine.begin() as connection:
        connection.execute(insert(events).values(**row))


@pytest.fixture
def url(
    engine: Engine,
    signer: Signer,
    ledgered: Callable[[Iterable[Sequence[Record]]], None],
    projector: Projector,
) -> Iterator[str]:
    """Audit on a business day, with one paid and one refused claim; organisations' names are known."""
    _adopt_day(engine)
    story = paid_claim()
    ledgered(batches(story.kafka, 21, 5))
    while projector.project_some():
        pass
    known = [
        {"type": fact.type, "subject": fact.stream, "version": 1, "state": fact.state}
        for fact in story.facts
        if "InstitutionRegistered" in fact.type
    ]
    with engine.begin() as connection:
        connection.execute(insert(foreign_facts), known)
    ASKED.clear()
    with serving(audit_app(engine, str(signer.vkey))) as base:
        yield base


def _get(url: str, token: str, **query: Any) -> httpx.Response:
    return httpx.get(url, params=query, headers={"Authorization": f"Bearer {token}"}, trust_env=False)


def _readings(engine: Engine) -> list[dict[str, Any]]:
    query = select(events.c.state).where(events.c.topic == "zeren.audit.PersonalDataRead.v1")
    with engine.connect() as connection:
        return [
            json.loads(state)["data"]
            for state in connection.scalars(query.order_by(events.c.notification_id))
        ]


def test_a_replay_tells_every_fact_with_its_leaf(url: str) -> None:
    """The facts are the documents themselves, in the order in which they happened; each can be proven by its index."""
    answer = _get(f"{url}/claims/{CLAIM}/replay", HANDLER).json()
    types = [found["fact"]["type"].split(".")[2] for found in answer["facts"]]
    assert types[:5] == [
        "ClassApplied",
        "ClassApproved",
        "TraineeEnrolled",
        "AttendanceSheetRecorded",
        "SessionAttended",
    ]
    assert types[-3:] == ["PaymentBatchCreated", "PaymentOrdered", "SubsidyPaid"]
    assert "SubmissionAccepted" in types
    assert "EntitlementReserved" in types
    assert "EntitlementRefused" not in types
    assert answer["total"] == len(types)
    assert (answer["claim"]["state"], answer["claim"]["paid_fen"]) == ("PAID", AMOUNT)
    last = answer["facts"][-1]
    index = httpx.get(f"{url}/log/index/{last['fact']['id']}", trust_env=False).json()["index"]
    assert last["index"] == index
    assert len(bytes.fromhex(last["leaf_hash"])) == 32


def test_a_replay_cites_the_rules_with_their_marks(url: str) -> None:
    """The amount's trace names package, entry and citation; invented figures say DEMO."""
    traces = _get(f"{url}/claims/{CLAIM}/replay", HANDLER).json()["traces"]
    trace = next(found for found in traces if found["type"].endswith("SubsidyClaimed.v1"))
    assert trace["amount_fen"] == AMOUNT
    policy = trace["steps"][0]["policy"]
    assert policy["name"].startswith("demo-standards@")
    assert policy["citation"]
    assert policy["unchanged"] is True
    assert trace["marks"] == policy["marks"] == ["演示 / DEMO"]


def test_a_replay_is_paged(url: str) -> None:
    """The pages together are the whole, each fact once."""
    whole = _get(f"{url}/claims/{CLAIM}/replay", HANDLER).json()
    paged, offset = [], 0
    while offset is not None:
        page = _get(f"{url}/claims/{CLAIM}/replay", HANDLER, offset=offset, limit=4).json()
        paged += page["facts"]
        offset = page["next"]
        assert page["claim"] == whole["claim"]
    assert paged == whole["facts"]


def test_names_are_shown_to_an_auditor_who_says_why(url: str, engine: Engine) -> None:
    """By name and post; what was shown to whom, about what and why is a fact of audit's own."""
    answer = _get(f"{url}/claims/{CLAIM}/responsibility", AUDITOR, reason="CASE_REVIEW").json()
    actors = {link["duty"]: link["actor"] for link in answer["links"]}
    assert actors["D8"] == {
        "kind": "handler", "id": "h-008", "name": "林受理", "post": "受理岗", "organisation": "平潭人社局",
    }  # fmt: skip
    assert actors["D9"] == {"kind": "handler", "id": "h-009"}
    assert answer["persons"] == {LI_NA: "李*"}
    assert _readings(engine) == [
        {
            "reader": "h-900",
            "subject": CLAIM,
            "fields": ["handler.name", "handler.post", "handler.organisation", "person.masked_name"],
            "reason": "CASE_REVIEW",
        }
    ]
    replay = _get(f"{url}/claims/{CLAIM}/replay", AUDITOR, reason="CASE_REVIEW").json()
    assert replay["people"]["h-014"]["name"] == "陈拨付"
    assert len(_readings(engine)) == 2


@pytest.mark.parametrize(("token", "reason"), [(HANDLER, "CASE_REVIEW"), (AUDITOR, "")])
def test_others_get_ids_only(url: str, engine: Engine, token: str, reason: str) -> None:
    """The vault isn't asked, nothing is recorded; organisations are public."""
    for what in ("responsibility", "replay"):
        answer = _get(f"{url}/claims/{CLAIM}/{what}", token, reason=reason)
        assert answer.status_code == 200
        assert (answer.json()["named"], answer.json()["people"], answer.json()["persons"]) == (False, {}, {})
        assert "林受理" not in answer.text
    links = _get(f"{url}/claims/{CLAIM}/responsibility", token).json()["links"]
    assert links[0]["actor"] == {"kind": "institution", "id": INSTITUTION, "name": "平潭某职业培训学校"}
    assert ASKED == []
    assert _readings(engine) == []


def test_a_reason_that_is_no_code_shows_nothing(url: str, engine: Engine) -> None:
    """Refused before the vault is asked."""
    answer = _get(f"{url}/claims/{CLAIM}/responsibility", AUDITOR, reason="因为好奇")
    assert (answer.status_code, answer.json()["code"]) == (422, "reading.reason_missing")
    assert (ASKED, _readings(engine)) == ([], [])


def test_without_a_business_day_nothing_personal_is_shown(engine: Engine, signer: Signer, url: str) -> None:
    """A reading that can't be recorded does not take place."""
    with engine.begin() as connection:
        connection.execute(events.delete())
    with serving(audit_app(engine, str(signer.vkey))) as base:
        answer = _get(f"{base}/claims/{CLAIM}/replay", AUDITOR, reason="CASE_REVIEW")
        assert (answer.status_code, answer.json()["code"]) == (409, "businessday.not_open")
        assert ASKED == []
        assert _get(f"{base}/claims/{CLAIM}/replay", AUDITOR).status_code == 200


@pytest.mark.parametrize("what", ["replay", "responsibility"])
def test_who_may_not_look_is_told(url: str, what: str) -> None:
    """401 without a token, 403 for a trainee's, 404 for a claim that is not there, 422 for what is no id."""
    assert httpx.get(f"{url}/claims/{CLAIM}/{what}", trust_env=False).status_code == 401
    assert _get(f"{url}/claims/{CLAIM}/{what}", PERSON).status_code == 403
    missing = _get(f"{url}/claims/{ENROLMENT}/{what}", AUDITOR, reason="CASE_REVIEW")
    assert (missing.status_code, missing.json()["code"]) == (404, "claim.unknown")
    assert _get(f"{url}/claims/x/{what}", AUDITOR).status_code == 422


def test_claims_are_listed_by_what_is_asked(url: str) -> None:
    """For auditors and operators: filtered, paged, in the ledger's order."""
    listed = _get(f"{url}/claims", AUDITOR).json()
    assert {row["claim_id"] for row in listed["items"]} == {CLAIM, SECOND_CLAIM}
    assert [row["place"] for row in listed["items"]] == sorted(row["place"] for row in listed["items"])
    paid = _get(f"{url}/claims", AUDITOR, state="PAID", region=REGION, institution=INSTITUTION).json()
    assert [row["claim_id"] for row in paid["items"]] == [CLAIM]
    assert len(_get(f"{url}/claims", AUDITOR, certificate_id=CERTIFICATE).json()["items"]) == 2
    assert _get(f"{url}/claims", AUDITOR, institution=BODY).json()["items"] == []
    first = _get(f"{url}/claims", AUDITOR, limit=1).json()
    second = _get(f"{url}/claims", AUDITOR, limit=1, after=first["next"]).json()
    assert [*first["items"], *second["items"]] == listed["items"]
    assert _get(f"{url}/claims", HANDLER).status_code == 403
    assert _get(f"{url}/claims", AUDITOR, limit=201).status_code == 422
    assert _get(f"{url}/claims", AUDITOR, state="LOST").status_code == 422


def test_progress_stands_against_the_year_s_targets(url: str) -> None:
    """For everyone who is logged in; a year without targets is refused."""
    table = _get(f"{url}/progress", PERSON).json()
    assert (table["year"], len(table["regions"])) == (2024, 10)
    row = next(row for row in table["regions"] if row["region"] == REGION)
    assert (row["paid"], row["paid_fen"], row["claimed"], row["refused"]) == (1, AMOUNT, 1, 1)
    assert _get(f"{url}/progress", PERSON, year=2031).status_code == 422
    assert _get(f"{url}/worklist", HANDLER).json() == {"items": [], "next": None}


def test_every_route_is_documented(url: str) -> None:
    """OpenAPI is served, with the routes of the log and of the readers."""
    paths = httpx.get(f"{url}/openapi.json", trust_env=False).json()["paths"]
    assert {
        "/log/checkpoint", "/log/vkey", "/log/index/{fact_id}", "/log/tile/{path}", "/log/tile/entries/{path}",
        "/claims", "/claims/{claim_id}/replay", "/claims/{claim_id}/responsibility", "/progress", "/worklist",
    } <= set(paths)  # fmt: skip
