"""The fixtures that other component tests stand on."""

from __future__ import annotations

import psycopg
import pytest
from sqlalchemy import create_engine, text


def query(url: str, statement: str) -> object:
    """The first value of a statement's answer."""
    engine = create_engine(url)
    with engine.begin() as connection:
        result = connection.execute(text(statement))
        answer = result.scalar() if result.returns_rows else None
    engine.dispose()
    return answer


def test_a_fresh_database_is_empty_and_nobody_elses(fresh_database):
    """Two fresh databases share nothing."""
    first, second = fresh_database(), fresh_database()
    query(first, "CREATE TABLE mine (id int)")
    assert query(first, "SELECT count(*) FROM pg_tables WHERE tablename = 'mine'") == 1
    assert query(second, "SELECT count(*) FROM pg_tables WHERE tablename = 'mine'") == 0


def test_a_database_from_a_template_has_what_was_prepared_once(fresh_database):
    """The template is prepared once; its copies carry it and belong to the owner that was named."""
    prepared = []

    def prepare(url: str) -> None:
        prepared.append(url)
        query(url, "CREATE TABLE prepared AS SELECT 7 AS value")

    for _ in range(2):
        fresh_database.define("conftest", prepare, owner="payment")
        url = fresh_database(template="conftest", owner="payment")
        assert query(url, "SELECT value FROM prepared") == 7
        assert query(url, "SELECT current_user") == "payment"
    assert len(prepared) == 1


def test_a_fresh_topic_exists_with_the_brokers_time(servers, fresh_topic):
    """Fresh topics have the partitions asked for."""
    name = fresh_topic(partitions=3)
    topics = servers.kafka.admin().list_topics(timeout=10).topics
    assert len(topics[name].partitions) == 3


def test_unique_names_differ(unique):
    """No two calls give the same name, and the prefix that rights hang on stays."""
    assert unique("payment.policies") != unique("payment.policies")
    assert unique("payment.policies").startswith("payment.policies.")


def test_a_role_reaches_no_database_but_its_own(servers):
    """The server refuses enrolment's role on payment's database, with the right password."""
    with pytest.raises(psycopg.OperationalError, match=r"pg_hba|permission denied"):
        psycopg.connect(servers.database_url("payment", role="enrolment").replace("+psycopg", ""))
