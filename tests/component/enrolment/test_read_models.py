"""Enrolment's read models and the pages over them, on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, insert, select

from services.enrolment.api.router import router
from services.enrolment.projections import classes_by_state, institutions
from services.enrolment.projections.schema import metadata
from shared import identity
from shared.access.actor import Actor
from shared.contracts.fact import decode, fact_type
from shared.eventstore import tables
from shared.eventstore.projection import Projected
from shared.eventstore.sql import SqlStore, make_engine
from shared.testing.web import acting, mounted
from tests.book import BOOK
from tests.component.conftest import FreshDatabases
from tests.domain.enrolment import facts
from tests.domain.enrolment.conftest import World

HANDLER = Actor("handler", "h-001", frozenset(("REGISTRAR", "D3")))
READER = Actor("handler", "h-009", frozenset(("D9",)))
KEY = {
    "key_id": "k-1",
    "public_key": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
    "valid_from": "2024-01-01T00:00:00+08:00",
}
MODELS = (classes_by_state.projection, institutions.projection)


@dataclass
class Desk:
    """The service with its database, its read models and its pages."""

    world: World
    store: SqlStore
    engine: Engine

    def client(self, actor: Actor = HANDLER) -> TestClient:
        """A handler's browser."""
        routes = router(
            self.world.executor,
            self.engine,
            book=BOOK,
            authenticate=acting(actor),
            register_account=lambda uscc, _account: (f"a-{uscc}", "c" * 64),
        )
        return TestClient(mounted("enrolment", routes))

    def register(self, uscc: str, key_id: str, kind: str = "TRAINING") -> None:
        """An organisation, by its API."""
        account = {"number": "6222000000000001", "holder": "某校", "bank": "某某银行"}
        body = {
            "uscc": uscc,
            "name": f"机构 {key_id}",
            "kind": kind,
            "region": facts.REGION,
            "key": KEY | {"key_id": key_id},
            "account": account if kind == "TRAINING" else None,
        }
        answer = self.client().post("/institutions", json=body, headers={"Idempotency-Key": key_id})
        assert answer.status_code == 200, answer.text

    def project(self, page_size: int = 1000, after: int = 0) -> None:
        """Folds the event table page by page from a position on."""
        while page := self.store.page(after, page_size):
            for model in MODELS:
                wanted = [row for row in page if fact_type(row.type).cls in model.reads]
                with self.engine.begin() as connection:
                    model.fold(connection, [Projected(row.position, decode(row.state)) for row in wanted])
            after = page[-1].position

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """Everything in the read models."""
        with self.engine.connect() as connection:
            return {
                table.name: sorted(tuple(row) for row in connection.execute(select(table)))
                for model in MODELS
                for table in model.tables
            }

    def clear(self) -> None:
        """Throws the read models away."""
        with self.engine.begin() as connection:
            for model in MODELS:
                for table in model.tables:
                    connection.execute(table.delete())


@pytest.fixture
def desk(fresh_database: FreshDatabases) -> Iterator[Desk]:
    """A fresh database on Monday 2024-05-13: two organisations, nothing sent yet."""
    url = fresh_database()
    engine = make_engine(url)
    tables.metadata.create_all(engine)
    metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(tables.store), {"incarnation": uuid4()})
    store = SqlStore(engine)
    world = World(store)
    world.moves_to(facts.TODAY)
    desk = Desk(world, store, engine)
    desk.register(facts.SCHOOL, "k-school")
    desk.register(facts.BODY, "k-body", kind="ASSESSMENT")
    yield desk
    engine.dispose()


def teach(desk: Desk) -> None:
    """A class from its application to its end; another one only applied for."""
    world = desk.world
    world.decide(facts.application())
    other = facts.application(region="350128")
    world.decide(other, by=facts.OTHER_SCHOOL)
    headers = {"Idempotency-Key": "approve"}
    body = {"decision": "approve", "class_ids": [facts.CLASS_ID]}
    assert desk.client().post("/classes/decisions", json=body, headers=headers).status_code == 200
    world.decide(facts.enrolment("E-1"), person=facts.LI_NA)
    world.decide(facts.enrolment("E-2"), person=facts.WANG_WEI)
    world.moves_to(facts.AFTERWARDS)
    world.decide(facts.sheet(1, ("E-1", 180), ("E-2", 180)))
    world.decide(facts.sheet(2, ("E-1", 180)))
    world.decide(facts.sheet(3, ("E-1", 180)))
    world.decide(facts.completion())


def test_a_class_is_counted_from_application_to_end(desk: Desk):
    teach(desk)
    desk.project()
    answer = desk.client().get(f"/classes/{facts.CLASS_ID}").json()
    assert answer == {
        "class_id": facts.CLASS_ID,
        "class_ref": "K-1",
        "institution": facts.SCHOOL,
        "region": facts.REGION,
        "occupation_id": "elder-carer",
        "level": "5",
        "state": "COMPLETED",
        "max_trainees": 2,
        "enrolled": 2,
        "planned_sessions": 3,
        "recorded_sheets": 3,
        "completed": 1,
        "not_completed": 1,
        "first_day": "2024-05-15",
        "last_day": "2024-05-17",
        "applied_on": "2024-05-13",
        "approved_on": "2024-05-13",
        "approved_by": "handler:h-001",
    }


