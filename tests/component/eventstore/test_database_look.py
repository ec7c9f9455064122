"""A look at a service's database: what it tells is so, a read model that stands still shows, an outage hangs nobody."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import uuid4

import pytest
from aiokafka import TopicPartition
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import DBAPIError

from shared.eventstore import projector as projector_module
from shared.eventstore.changes import Changes, Move, Park, ParkFact, Position, PositionKey, Reads, Wake
from shared.eventstore.projector import OwnFacts, Projector
from shared.eventstore.sql import SqlStore
from shared.eventstore.tables import EVENTS, positions
from shared.eventstore.tables import relay as relay_table
from shared.messaging.topics import facts_topic
from shared.runtime.database_look import DatabaseLook
from shared.runtime.readiness import PROJECTOR, Readiness
from shared.telemetry.metrics import Metrics
from shared.telemetry.seen import (
    FOLLOWER_LAG,
    HEAD,
    PARKED_FACTS,
    PARKED_FACTS_AGE,
    PARKED_SUBMISSIONS,
    PARKED_SUBMISSIONS_AGE,
    PROJECTION_LAG_FACTS,
    PROJECTION_LAG_SECONDS,
    RELAY_AGE,
    UNSENT_FACTS,
    UNSENT_RECEIPTS,
)

from .approvals import metadata, projection
from .test_store_behaviours import NOW, fact

SECONDS = 20.0
RECORDED = (datetime.now(UTC) - NOW).total_seconds()
"""How old the facts of these tests are, at least."""
FOLLOWER = "enrolment.bank"


@pytest.fixture
def store(engines) -> SqlStore:
    engine = engines()
    metadata.create_all(engine)
    return SqlStore(engine)


@pytest.fixture
def projector(store) -> Projector:
    return Projector(store.engine, OwnFacts("enrolment", store), [projection])


@pytest.fixture
def looking(kernel_database, projector):
    look = DatabaseLook(kernel_database, "enrolment", projector, [FOLLOWER], lambda _connection: {})
    yield look
    look.close()


async def seen(look: DatabaseLook) -> dict:
    """By metric, or by metric and labels, what a look tells."""
    rows = await look.look(SECONDS)
    return {(row.metric, *row.labels) if row.labels else row.metric: row.value for row in rows.seen}


def append(store: SqlStore, count: int) -> None:
    store.commit(Changes(store.head(), Reads(), [fact(str(uuid4())) for _ in range(count)]))


async def test_an_empty_service_is_told_as_such(looking):
    """Nothing lags, nothing waits, nothing is old; every figure is there all the same."""
    found = await seen(looking)
    assert set(found.values()) == {0}
    assert {
        RELAY_AGE,
        (PROJECTION_LAG_SECONDS, "approvals"),
        (PARKED_SUBMISSIONS_AGE, "operator"),
    } <= found.keys()


async def test_unsent_facts_age_until_the_relay_has_them_acknowledged(store, looking):
    """From the oldest that is not sent; a relay that has reached the end leaves nothing."""
    append(store, 5)
    found = await seen(looking)
    assert (found[HEAD], found[UNSENT_FACTS], found[UNSENT_RECEIPTS]) == (5, 5, 0)
    assert found[RELAY_AGE] >= RECORDED
    with store.engine.begin() as connection:
        connection.execute(insert(relay_table).values(topic=facts_topic("enrolment"), cursor=4))
    found = await seen(looking)
    assert found[UNSENT_FACTS] == 1
    assert found[RELAY_AGE] >= RECORDED
    with store.engine.begin() as connection:
        connection.execute(update(relay_table).values(cursor=5))
    found = await seen(looking)
    assert (found[UNSENT_FACTS], found[RELAY_AGE]) == (0, 0)


async def test_what_waits_is_told_by_what_for_and_for_how_long(store, looking):
    """Submissions by kind; foreign facts that failed apart from those behind them."""
    for number, awaited in enumerate(("class:1", "key:k-1", "receipt:r", "operator:KeyError", "operator:X")):
        row = Park(str(uuid4()), f"d{number}", awaited, "U", "s", "t", "j", "topic", 0, number, NOW, "")
        store.commit(Changes(store.head(), Reads(), [], [row]))
    parked_at = datetime.now(UTC) - timedelta(minutes=5)
    for number, error in enumerate(("KeyError: x", "")):
        row = ParkFact(
            str(uuid4()), "enrolment.policies", "case", "s", "t", 0, number + 1, number, "type", b"{}", error, "", "",
            parked_at,
        )  # fmt: skip
        store.commit(Changes(store.head(), Reads(), [], [row]))
    found = await seen(looking)
    kinds = {
        key[1]: value
        for key, value in found.items()
        if isinstance(key, tuple) and key[0] is PARKED_SUBMISSIONS
    }
    assert kinds == {"fact": 1, "key": 1, "receipt": 1, "operator": 2}
    assert found[PARKED_SUBMISSIONS_AGE, "operator"] >= RECORDED
    assert (found[PARKED_FACTS, "failed"], found[PARKED_FACTS, "behind"]) == (1, 1)
    assert 300 <= found[PARKED_FACTS_AGE] < RECORDED


async def test_offsets_and_followers_are_read_from_the_position_rows(store, looking):
    """What a consumer has decided, and how far a follower of the own event table is behind its head."""
    append(store, 3)
    consumer = PositionKey("enrolment.intake", "intake", "zeren.enrolment.intake.v1", 2)
    follower = PositionKey(FOLLOWER, f"enrolment@{store.incarnation()}", EVENTS, 0)
    moves = [Move(consumer, None, Position(41, b"", 41)), Move(follower, None, Position(1, b"", 0))]
    store.commit(Changes(store.head(), Reads(), [], [Wake("nothing")], moves))
    rows = await looking.look(SECONDS)
    assert rows.offsets["enrolment.intake", TopicPartition("zeren.enrolment.intake.v1", 2)] == 42
    assert (await seen(looking))[FOLLOWER_LAG, FOLLOWER] == 2


async def test_a_projector_that_stands_still_shows(store, projector, looking, monkeypatch):
    """Another transaction holds its cursor: lag grows, its part of readiness falls, and both recover."""
    append(store, 2)
    assert projector.project_some() == 2
    assert projector.project_some() == 0
    context = SimpleNamespace(servers=SimpleNamespace(answers=lambda _what: True))
    readiness = Readiness(context, ("projector",), projector)
    assert readiness.parts()[PROJECTOR]
    append(store, 7)
    monkeypatch.setattr(projector_module, "STALE_SECONDS", 0.2)
    with ThreadPoolExecutor(1) as pool, store.engine.connect() as holding, holding.begin() as held:
        holding.execute(select(positions).with_for_update())
        moving = pool.submit(projector.project_some)
        while readiness.parts()[PROJECTOR]:
            await asyncio.sleep(0.01)
        found = await seen(looking)
        assert found[PROJECTION_LAG_FACTS, "approvals"] == 7
        assert found[PROJECTION_LAG_SECONDS, "approvals"] >= RECORDED
        assert not moving.done()
        held.rollback()
        assert moving.result(SECONDS) == 7
    monkeypatch.undo()
    assert readiness.parts()[PROJECTOR]
    found = await seen(looking)
    assert (found[PROJECTION_LAG_FACTS, "approvals"], found[PROJECTION_LAG_SECONDS, "approvals"]) == (0, 0)


def test_pages_of_a_read_model_are_counted_and_timed(store):
    """Once a page; a round without facts counts nothing."""
    metrics = Metrics("enrolment")
    projector = Projector(store.engine, OwnFacts("enrolment", store), [projection], metrics=metrics)
    append(store, 4)
    assert projector.project_some() == 4
    assert projector.project_some() == 0
    text = metrics.text().decode()
    assert 'zeren_projected_facts_total{projection="approvals",service="enrolment"} 4.0' in text
    assert 'zeren_transaction_seconds_count{kind="projection",service="enrolment"} 1.0' in text


async def test_a_database_that_hangs_is_asked_by_one_look_at_a_time(store, looking):
    """Who asks gets an answer in time, and no further thread is lost; once it answers, so does the look."""
    with store.engine.connect() as holding, holding.begin() as held:
        holding.exec_driver_sql("LOCK TABLE parked IN ACCESS EXCLUSIVE MODE")
        assert await looking.look(0.05) is None
        assert await looking.look(0.05) is None
        held.rollback()
    async with asyncio.timeout(SECONDS):
        while (rows := await looking.look(SECONDS)) is None:
            await asyncio.sleep(0.01)
    assert rows.seen


async def test_a_database_that_is_away_gives_no_look(projector):
    """Nothing is raised: the scrape goes on without it."""
    look = DatabaseLook(
        "postgresql+psycopg://u:p@127.0.0.1:1/none", "enrolment", projector, [], lambda _c: {}
    )
    assert await look.look(SECONDS) is None
    look.close()


def test_read_models_that_stand_at_one_place_go_apart_where_one_of_them_can_not_fold(store):
    """The ones before it go on; it stands still with its cause, and catches up once it can."""
    broken = True

    def fold(_connection, _page):
        if broken:
            raise KeyError("a fault of ours")

    other = replace(projection, name="other", fold=fold, tables=())
    pair = Projector(store.engine, OwnFacts("enrolment", store), [projection, other])
    append(store, 3)
    with pytest.raises(KeyError):
        pair.project_some()
    assert pair.behind() == {"approvals": 0, "other": 3}
    with pytest.raises(KeyError):
        pair.project_some()
    broken = False
    assert pair.project_some() == 3
    assert pair.behind() == {"approvals": 0, "other": 0}


def test_read_models_do_not_go_apart_where_the_connection_was_cut(store):
    """It is nobody's fault: the outage is told once, and all of them go on together."""
    cut = 0

    def fold(connection, _page):
        nonlocal cut
        cut += 1
        if cut == 1:
            connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    other = replace(projection, name="other", fold=fold, tables=())
    pair = Projector(store.engine, OwnFacts("enrolment", store), [projection, other])
    append(store, 3)
    with pytest.raises(DBAPIError):
        pair.project_some()
    assert cut == 1
    assert pair.behind() == {"approvals": 3, "other": 3}
    assert pair.project_some() == 3
    assert pair.behind() == {"approvals": 0, "other": 0}
