"""What every store promises, asked of the PostgreSQL store and of its in-memory twin alike."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import uuid4

import pytest

from shared.contracts.enrolment import ClassApproved
from shared.contracts.fact import Encoded, encode, type_of
from shared.eventstore.changes import (
    Changes,
    EndKey,
    KnowFact,
    KnowKey,
    Move,
    Park,
    Position,
    PositionKey,
    Reads,
    Release,
    Reserve,
    SetDeadline,
    Unpark,
    Wake,
)
from shared.eventstore.store import Conflict, PositionMoved

from .conftest import GIVEN, approved

NOW = GIVEN.occurredat
KEY_ENDS = (("a", None), ("b", NOW + timedelta(hours=1)))


def fact(stream: str, version: int = 1, note: str = "") -> Encoded:
    return encode("enrolment", approved(stream, note), stream=stream, version=version, given=GIVEN, now=NOW)


def changes(store, *facts, effects=(), moves=(), reads=None, **more) -> Changes:
    return Changes(store.head(), reads or Reads(), list(facts), list(effects), list(moves), **more)


def streams(*names: str) -> Reads:
    return Reads(streams=frozenset(names))


def parking(receipt: str, digest: str = "d", awaited: str = "thing:1") -> Park:
    return Park(receipt, digest, awaited, "U", "s", "t", "j", "topic", 0, 1, NOW, "")


def test_facts_come_back_as_the_same_bytes_in_position_order(store):
    """What is stored is the fact's own bytes; positions count from 1 without a gap."""
    one, two = str(uuid4()), str(uuid4())
    written = [fact(one), fact(two), fact(one, 2)]
    committed = store.commit(changes(store, *written))
    assert (committed.first, committed.head) == (1, 3)
    assert [(row.position, row.stream, row.version, row.type, row.state) for row in store.page(0, 10)] == [
        (n, f.stream, f.version, f.type, f.state) for n, f in enumerate(written, 1)
    ]
    found = store.read(streams(one)).streams[one]
    assert [row.version for row in found] == [1, 2]


def test_a_version_can_be_taken_only_once(store):
    """Two appends at the same version: the second conflicts and writes nothing."""
    stream = str(uuid4())
    store.commit(changes(store, fact(stream)))
    with pytest.raises(Conflict):
        store.commit(changes(store, fact(str(uuid4())), fact(stream, note="rival")))
    assert store.head() == 1


def test_streams_that_changed_are_named_unless_they_are_too_many(store):
    """Up to the number that was asked for; and none where nothing was added."""
    added = [str(uuid4()), str(uuid4())]
    store.commit(changes(store, fact(str(uuid4()))))
    store.commit(changes(store, *map(fact, added)))
    assert store.changed_since(3, 1) == (3, frozenset())
    assert store.changed_since(1, 2) == (3, frozenset(added))
    assert store.changed_since(1, 1) is None


def test_a_decision_that_only_read_a_stream_conflicts_when_it_changed(store):
    """The look under the lock covers streams that were read but not written."""
    read, written = str(uuid4()), str(uuid4())
    stale = changes(store, fact(written), reads=streams(read, written))
    store.commit(changes(store, fact(read)))
    with pytest.raises(Conflict) as conflict:
        store.commit(stale)
    assert conflict.value.streams == {read}
    assert store.head() == 1


def test_a_stream_that_was_read_as_absent_conflicts_when_it_appears(store):
    """That there is no such stream is something one reads as well."""
    absent = str(uuid4())
    stale = changes(store, effects=[Reserve("scope", "key", "me")], reads=streams(absent))
    store.commit(changes(store, fact(absent)))
    with pytest.raises(Conflict):
        store.commit(stale)
    assert store.read(Reads(scopes=frozenset(("scope",)))).reservations == {}


def test_appends_to_other_streams_do_not_conflict(store):
    """Only what was read counts."""
    mine = str(uuid4())
    batch = changes(store, fact(mine), reads=streams(mine))
    store.commit(changes(store, fact(str(uuid4()))))
    assert store.commit(batch).head == 2


def test_a_zombie_consumer_is_refused_by_its_old_position(store):
    """Compare-and-set: a worker that wakes after another decided the same records writes nothing."""
    key = PositionKey("c", "s@1", "topic", 0)
    store.commit(changes(store, moves=[Move(key, None, Position(5, b"a", 5))]))
    store.commit(changes(store, moves=[Move(key, 5, Position(9, b"b", 9))]))
    zombie = changes(store, fact(str(uuid4())), moves=[Move(key, 5, Position(7, b"c", 7))])
    with pytest.raises(PositionMoved):
        store.commit(zombie)
    assert store.head() == 0
    assert store.positions("c") == {key: Position(9, b"b", 9)}


def test_a_position_row_is_seeded_once(store):
    """Two first batches: the second is refused."""
    key = PositionKey("c", "s@1", "topic", 0)
    store.commit(changes(store, moves=[Move(key, None, Position(1, b"", 1))]))
    with pytest.raises(PositionMoved):
        store.commit(changes(store, moves=[Move(key, None, Position(2, b"", 2))]))


def test_positions_move_without_facts_or_all_of_them_stay(store):
    """Past what nothing follows from. One that another worker moved keeps the others of its call where they are."""
    first, second = PositionKey("c", "s@1", "topic", 0), PositionKey("c", "s@1", "topic", 1)
    store.move([Move(first, None, Position(5, b"a", 5)), Move(second, None, Position(6, b"b", 6))])
    store.move([Move(first, 5, Position(9, b"c", 9))])
    stands = {first: Position(9, b"c", 9), second: Position(6, b"b", 6)}
    assert store.positions("c") == stands
    for stale in (Move(second, 5, Position(7, b"d", 7)), Move(second, None, Position(7, b"d", 7))):
        with pytest.raises(PositionMoved):
            store.move([Move(first, 9, Position(10, b"e", 10)), stale])
    assert store.positions("c") == stands