@pytest.mark.parametrize("page_size", [1, 7])
def test_pages_of_any_size_and_facts_folded_twice_give_the_same_rows(desk: Desk, page_size: int):
    teach(desk)
    desk.project()
    whole = desk.rows()
    assert all(whole.values()), "every table has rows"
    desk.project(page_size)
    assert desk.rows() == whole
    desk.clear()
    desk.project(page_size)
    assert desk.rows() == whole


def test_the_worklist_shows_what_awaits_approval_and_where(desk: Desk):
    teach(desk)
    desk.project()
    other = identity.class_id(facts.OTHER_SCHOOL, "K-1")
    answer = desk.client().get("/worklist").json()
    assert (answer["duty"], answer["waiting"], answer["next"]) == ("D3", {"350128": 1}, None)
    assert [row["class_id"] for row in answer["items"]] == [other]


def test_nothing_awaits_who_does_not_hold_the_duty(desk: Desk):
    teach(desk)
    desk.project()
    assert desk.client(READER).get("/worklist").json()["items"] == []


def test_classes_are_listed_in_the_order_of_their_applications_and_paged(desk: Desk):
    for number in range(5):
        sessions = [
            type(plan)(
                session_ref=f"K-{number}-{plan.session_ref}",
                held_on=plan.held_on,
                starts_at=plan.starts_at,
                ends_at=plan.ends_at,
                teacher_ref=plan.teacher_ref,
            )
            for plan in facts.application().sessions
        ]
        desk.world.decide(facts.application(class_ref=f"K-{number}", sessions=sessions))
    desk.project()
    http, seen, after = desk.client(), [], 0
    while after is not None:
        page = http.get("/classes", params={"after": after, "limit": 2}).json()
        seen += [row["class_ref"] for row in page["items"]]
        after = page["next"]
    assert seen == [f"K-{number}" for number in range(5)]


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ({"state": "COMPLETED"}, 1),
        ({"state": "APPROVED"}, 0),
        ({"region": "350128"}, 1),
        ({"institution": facts.SCHOOL}, 1),
        ({"institution": facts.SCHOOL, "region": "350128"}, 0),
        ({}, 2),
    ],
)
def test_classes_are_found_by_state_region_and_institution(desk: Desk, wanted: dict[str, str], count: int):
    teach(desk)
    desk.project()
    assert len(desk.client().get("/classes", params=wanted).json()["items"]) == count


def test_an_organisation_is_shown_with_its_keys_and_whether_it_has_an_account(desk: Desk):
    desk.project()
    answer = desk.client().get(f"/institutions/{facts.SCHOOL}").json()
    assert answer["keys"] == [
        {
            "key_id": "k-school",
            "public_key": KEY["public_key"],
            "valid_from": "2023-12-31T16:00:00Z",
            "valid_until": None,
        }
    ]
    assert (answer["has_account"], answer["registered_on"]) == (True, date(2024, 5, 13).isoformat())
    assert desk.client().get(f"/institutions/{facts.BODY}").json()["has_account"] is False


@pytest.mark.parametrize("page_size", [1, 1000])
def test_a_revoked_key_is_shown_with_its_end(desk: Desk, page_size: int):
    """Whether registration and revocation come in one page or in two."""
    end = "2024-06-01T04:00:00Z"
    path = f"/institutions/{facts.SCHOOL}/keys/k-school/revocation"
    body = {"reason": "LOST", "valid_until": end}
    assert desk.client().post(path, json=body, headers={"Idempotency-Key": "end"}).status_code == 200
    desk.project(page_size)
    (key,) = desk.client().get(f"/institutions/{facts.SCHOOL}").json()["keys"]
    assert key["valid_until"] == end


def test_organisations_are_listed_by_kind_and_paged(desk: Desk):
    desk.project()
    http = desk.client()
    assert [row["uscc"] for row in http.get("/institutions?kind=ASSESSMENT").json()["items"]] == [facts.BODY]
    first = http.get("/institutions?limit=1").json()
    second = http.get("/institutions", params={"limit": 1, "after": first["next"]}).json()
    assert [first["items"][0]["uscc"], second["items"][0]["uscc"]] == sorted((facts.SCHOOL, facts.BODY))
    assert second["next"] is None


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (f"/institutions/{facts.OTHER_SCHOOL}", "institution.unknown"),
        (f"/classes/{facts.CLASS_ID}", "class.unknown"),
    ],
)
def test_what_nobody_registered_or_applied_for_is_not_found(desk: Desk, path: str, code: str):
    answer = desk.client().get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, code)
