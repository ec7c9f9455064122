"""A database of an earlier version gets the kernel's new columns."""

from __future__ import annotations

import pytest

from shared.eventstore.sql import make_engine
from shared.runtime.migrate import migrate
from zeren.stack.local import SERVICES
from zeren.stack.paths import CHECKOUT


@pytest.mark.parametrize("service", SERVICES)
def test_what_was_parked_before_claims_were_noted_has_none(service, fresh_database):
    """It stays parked; the column is there."""
    engine, folder = make_engine(fresh_database()), CHECKOUT / "services" / service / "migrations"
    migrate(engine, folder)
    before = "0004" if service == "audit" else "0002"
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE parked DROP COLUMN claimed")
        connection.exec_driver_sql(
            """INSERT INTO parked (receipt_id, digest, awaited, ready, institution, submission_id, submission_type, jws,
                                   topic, partition, kafka_offset, logged_at, traceparent)
               VALUES (gen_random_uuid(), 'd', 'key:k', false, '', '', '', '', 't', 0, 0, now(), '')"""
        )
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = %s", (before,))
    migrate(engine, folder)
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT awaited, claimed FROM parked").all()
    assert [tuple(row) for row in rows] == [("key:k", "")]
    engine.dispose()
