"""The measured traps of the library that could reach us (docs/adr/0004), each with its regression test."""

from __future__ import annotations

from datetime import UTC, datetime
from threading import Barrier, Thread
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from shared.contracts.fact import MAX_FACT_BYTES, Encoded
from shared.eventstore.changes import Changes, Reads
from shared.eventstore.execute import Executor
from shared.eventstore.sql import SqlStore
from shared.eventstore.store import Conflict, Unavailable

from .conftest import GIVEN, approved, counter

NOW = datetime(2024, 5, 14, tzinfo=UTC)


def raw(stream: str, version: int, size: int) -> Encoded:
    """A row as the recorder sees it; the recorder looks at no byte of it."""
    return Encoded(
        "id", "zeren.enrolment.ClassApproved.v1", stream, version, stream, b"x" * size, approved(stream)
    )


@pytest.mark.timeout(60)
def test_five_thousand_facts_in_one_transaction_do_not_hang(engines):
    """Trap 1: the library's pipeline mode hangs for ever from about 1,500 rows a transaction."""
    store = SqlStore(engines())
    facts = [raw(str(uuid4()), 1, 300) for _ in range(5_000)]
    for start in range(6):
        batch = [raw(f.stream, start + 1, 300) for f in facts]
        assert store.commit(Changes(store.head(), Reads(), batch)).head == (start + 1) * 5_000


@pytest.mark.timeout(60)
def test_a_fact_of_one_megabyte_does_not_hang(engines):
    """Trap 1 again: one field of 500 kB was enough to hang. The table takes it; the codec would not."""
    store = SqlStore(engines())
    store.commit(Changes(0, Reads(), [raw(str(uuid4()), 1, 1_000_000)]))
    assert len(store.page(0, 1)[0].state) == 1_000_000 > MAX_FACT_BYTES


def test_positions_are_committed_in_order_by_two_writers(engines):
    """Trap 4: without the table lock a reader that follows the table loses rows that commit late."""
    seen: list[int] = []
    barrier = Barrier(3)
    stores = [SqlStore(engines()) for _ in range(3)]

    def write(store: SqlStore) -> None:
        barrier.wait()
        for _ in range(100):
            store.commit(Changes(0, Reads(), [raw(str(uuid4()), 1, 10)]))

    writers = [Thread(target=write, args=(store,)) for store in stores[:2]]
    for writer in writers:
        writer.start()
    barrier.wait()
    while len(seen) < 200:
        seen += [row.position for row in stores[2].page(seen[-1] if seen else 0, 50)]
    for writer in writers:
        writer.join()
    assert seen == list(range(1, 201))


class Count:
    """Adds a fact when the stream is shorter than a bound: a decision that may be to do nothing."""

    def __init__(self, stream: str, bound: int = 1_000) -> None:
        self.stream, self.bound = stream, bound

    def reads(self, _draft) -> Reads:
        return Reads(streams=frozenset((self.stream,)))

    def perform(self, draft) -> int:
        count = draft.state(counter, self.stream)
        if count < self.bound:
            draft.append(counter, self.stream, [approved(self.stream)], GIVEN)
        return count


def test_a_cache_with_a_second_writer_never_blocks_a_stream(engines):
    """Trap 5: the library's cache made a stream unwritable for ever once another writer had been there."""
    stream = str(uuid4())
    one, two = (Executor("enrolment", SqlStore(engines()), lambda _fact: ()) for _ in range(2))
    counts = [executor.run([Count(stream)]).results[0] for executor in (one, two) * 10]
    assert counts == list(range(20))


