"""Attendance that comes before its enrolment, in every interleaving, on a real PostgreSQL."""

from __future__ import annotations

import pytest

from shared.contracts.fact import decode
from shared.eventstore.sql import SqlStore, make_engine
from shared.eventstore.store import PositionMoved
from shared.intake.worker import ParkingLot
from shared.messaging.wakeup import WakeUp
from shared.runtime.migrate import create_kernel
from tests.domain.kernel.intake_world import IntakeWorld, apply_class, enrol, sheet, sign


class World(IntakeWorld):
    """The intake on PostgreSQL; `between` runs after deciding and before the lock, once."""

    def __init__(self, url: str, *, offset: int = 0, vault=None) -> None:
        self.between = None
        self.engine = make_engine(url)
        super().__init__(SqlStore(self.engine, before_lock=self._held), seed=offset == 0, vault=vault)
        self.offset = offset

    def _held(self) -> None:
        between, self.between = self.between, None
        if between is not None:
            between()

    def facts(self, *names: str) -> list:
        found = [decode(row.state).data for row in self.store.page(0, 1_000)]
        return [data for data in found if not names or type(data).__name__ in names]

    def wake(self) -> int:
        return ParkingLot(self.engine, self.worker, WakeUp(self.engine)).wake_some()

    def parked(self) -> int:
        with self.engine.connect() as connection:
            return connection.exec_driver_sql("SELECT count(*) FROM parked").scalar_one()


@pytest.fixture
def url(fresh_database) -> str:
    made = fresh_database()
    engine = make_engine(made)
    with engine.begin() as connection:
        create_kernel(connection)
    engine.dispose()
    return made


@pytest.fixture
def world(url):
    world = World(url)
    world.send(apply_class())
    world.approve("c1")
    yield world
    world.engine.dispose()


def test_attendance_parked_before_the_enrolment_is_accepted_once_it_comes(world):
    """Park, then enrol: the enrolment's own transaction wakes the sheet."""
    world.send(sheet("sheet-1", "e1"))
    assert (world.parked(), world.wake()) == (1, 0)
    world.send(enrol())
    assert world.wake() == 1
    assert world.parked() == 0
    assert world.receipts()[1:] == [("enrol-1", "accepted"), ("sheet-1", "accepted")]
    assert len(world.facts("SessionAttended")) == 1


def test_an_enrolment_that_commits_while_the_sheet_is_about_to_park_is_not_missed(world, url):
    """Decide to park, enrol elsewhere, then lock: the re-check sees it and the sheet is accepted at once."""
    other = World(url, offset=1_000, vault=world.vault)
    world.between = lambda: other.send_on(1, enrol())
    world.send(sheet("sheet-1", "e1"))
    other.engine.dispose()
    assert world.executor.conflicts == 1
    assert world.parked() == 0
    assert world.receipts()[1:] == [("enrol-1", "accepted"), ("sheet-1", "accepted")]


def test_a_crash_between_the_database_and_the_kafka_commit_doubles_nothing(world, url):
    """The records come again to a new worker: the position row knows them, facts and receipts stay as they are."""
    records = [world.record(value, sign(value)) for value in (enrol(), sheet("sheet-1", "e1"))]
    world.deliver(*records)
    before = world.receipts()
    again = World(url, offset=2_000, vault=world.vault)
    again.deliver(*records)
    assert again.receipts() == before
    with again.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM receipt_outbox").scalar_one() == len(before)
    again.engine.dispose()


def test_a_worker_that_was_overtaken_writes_nothing_and_reads_on_from_where_the_other_is(world, url):
    """A zombie with old positions in memory loses the compare-and-set and forgets them."""
    first, second = (world.record(value, sign(value)) for value in (enrol(), sheet("sheet-1", "e1")))
    other = World(url, offset=3_000, vault=world.vault)
    world.deliver(first)
    other.deliver(first, second)
    with pytest.raises(PositionMoved):
        world.deliver(second)
    world.worker.forget()
    world.deliver(second)
    other.engine.dispose()
    assert len(world.facts("SessionAttended")) == 1
