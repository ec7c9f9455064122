"""Read models built anew beside the live ones: nobody sees a part, a crash changes nothing, nothing is sent."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from sqlalchemy import Engine, inspect, select, text
from sqlalchemy.exc import ProgrammingError

from shared.contracts.fact import SERVICES
from shared.eventstore import rebuild as rebuilding
from shared.eventstore import tables as kernel
from shared.eventstore.changes import Changes, Reads
from shared.eventstore.projection import Projection
from shared.eventstore.projector import OwnFacts, Projector
from shared.eventstore.rebuild import SwitchRefused, rebuild
from shared.eventstore.scratch import Busy
from shared.eventstore.sql import SqlStore, make_engine
from shared.eventstore.standing import standing
from shared.eventstore.verify import MISSING, OTHER, SURPLUS, NotBuilt, verify
from shared.runtime.migrate import migrate
from tests.architecture.tree import ROOT
from tests.component.eventstore.approvals import (
    approvals,
    approvals_count,
    metadata,
    projection,
    rebuild_until_killed,
)
from tests.component.eventstore.test_store_behaviours import fact

FACTS = 300
WAIT_SECONDS = 30


@pytest.fixture
def engine(engines) -> Engine:
    engine = engines()
    metadata.create_all(engine)
    return engine


@pytest.fixture
def store(engine) -> SqlStore:
    store = SqlStore(engine)
    append(store, FACTS)
    return store


@pytest.fixture
def source(store) -> OwnFacts:
    return OwnFacts("enrolment", store)


@pytest.fixture
def projector(engine, source) -> Projector:
    """The live one, up to date."""
    projector = Projector(engine, source, [projection])
    project(projector)
    return projector


@pytest.fixture(autouse=True)
def small_pages(monkeypatch):
    monkeypatch.setattr("shared.eventstore.scratch.PAGE", 100)


def append(store: SqlStore, count: int) -> None:
    store.commit(Changes(store.head(), Reads(), [fact(str(uuid4()), note="n") for _ in range(count)]))


def project(projector: Projector) -> None:
    while projector.project_some():
        pass


def rows(engine: Engine) -> dict[str, list]:
    with engine.connect() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]
            for table in projection.tables
        }


def test_a_rebuilt_projection_equals_the_live_one(engine, source, projector):
    """Row by row; wrong rows of the live one are gone."""
    live = rows(engine)
    assert live["approvals_count"] == [("approved", FACTS)]
    with engine.begin() as connection:
        connection.execute(approvals.delete().where(approvals.c.position > 10))
        connection.execute(approvals_count.update().values(facts=7))
    assert rebuild(engine, source, projection).facts == FACTS
    assert rows(engine) == live
    assert projector.behind() == {"approvals": 0}
    assert verify(engine, source, projection).different == 0


def test_facts_that_come_meanwhile_are_folded_once_and_the_live_projector_goes_on(
    engine, store, source, projector
):
    """Appended and projected after each page of the rebuild, and after it."""

    def more(_step) -> None:
        append(store, 3)
        project(projector)

    rebuilt = rebuild(engine, source, projection, more)
    assert rebuilt.facts == store.head() > FACTS
    append(store, 5)
    project(projector)
    assert rows(engine)["approvals_count"] == [("approved", store.head())]
    assert [row[0] for row in rows(engine)["approvals"]] == list(range(1, store.head() + 1))


def test_readers_never_see_a_half_built_model(engine, source, projector):
    """Read without a pause through three rebuilds: every answer is whole."""
    over, seen = threading.Event(), set()

    def read() -> None:
        query = text("SELECT (SELECT count(*) FROM approvals), (SELECT facts FROM approvals_count)")
        while not over.is_set():
            with engine.connect() as connection:
                seen.add(tuple(connection.execute(query).one()))

    with ThreadPoolExecutor(2) as pool:
        reading = [pool.submit(read) for _ in range(2)]
        for _ in range(3):
            rebuild(engine, source, projection)
        over.set()
        for one in reading:
            one.result(WAIT_SECONDS)
    assert seen == {(FACTS, FACTS)}


def test_a_rebuild_that_is_killed_leaves_the_live_model_and_the_next_starts_clean(
    engine, kernel_database, source, projector
):
    """Kill -9 after the first page."""
    live = rows(engine)
    spawning = multiprocessing.get_context("spawn")
    ours, theirs = spawning.Pipe()
    process = spawning.Process(target=rebuild_until_killed, args=(kernel_database, theirs))
    process.start()
    assert ours.poll(WAIT_SECONDS)
    assert standing(engine, source, projection).under_way
    with pytest.raises(Busy, match="approvals"):
        rebuild(engine, source, projection)
    with pytest.raises(Busy):
        verify(engine, source, projection)
    os.kill(process.pid, signal.SIGKILL)
    process.join(WAIT_SECONDS)
    until = time.monotonic() + WAIT_SECONDS
    while standing(engine, source, projection).under_way:
        assert time.monotonic() < until
    left = standing(engine, source, projection)
    assert left.left_over
    assert left.rebuilt_at is None
    assert rows(engine) == live
    rebuild(engine, source, projection)
    assert rows(engine) == live
    after = standing(engine, source, projection)
    assert (after.left_over, after.under_way) == (False, False)
    assert after.rebuilt_at is not None


def test_a_rebuild_sends_nothing_and_writes_no_fact(engine, store, source, projector):
    """Every table of the kernel stays as it is but the record of rebuilds; nobody is woken."""
    watched = [table for table in kernel.metadata.sorted_tables if table.name != "rebuilds"]

    def state() -> dict[str, list]:
        with engine.connect() as connection:
            return {
                table.name: sorted(str(tuple(row)) for row in connection.execute(select(table)))
                for table in watched
            }

    before = state()
    assert len(before["events"]) == FACTS
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as listening:
        listening.execute(text("LISTEN events"))
        rebuild(engine, source, projection)
        verify(engine, source, projection)
        notes = list(listening.connection.driver_connection.notifies(timeout=0.2))
    assert state() == before
    assert notes == []


def test_a_verification_names_the_table_the_key_and_what_differs(engine, source, projector):
    """A row changed, one lost, one too many."""
    assert verify(engine, source, projection)[2:] == (0, [])
    with engine.begin() as connection:
        connection.execute(approvals.update().where(approvals.c.position == 5).values(note="forged"))
        connection.execute(approvals.delete().where(approvals.c.position == 7))
        connection.execute(approvals.insert().values(position=9_999, class_id="c", note=None))
    live = rows(engine)
    found = verify(engine, source, projection)
    assert found.different == 3
    assert [(one.table, one.key["position"], one.kind, one.columns) for one in found.first] == [
        ("approvals", 5, OTHER, {"note": ("forged", "n")}),
        ("approvals", 7, MISSING, {}),
        ("approvals", 9_999, SURPLUS, {}),
    ]
    assert rows(engine) == live
    rebuild(engine, source, projection)
    assert verify(engine, source, projection).different == 0


def test_a_verification_compares_at_one_cursor_while_the_live_model_moves(engine, store, source, projector):
    """Nobody waits for it, and what comes meanwhile is no difference."""

    def more(_step) -> None:
        append(store, 3)
        project(projector)

    found = verify(engine, source, projection, more)
    assert found.different == 0
    assert found.facts > FACTS


def test_a_model_that_lags_is_verified_as_far_as_it_is(engine, store, source, projector):
    """Lag is no difference."""
    append(store, 20)
    assert verify(engine, source, projection)[0::2] == (FACTS, 0)
    assert standing(engine, source, projection).lag == 20


def shape(engine: Engine, models: list[Projection]) -> dict:
    there = inspect(engine)
    query = text(
        "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename = :name ORDER BY 1"
    )
    with engine.connect() as connection:
        return {
            table.name: (
                [
                    (column["name"], str(column["type"]), column["nullable"])
                    for column in there.get_columns(table.name)
                ],
                connection.scalars(query, {"name": table.name}).all(),
                there.get_table_comment(table.name),
                [column["comment"] for column in there.get_columns(table.name)],
                there.get_pk_constraint(table.name),
            )
            for model in models
            for table in model.tables
        }


@pytest.mark.parametrize("service", SERVICES)
def test_every_read_model_of_a_service_keeps_columns_indexes_names_and_comments(fresh_database, service):
    """As the service's migrations made them."""
    models = list(importlib.import_module(f"services.{service}.consumers").PROJECTIONS)
    engine = make_engine(fresh_database())
    migrate(engine, ROOT / "services" / service / "migrations")
    before = shape(engine, models)
    for model in models:
        rebuild(engine, OwnFacts(service, SqlStore(engine)), model)
    assert shape(engine, models) == before
    assert before
    engine.dispose()