def test_a_reservation_is_held_by_one_until_it_is_released(store):
    """A second holder conflicts; after the release the key is free."""
    store.commit(changes(store, fact(str(uuid4())), effects=[Reserve("s", "k", "first")]))
    with pytest.raises(Conflict):
        store.commit(changes(store, fact(str(uuid4())), effects=[Reserve("s", "k", "second")]))
    store.commit(changes(store, fact(str(uuid4())), effects=[Release("s", "k"), Reserve("s", "k", "third")]))
    assert store.read(Reads(scopes=frozenset(("s",)))).reservations == {("s", "k"): "third"}


def test_a_decision_on_a_stale_reservation_conflicts(store):
    """A scope that was read whole and has changed since is looked at again under the lock."""
    reads = Reads(scopes=frozenset(("roster",)))
    stale = changes(store, fact(str(uuid4())), reads=reads, held={})
    store.commit(changes(store, fact(str(uuid4())), effects=[Reserve("roster", "person", "enrolment")]))
    with pytest.raises(Conflict):
        store.commit(stale)


def test_a_foreign_fact_that_arrived_meanwhile_conflicts_with_its_absence(store):
    """So that no wake-up is lost: parking looks for what it awaits once more, under the lock."""
    subject, name = str(uuid4()), type_of("enrolment", ClassApproved).name
    absent = frozenset(((name, subject),))
    stale = changes(
        store, effects=[parking(str(uuid4()))], reads=Reads(foreign=absent), absent_foreign=absent
    )
    store.commit(changes(store, effects=[KnowFact(name, subject, 1, fact(subject).state)]))
    with pytest.raises(Conflict):
        store.commit(stale)


def test_a_foreign_fact_is_kept_as_its_bytes_once(store):
    """Taken in twice, known once."""
    subject, name = str(uuid4()), type_of("enrolment", ClassApproved).name
    known = KnowFact(name, subject, 1, fact(subject).state)
    store.commit(changes(store, effects=[known]))
    store.commit(changes(store, effects=[known]))
    assert store.read(Reads(foreign=frozenset(((name, subject),)))).foreign == {
        (name, subject): [fact(subject).state]
    }


def test_parked_submissions_that_changed_meanwhile_conflict(store):
    """Two workers with two bodies of one submission id: the second looks again."""
    receipt = str(uuid4())
    stale = changes(store, effects=[parking(receipt, "second")], parked={receipt: frozenset()})
    store.commit(changes(store, effects=[parking(receipt, "first")]))
    with pytest.raises(Conflict):
        store.commit(stale)
    found = store.read(Reads(parked=frozenset((receipt,)))).parked
    assert found == {receipt: frozenset(("first",))}


def test_what_a_batch_wakes_is_ready_whenever_it_parked(store):
    """Before the wake or behind it: none is missed. What waits for something else is not ready."""
    receipt = str(uuid4())
    store.commit(changes(store, effects=[parking(receipt), Wake("thing:1")]))
    assert ready(store) == [(receipt, True)]
    store.commit(changes(store, effects=[parking(receipt, awaited="thing:2"), Wake("thing:1")]))
    assert ready(store) == [(receipt, False)]
    store.commit(changes(store, effects=[Wake("thing:3"), parking(receipt, awaited="thing:3")]))
    assert ready(store) == [(receipt, True)]


def test_a_submission_parked_and_settled_in_one_batch_waits_no_more(store):
    """The last word on it counts, whatever else the batch parks and ends."""
    settled, waiting = str(uuid4()), str(uuid4())
    effects = [
        parking(settled),
        parking(waiting),
        Unpark(settled, "d"),
        Unpark(waiting, "d"),
        parking(waiting),
    ]
    store.commit(changes(store, effects=effects))
    assert ready(store) == [(waiting, False)]


def test_parking_again_keeps_the_first_deadline(store):
    """A deadline that stands is not moved."""
    first, later = date(2024, 5, 17), date(2024, 5, 20)
    store.commit(changes(store, effects=[SetDeadline("parking", "k", first)]))
    store.commit(changes(store, effects=[SetDeadline("parking", "k", later)]))
    assert due(store) == first


def test_a_key_ends_once_it_is_revoked_and_never_later_than_it_would_have(store):
    """In one batch with its registration as well; an unknown key stays unknown."""
    later, sooner = NOW + timedelta(days=2), NOW + timedelta(days=1)
    lasting, ending = (KnowKey(name, "U", "TRAINING", "350100", b"k", NOW, end) for name, end in KEY_ENDS)
    store.commit(changes(store, effects=[lasting, ending, EndKey("a", later), EndKey("b", later)]))
    store.commit(changes(store, effects=[EndKey("a", sooner), EndKey("nobody", sooner)]))
    found = store.read(Reads(keys=frozenset(("a", "b", "nobody")))).keys
    assert {name: key.valid_until for name, key in found.items()} == {"a": sooner, "b": KEY_ENDS[1][1]}


def ready(store) -> list[tuple[str, bool]]:
    if hasattr(store, "tables"):
        return [(key[0], waiting.ready) for key, waiting in store.tables.parked.items()]
    with store.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT receipt_id::text, ready FROM parked")
        return [tuple(row) for row in rows]


def due(store) -> date:
    if hasattr(store, "tables"):
        return store.tables.deadlines["parking", "k"][0]
    with store.engine.connect() as connection:
        return connection.exec_driver_sql("SELECT due FROM deadlines").scalar_one()
