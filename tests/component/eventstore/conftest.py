"""Stores of both kinds, and a plain kind of stream to write."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from shared.contracts.enrolment import ClassApproved
from shared.contracts.fact import Circumstances
from shared.decider import Decider
from shared.eventstore.memory import MemoryStore
from shared.eventstore.sql import SqlStore, make_engine
from shared.runtime.migrate import create_kernel

GIVEN = Circumstances(
    occurredat=datetime(2024, 5, 14, 9, tzinfo=UTC),
    businessdate=date(2024, 5, 14),
    actor="system:enrolment",
    duty="SYSTEM",
    region="350100",
    correlationid="c",
    causationid="c",
    traceparent="00-11111111111111111111111111111111-2222222222222222-01",
)

counter = Decider(
    "counter", 0, lambda _command, _count: [], lambda count, _event: count + 1, (ClassApproved,)
)
"""Counts facts. Any fact class will do; the store looks at none."""


def approved(stream: str, note: str = "") -> ClassApproved:
    return ClassApproved(class_id=stream, decision_jws=note or None)


@pytest.fixture
def kernel_database(fresh_database):
    """The URL of a database with the kernel's tables."""

    def prepare(url: str) -> None:
        engine = make_engine(url)
        with engine.begin() as connection:
            create_kernel(connection)
        engine.dispose()

    fresh_database.define("kernel", prepare)
    return fresh_database(template="kernel")


@pytest.fixture
def engines(kernel_database):
    """`engines()` gives a further engine on the test's database, as another process would have."""
    made = []

    def make():
        made.append(make_engine(kernel_database))
        return made[-1]

    yield make
    for engine in made:
        engine.dispose()


@pytest.fixture(params=["memory", "sql"])
def store(request):
    """Each behaviour is asked of both twins."""
    if request.param == "memory":
        return MemoryStore()
    return SqlStore(request.getfixturevalue("engines")())
