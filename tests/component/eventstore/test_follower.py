"""Following the own event table: what it acts on comes page by page, all else is passed without being read."""

from __future__ import annotations

from uuid import uuid4

import pytest

from shared.contracts.enrolment import ClassApproved, ClassCompleted
from shared.eventstore import follower as follower_module
from shared.eventstore.changes import Changes, Reads
from shared.eventstore.follower import Follower
from shared.eventstore.sql import SqlStore

from .test_store_behaviours import fact

PAGE = 4


@pytest.fixture
def store(engines) -> SqlStore:
    return SqlStore(engines())


@pytest.fixture(autouse=True)
def small_pages(monkeypatch):
    monkeypatch.setattr(follower_module, "PAGE", PAGE)


def append(store: SqlStore, count: int) -> None:
    store.commit(Changes(store.head(), Reads(), [fact(str(uuid4())) for _ in range(count)]))


def following(store: SqlStore, seen: list, reads=(ClassApproved,)) -> Follower:
    return Follower("enrolment.test", store, store.engine, reads, seen.append)


def stands_at(store: SqlStore) -> list[int]:
    return [at.position for at in store.positions("enrolment.test").values()]


@pytest.mark.parametrize("count", [1, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE])
def test_every_wanted_fact_comes_once_and_the_cursor_ends_at_the_head(store, count):
    """Whether the facts fill their pages exactly or not."""
    append(store, count)
    seen: list = []
    follower = following(store, seen)
    while follower.follow_some():
        pass
    assert sum(map(len, seen)) == count
    assert max(map(len, seen)) <= PAGE
    assert stands_at(store) == [count]
    assert follower.follow_some() == 0


def test_what_nobody_wants_is_passed_at_once(store):
    """However much it is: the cursor stands at the head, and nothing was acted on."""
    append(store, 3 * PAGE)
    seen: list = []
    follower = following(store, seen, (ClassCompleted,))
    assert follower.follow_some() == 3 * PAGE
    assert (seen, stands_at(store)) == ([], [3 * PAGE])


def test_what_the_act_raises_keeps_the_cursor_where_it_was(store):
    """The same page comes again."""
    append(store, 2)

    def act(_facts) -> None:
        raise OSError("no disk")

    with pytest.raises(OSError, match="no disk"):
        Follower("enrolment.test", store, store.engine, (ClassApproved,), act).follow_some()
    seen: list = []
    following(store, seen).follow_some()
    assert len(seen[0]) == 2