def test_whoever_could_read_the_old_tables_can_read_the_new_ones(engine, source, projector):
    """A reporting role's rights on a table and on a column."""
    role = f"reporting_{uuid4().hex[:8]}"
    grants = text(
        "SELECT table_name, column_name, privilege_type, is_grantable FROM information_schema.column_privileges "
        "WHERE grantee = :role ORDER BY 1, 2, 3"
    )
    with engine.begin() as connection:
        connection.execute(text(f"CREATE ROLE {role}"))
        connection.execute(text(f"GRANT SELECT ON approvals TO {role} WITH GRANT OPTION"))
        connection.execute(text(f"GRANT SELECT (facts) ON approvals_count TO {role}"))
        before = connection.execute(grants, {"role": role}).all()
    rebuild(engine, source, projection)
    with engine.begin() as connection:
        assert connection.execute(grants, {"role": role}).all() == before
        connection.execute(text(f"DROP OWNED BY {role}"))
        connection.execute(text(f"DROP ROLE {role}"))
    assert len(before) == 4


def test_something_that_stands_on_the_live_table_refuses_the_switch(engine, source, projector):
    """A view would lose its table: the message names it, the live model stays."""
    live = rows(engine)
    with engine.begin() as connection:
        connection.execute(text("CREATE VIEW report AS SELECT count(*) FROM approvals"))
    with pytest.raises(SwitchRefused, match="report"):
        rebuild(engine, source, projection)
    assert rows(engine) == live
    assert not standing(engine, source, projection).left_over


