"""Certification's read models on PostgreSQL, and the routes that answer from them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any

import msgspec
import pytest
from httpx import ASGITransport, AsyncClient
from psycopg.errors import UniqueViolation
from sqlalchemy import Engine, create_engine, select

from services.certification.api.router import router
from services.certification.policies import effects
from services.certification.projections import (
    approved_bodies,
    candidates_by_body,
    certificates_by_person,
)
from services.certification.projections.schema import metadata
from shared.access.actor import Actor
from shared.contracts.fact import Circumstances, Fact, decode, encode
from shared.eventstore.execute import Executor
from shared.eventstore.memory import MemoryStore
from shared.eventstore.projection import Projected, Projection
from shared.identity import candidate_id, institution_id
from shared.testing.web import acting, mounted
from tests.book import BOOK
from tests.domain.certification import facts

NOW = datetime(2024, 6, 3, 1, tzinfo=UTC)
HISTORY = (facts.body_approved, facts.registered, facts.passed, facts.pass_approved, facts.issued)
PROJECTIONS = (approved_bodies.projection, candidates_by_body.projection, certificates_by_person.projection)
HANDLER = Actor("handler", "h-020", frozenset(("D9",)))


@pytest.fixture
def engine(fresh_database: Callable[[], str]) -> Iterator[Engine]:
    """A database with the read models' tables."""
    engine = create_engine(fresh_database())
    metadata.create_all(engine)
    yield engine
    engine.dispose()


def projected(position: int, fact: Fact) -> Projected:
    """The fact at a place of the event table, decided on 2024-06-03."""
    stream = getattr(fact, "candidate_id", None) or institution_id(getattr(fact, "uscc", ""))
    given = Circumstances(
        occurredat=NOW,
        businessdate=date(2024, 6, 3),
        actor="handler:h-010",
        duty="SYSTEM",
        region=facts.REGION,
        correlationid=stream,
        causationid=stream,
        traceparent="",
    )
    encoded = encode("certification", fact, stream=stream, version=position, given=given, now=NOW)
    return Projected(position, decode(encoded.state))


def fold(engine: Engine, projection: Projection, *pages: list[Projected]) -> None:
    """Each page in a transaction of its own, with the facts that the projection reads."""
    for page in pages:
        wanted = [p for p in page if isinstance(p.fact.data, projection.reads)]
        with engine.begin() as connection:
            projection.fold(connection, wanted)


def rows(engine: Engine, projection: Projection) -> list[dict[str, Any]]:
    """The projection's whole table."""
    (table,) = projection.tables
    with engine.connect() as connection:
        found = connection.execute(select(table).order_by(*table.primary_key.columns)).mappings()
        return [dict(row) for row in found]


def numbered(*history: Fact) -> list[Projected]:
    return [projected(position, fact) for position, fact in enumerate(history, 1)]


def second() -> list[Fact]:
    """Another candidate of the same body and person, with a failed result."""
    other = {"candidate_id": candidate_id(facts.BODY, "K-02")}
    return [
        msgspec.structs.replace(facts.registered, candidate_ref="K-02", **other),
        msgspec.structs.replace(facts.failed, **other),
        msgspec.structs.replace(facts.fail_approved, **other),
    ]


def test_a_certificate_stands_under_its_person(engine: Engine):
    fold(engine, certificates_by_person.projection, numbered(*HISTORY))
    with engine.connect() as connection:
        mine = certificates_by_person.certificates_of(connection, facts.LI_NA, after=0, limit=10)
        others = certificates_by_person.certificates_of(connection, facts.WANG_FANG, after=0, limit=10)
    assert mine == [
        {
            "certificate_id": facts.CERTIFICATE,
            "person_id": facts.LI_NA,
            "certificate_no": "S350100001",
            "certificate_kind": "SKILL_LEVEL",
            "occupation_id": facts.OCCUPATION,
            "level": facts.LEVEL,
            "issued_on": facts.ISSUED_ON,
            "norm": "GZB-elder-carer",
            "assessment_body": facts.BODY,
            "institution": facts.INSTITUTION,
            "region": facts.REGION,
            "enrolment_id": facts.ENROLMENT,
            "position": 5,
        }
    ]
    assert others == []


def test_a_candidate_s_row_tells_how_far_the_assessment_is(engine: Engine):
    stages = []
    for page in numbered(*HISTORY):
        fold(engine, candidates_by_body.projection, [page])
        stages += [(row["stage"], row["passed"]) for row in rows(engine, candidates_by_body.projection)]
    assert stages == [("REGISTERED", None), ("ASSESSED", True), ("APPROVED", True), ("CERTIFIED", True)]
    (row,) = rows(engine, candidates_by_body.projection)
    assert (row["theory"], row["practice"], row["certificate_id"], row["position"]) == (
        81,
        77,
        facts.CERTIFICATE,
        5,
    )


def test_a_body_s_periods_stand_on_one_page(engine: Engine):
    renewed = msgspec.structs.replace(
        facts.body_approved, valid_from=date(2025, 1, 1), valid_to=date(2025, 12, 31)
    )
    other = msgspec.structs.replace(facts.body_approved, uscc=facts.OTHER_BODY)
    fold(engine, approved_bodies.projection, numbered(renewed, other, facts.body_approved))
    with engine.connect() as connection:
        first = approved_bodies.bodies(connection, after="", limit=1)
        rest = approved_bodies.bodies(connection, after=facts.BODY, limit=1)
    assert [(row["uscc"], row["valid_from"]) for row in first] == [
        (facts.BODY, date(2024, 1, 1)),
        (facts.BODY, date(2025, 1, 1)),
    ]
    assert [row["uscc"] for row in rest] == [facts.OTHER_BODY]
    assert first[0]["scope"] == [{"occupation_id": facts.OCCUPATION, "levels": ["5", "4"]}]
    assert (first[0]["approved_on"], first[0]["approved_by"]) == (date(2024, 6, 3), "handler:h-010")


@pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda projection: projection.name)
def test_pages_of_any_size_give_the_same_rows(engine: Engine, projection: Projection):
    history = numbered(*HISTORY, *second())
    fold(engine, projection, history)
    whole = rows(engine, projection)
    assert whole
    with engine.begin() as connection:
        connection.execute(projection.tables[0].delete())
    for fact in history:
        fold(engine, projection, [fact])
    assert rows(engine, projection) == whole


@pytest.mark.parametrize(
    "projection", [candidates_by_body.projection, certificates_by_person.projection], ids=lambda one: one.name
)
def test_a_page_folded_twice_is_refused_and_changes_nothing(engine: Engine, projection: Projection):
    """The cursor, moved in the transaction that folds, keeps it from happening."""
    history = numbered(*HISTORY, *second())
    fold(engine, projection, history)
    whole = rows(engine, projection)
    with pytest.raises(UniqueViolation):
        fold(engine, projection, history)
    assert rows(engine, projection) == whole


def test_what_changes_a_row_that_is_not_there_is_refused(engine: Engine):
    """A fact was passed over: the read model would say less than its facts."""
    with pytest.raises(KeyError, match="1 rows of candidates_by_body"):
        fold(engine, candidates_by_body.projection, [projected(3, facts.passed)])


def test_a_page_of_two_thousand_facts_is_written_whole(engine: Engine):
    history = []
    for number in range(1, 1001):
        of = {"candidate_id": candidate_id(facts.BODY, f"K-{number}")}
        history.append(msgspec.structs.replace(facts.registered, candidate_ref=f"K-{number:04d}", **of))
        history.append(msgspec.structs.replace(facts.passed, **of))
    fold(engine, candidates_by_body.projection, numbered(*history))
    with engine.connect() as connection:
        page = candidates_by_body.candidates_of(connection, facts.BODY, after="K-0900", limit=100)
    assert [row["candidate_ref"] for row in page] == [f"K-{number:04d}" for number in range(901, 1001)]
    assert {row["stage"] for row in page} == {"ASSESSED"}


def get(engine: Engine, actor: Actor, path: str) -> tuple[int, Any]:
    """A look at a route of the service."""
    executor = Executor("certification", MemoryStore(), effects)
    routes = router(executor, engine, book=BOOK, authenticate=acting(actor))
    app = mounted("certification", routes)

    async def go() -> tuple[int, Any]:
        async with AsyncClient(transport=ASGITransport(app=app), base_url="http://test") as http:
            answer = await http.get(path)
            return answer.status_code, answer.json()

    return asyncio.run(go())


@pytest.fixture
def filled(engine: Engine) -> Engine:
    """Two candidates, one certificate, one body."""
    for projection in PROJECTIONS:
        fold(engine, projection, numbered(*HISTORY, *second()))
    return engine


def test_the_person_s_own_token_shows_their_certificates_page_by_page(filled: Engine):
    person = Actor("person", facts.LI_NA, frozenset())
    path = f"/certificates?person={facts.LI_NA}&limit=1"
    status, first = get(filled, person, path)
    assert status == 200
    assert [item["certificate_no"] for item in first["items"]] == ["S350100001"]
    assert get(filled, person, f"{path}&after={first['next']}") == (200, {"items": [], "next": None})


@pytest.mark.parametrize(
    ("actor", "status"),
    [
        (HANDLER, 200),
        (Actor("person", facts.LI_NA, frozenset()), 200),
        (Actor("person", facts.WANG_FANG, frozenset()), 404),
    ],
    ids=["a handler", "the person", "another person"],
)
def test_a_candidate_is_shown_to_handlers_and_to_the_person(filled: Engine, actor: Actor, status: int):
    got, answer = get(filled, actor, f"/candidates/{facts.CANDIDATE}")
    assert got == status
    assert answer.get("stage") == ("CERTIFIED" if status == 200 else None)


def test_a_candidate_that_nobody_registered_is_not_found(filled: Engine):
    status, answer = get(filled, HANDLER, f"/candidates/{candidate_id(facts.BODY, 'K-99')}")
    assert (status, answer["code"]) == (404, "candidate.unknown")


def test_handlers_page_through_a_body_s_candidates(filled: Engine):
    path = f"/candidates?body={facts.BODY}&limit=1"
    _, first = get(filled, HANDLER, path)
    _, following = get(filled, HANDLER, f"{path}&after={first['next']}")
    shown = [(item["candidate_ref"], item["passed"]) for page in (first, following) for item in page["items"]]
    assert shown == [("K-01", True), ("K-02", False)]


def test_the_approved_bodies_are_listed_with_their_scope(filled: Engine):
    status, page = get(filled, HANDLER, "/assessment-bodies")
    assert (status, page["next"]) == (200, None)
    assert [(item["uscc"], item["scope"]) for item in page["items"]] == [
        (facts.BODY, [{"occupation_id": facts.OCCUPATION, "levels": ["5", "4"]}])
    ]