def test_two_workers_that_decide_at_once_decide_one_after_the_other(engines):
    """A stale decision is seen under the lock and made again: no fact more than the bound allows."""
    stream, barrier = str(uuid4()), Barrier(2)

    def meet_once() -> None:
        if barrier.n_waiting < 2 and not barrier.broken:
            try:
                barrier.wait(2)
            except Exception:  # noqa: BLE001 - the other has passed: go on alone
                barrier.abort()

    executors = [
        Executor("enrolment", SqlStore(engines(), before_lock=meet_once), lambda _fact: ()) for _ in range(2)
    ]
    threads = [Thread(target=executor.run, args=([Count(stream, bound=1)],)) for executor in executors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert executors[0].store.head() == 1
    assert sum(executor.conflicts for executor in executors) == 1


def test_a_batch_over_the_cap_is_written_in_parts(engines):
    """At most 2,000 facts a transaction: what does not fit is left to the caller's next try."""

    class Many(Count):
        def perform(self, draft) -> int:
            draft.append(counter, self.stream, [approved(self.stream)] * 900, GIVEN)
            return 900

    executor = Executor("enrolment", SqlStore(engines()), lambda _fact: ())
    works = [Many(str(uuid4())) for _ in range(5)]
    assert [len(executor.run(works[n:]).results) for n in (0, 2, 4)] == [2, 2, 1]
    assert executor.store.head() == 4_500


def test_a_writer_that_holds_the_lock_makes_others_wait_no_longer_than_their_timeout(engines):
    """A lock that is not to be had in five seconds is an outage, not a hang."""
    store, engine = SqlStore(engines()), engines()
    with engine.begin() as connection:
        connection.exec_driver_sql("LOCK TABLE events IN EXCLUSIVE MODE")
        with pytest.raises(Unavailable):
            store.commit(Changes(0, Reads(), [raw(str(uuid4()), 1, 10)]))
    assert store.commit(Changes(0, Reads(), [raw(str(uuid4()), 1, 10)])).head == 1


def test_a_stale_version_is_a_conflict_and_not_an_error(engines):
    """The primary key is the last guard: two appends of one version."""
    store, stream = SqlStore(engines()), str(uuid4())
    store.commit(Changes(0, Reads(), [raw(stream, 1, 10)]))
    with pytest.raises(Conflict):
        store.commit(Changes(1, Reads(), [raw(stream, 1, 10)]))


@pytest.mark.parametrize(("there", "through", "following"), [(0, 3, 4), (2, 1, 3), (2, 2, 3), (2, 5, 6)])
def test_reserved_positions_are_never_given_out_and_no_more_are_left_unused(
    engines, there, through, following
):
    """However often they are reserved, as a recovery does at its start and at its end."""
    store = SqlStore(engines())
    for number in range(there):
        store.commit(Changes(number, Reads(), [raw(str(uuid4()), 1, 10)]))
    for _ in range(2):
        with store.appending() as cursor:
            store.recorder.reserve_positions(cursor, through)
    assert store.commit(Changes(there, Reads(), [raw(str(uuid4()), 1, 10)])).head == following


def _whole_readings(engine: Engine) -> int:
    """How often the whole event table was read, told at once rather than after a second."""
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_stat_force_next_flush()"))
    with engine.begin() as connection:
        query = "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'events'"
        return int(connection.scalar(text(query)) or 0)


@pytest.mark.parametrize("vacuumed", [False, True])
def test_a_table_that_has_grown_is_looked_into_by_its_index(engines, vacuumed):
    """PostgreSQL keeps a plan that once was good: made for a small table, it read a large one whole for each look.

    So it did where its size was known but no statistics of its columns: those are never made while all write.
    """
    engine = engines()
    store = SqlStore(engine)

    def look() -> None:
        head = store.head()
        assert store.changed_since(head, 1) == (head, frozenset())
        assert store.page(head, 1_000) == []

    for _ in range(20):
        store.commit(Changes(store.head(), Reads(), [raw(str(uuid4()), 1, 10)]))
        look()
    for _ in range(10):
        store.commit(Changes(store.head(), Reads(), [raw(str(uuid4()), 1, 1_500) for _ in range(1_000)]))
    if vacuumed:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM events"))
    before = _whole_readings(engine)
    for _ in range(10):
        look()
    assert _whole_readings(engine) == before