def test_a_long_query_delays_the_switch_and_is_not_broken(engine, source, projector):
    """The switch gives way and comes again when the reader is done."""
    with ThreadPoolExecutor(1) as pool, engine.connect() as watching:
        with engine.connect() as reading, reading.begin():
            assert len(reading.execute(select(approvals_count)).all()) == 1
            switching = pool.submit(rebuild, engine, source, projection)
            waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'")
            until = time.monotonic() + WAIT_SECONDS
            while not watching.scalar(waiting):
                assert time.monotonic() < until
            assert len(reading.execute(select(approvals_count)).all()) == 1
        assert switching.result(WAIT_SECONDS).facts == FACTS


def test_a_query_that_never_ends_refuses_the_switch(engine, source, projector, monkeypatch):
    """It says so, and the live model goes on."""
    monkeypatch.setattr(rebuilding, "LOCK_TIMEOUT", "50ms")
    monkeypatch.setattr(rebuilding, "SWITCH_SECONDS", 0.2)
    live = rows(engine)
    with engine.connect() as reading, reading.begin():
        reading.execute(select(approvals))
        with pytest.raises(SwitchRefused, match="long queries"):
            rebuild(engine, source, projection)
    assert rows(engine) == live


def test_a_fold_reaches_no_table_but_its_own_while_it_is_built_anew(engine, source, projector):
    """A live table that a fold were to touch by mistake is not there for it."""

    def astray(connection, _page) -> None:
        connection.execute(text("DELETE FROM positions"))

    with pytest.raises(ProgrammingError, match="positions"):
        rebuild(engine, source, Projection("astray", (approvals,), projection.reads, astray))
    assert projector.behind() == {"approvals": 0}


def test_tables_that_are_not_there_are_told_and_made_by_a_rebuild(engine, source, store):
    """A read model that is new in this version of the service."""
    metadata.drop_all(engine)
    assert standing(engine, source, projection).rows == {"approvals": None, "approvals_count": None}
    with pytest.raises(NotBuilt, match="rebuild"):
        verify(engine, source, projection)
    rebuild(engine, source, projection)
    assert standing(engine, source, projection).rows == {"approvals": FACTS, "approvals_count": 1}
