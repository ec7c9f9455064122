"""A database of an earlier version goes on where it was."""

from __future__ import annotations

from services.audit.ledger import reading
from services.audit.projections.catalogue import PROJECTIONS
from services.audit.projections.projector import LedgerFacts
from shared.eventstore.projector import cursor
from shared.eventstore.sql import make_engine
from shared.runtime.migrate import migrate
from zeren.stack.paths import CHECKOUT

FOLDER = CHECKOUT / "services" / "audit" / "migrations"


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
