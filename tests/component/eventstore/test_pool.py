"""A pool whose connections the server has cut goes on with new ones, and nobody is told of an error."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from shared.eventstore.sql import make_engine
from zeren.stack.local import Servers

CUT = text(
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = :name AND pid <> pg_backend_pid()"
)
LEFT = text("SELECT count(*) FROM pg_stat_activity WHERE datname = :name AND pid <> pg_backend_pid()")


def test_connections_that_were_cut_while_idle_are_replaced(fresh_database, servers: Servers) -> None:
    """Two lay idle; both are gone, and the next transactions do not notice."""
    engine = make_engine(fresh_database())
    with engine.begin() as one, engine.begin() as other:
        before = {each.scalar(text("SELECT pg_backend_pid()")) for each in (one, other)}
    cutter = make_engine(str(engine.url.render_as_string(hide_password=False)))
    with cutter.begin() as connection:
        assert connection.scalar(CUT, {"name": engine.url.database}) == len(before)
    # One look a transaction: within one, the server shows the same picture for ever.
    with cutter.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        while connection.scalar(LEFT, {"name": engine.url.database}):
            connection.execute(text("SELECT pg_sleep(0.01)"))
    with engine.begin() as one, engine.begin() as other:
        after = {each.scalar(text("SELECT pg_backend_pid()")) for each in (one, other)}
    assert len(after) == 2
    assert not before & after
    engine.dispose()
    cutter.dispose()


def test_one_that_is_cut_in_use_is_an_error_for_its_transaction_alone(fresh_database) -> None:
    """What it did is rolled back; the next transaction has a new connection."""
    engine = make_engine(fresh_database())
    with pytest.raises(OperationalError), engine.begin() as connection:
        connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    with engine.begin() as connection:
        assert connection.scalar(text("SELECT 1")) == 1
    engine.dispose()
