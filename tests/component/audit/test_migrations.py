"""A database of an earlier version goes on where it was."""

from __future__ import annotations

import json
from uuid import UUID

from sqlalchemy import insert, select

from services.audit.ledger import reading
from services.audit.ledger.tables import checkpoints
from services.audit.projections.catalogue import PROJECTIONS
from services.audit.projections.projector import LedgerFacts
from shared.contracts.fact import header
from shared.eventstore.changes import PositionKey
from shared.eventstore.projector import cursor
from shared.eventstore.sql import make_engine
from shared.eventstore.tables import positions
from shared.runtime.migrate import migrate
from tests.component.audit.story import fact_like
from zeren.stack.paths import CHECKOUT

FOLDER = CHECKOUT / "services" / "audit" / "migrations"
OLD_CURSOR = {
    "consumer": "audit.projections.claim_history",
    "source": "ledger",
    "topic": "ledger",
    "partition": 0,
}


def test_a_database_made_before_parked_facts_and_rebuilds_keeps_its_read_models_cursors(fresh_database):
    """Its read models are not folded a second time, which would double what they count."""
    engine = make_engine(fresh_database())
    migrate(engine, FOLDER)
    name = PROJECTIONS[0].name
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE parked_facts, rebuilds")
        connection.exec_driver_sql(
            "CREATE TABLE ledger_cursors (projection text PRIMARY KEY, next bigint NOT NULL)"
        )
        connection.exec_driver_sql("INSERT INTO ledger_cursors VALUES (%s, 512)", (name,))
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
    migrate(engine, FOLDER)
    with engine.connect() as connection:
        assert cursor(connection, LedgerFacts(reading).key(name)) == 512
        assert connection.exec_driver_sql("SELECT to_regclass('parked_facts')").scalar_one() is not None
        assert connection.exec_driver_sql("SELECT to_regclass('rebuilds')").scalar_one() is not None
        assert connection.exec_driver_sql("SELECT to_regclass('ledger_cursors')").scalar_one() is None
    engine.dispose()


def test_entries_ledgered_before_their_streams_were_noted_are_found_by_them(fresh_database):
    """Whatever their bytes; the table that the ledger replaces is gone, with its cursor."""
    engine = make_engine(fresh_database())
    migrate(engine, FOLDER)
    facts = [fact_like(number) for number in range(3)]
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE entries DROP COLUMN subject")
        connection.exec_driver_sql("CREATE TABLE claim_history (index bigint)")
        connection.execute(insert(positions).values(**OLD_CURSOR, position=4, digest=b"", kafka_offset=0))
        for index, entry in enumerate([*facts, b"no fact"]):
            connection.exec_driver_sql(
                """INSERT INTO entries (index, source, topic, partition, position, fact_id, type, entry)
                   VALUES (%s, 's', 't', 0, %s, gen_random_uuid(), '', %s)""",
                (index, index, entry),
            )
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0003'")
    migrate(engine, FOLDER)
    with engine.connect() as connection:
        for index, fact in enumerate(facts):
            found = reading.entries_about(connection, [UUID(header(fact).subject)], limit=9)
            assert [(row.index, row.entry) for row in found] == [(index, fact)]
        assert connection.exec_driver_sql("SELECT to_regclass('claim_history')").scalar_one() is None
        assert cursor(connection, PositionKey(**OLD_CURSOR)) == 0
    engine.dispose()


def test_checkpoints_that_were_not_sent_yet_are_given_the_runs_of_their_leaves(fresh_database):
    """Those that were need none: what is on their topic tells it."""
    engine = make_engine(fresh_database())
    migrate(engine, FOLDER)
    places = ["a0", "a0", "b1", "a0", "a0", "a1", "a1", "a0"]
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE checkpoints DROP COLUMN runs")
        for index, (source, number) in enumerate(places):
            connection.exec_driver_sql(
                """INSERT INTO entries (index, source, topic, partition, position, fact_id, type, entry)
                   VALUES (%s, %s, 't', %s, %s, gen_random_uuid(), '', '')""",
                (index, source, int(number), index),
            )
        for size, published in ((0, True), (2, True), (6, False), (8, False)):
            connection.exec_driver_sql(
                "INSERT INTO checkpoints (size, root, note, made_at, published) VALUES (%s, '', '', now(), %s)",
                (size, published),
            )
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0005'")
    migrate(engine, FOLDER)
    with engine.connect() as connection:
        found = connection.execute(select(checkpoints.c.size, checkpoints.c.runs)).all()
    assert {size: json.loads(runs) for size, runs in found} == {
        0: [],
        2: [],
        6: [["b", "t", 1, 1], ["a", "t", 0, 2], ["a", "t", 1, 1]],
        8: [["a", "t", 1, 1], ["a", "t", 0, 1]],
    }
    engine.dispose()
