"""The ledger takes every record once, in chain order, whatever the batches, crashes and rivals."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from threading import Barrier, Thread
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, func, select

from services.audit.ledger import tables
from services.audit.ledger.append import edge_of, open_ledger
from services.audit.ledger.reading import checkpoint_note, entries_about, ledger_size, read_tile
from services.audit.ledger.worker import LedgerWorker
from shared.contracts.fact import header
from shared.eventstore.store import PositionMoved
from shared.messaging.consumer import Stopped
from shared.messaging.topics import fact_headers
from shared.tlog.checkpoint import open_checkpoint
from shared.tlog.hashing import leaf_hash
from shared.tlog.notes import Signer
from shared.tlog.tiles import TileRef, tile_width, tiles_of
from shared.tlog.tree import Edge
from tests.component.audit.story import Kafka, Record, batches, fact_like, junk, partition
from tests.deciding import decide

Workers = Callable[[], LedgerWorker]


def _entries(engine: Engine) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(select(tables.entries).order_by(tables.entries.c.index)))


def _checkpoint(engine: Engine, signer: Signer) -> Any:
    with engine.connect() as connection:
        note = checkpoint_note(connection)
    assert note is not None
    return open_checkpoint(note.encode(), [signer.vkey])


def _reference(entries: list[Any]) -> Edge:
    return Edge().append([leaf_hash(row.entry) for row in entries]).edge


def _stopped(worker: LedgerWorker, rows: list[Record]) -> Stopped:
    with pytest.raises(Stopped) as stopped:
        decide(worker, partition(rows[0]), rows)
    return stopped.value


@pytest.mark.parametrize(("seed", "count", "largest"), [(1, 700, 40), (2, 1_500, 400), (3, 257, 3)])
def test_any_split_into_batches_gives_the_reference_tree(
    engine: Engine, worker: Workers, signer: Signer, seed: int, count: int, largest: int
) -> None:
    """Every record is one leaf, its bytes untouched; head, tiles and checkpoint are those of the reference tree."""
    kafka, one = junk(count, seed), worker()
    for batch in batches(kafka, seed, largest):
        assert decide(one, partition(batch[0]), batch) == batch[-1].offset + 1
    entries = _entries(engine)
    assert [row.index for row in entries] == list(range(count))
    assert Counter(row.entry for row in entries) == Counter(record.value for record in kafka.records)
    reference = _reference(entries)
    assert _checkpoint(engine, signer).root == reference.root()
    with engine.connect() as connection:
        head = connection.execute(select(tables.head)).one()
        assert (head.size, head.root) == (count, reference.root())
        assert edge_of(head.size, head.edge) == reference
        for ref in tiles_of(count):
            assert len(read_tile(connection, ref) or b"") == ref.width * 32


def test_ledger_order_within_a_partition_is_position_order(engine: Engine, worker: Workers) -> None:
    """Order across partitions means nothing; within one it is that of the source's event table."""
    kafka, one = junk(600, 4), worker()
    for batch in batches(kafka, 5, 30):
        decide(one, partition(batch[0]), batch)
    places = defaultdict(list)
    for row in _entries(engine):
        places[row.source, row.topic, row.partition].append(row.position)
    assert len(places) == 12
    assert all(positions == sorted(positions) for positions in places.values())


def test_an_entry_is_found_by_its_fact_id(engine: Engine, worker: Workers) -> None:
    """Id and type are read from the bytes; bytes without them are ledgered all the same."""
    kafka = Kafka()
    for value in (fact_like(1), b"\xff\x00 no fact", b'{"id":"x","type":"y"}', b""):
        kafka.send("payment", 0, value)
    rows = kafka.records
    decide(worker(), partition(rows[0]), rows)
    entries = _entries(engine)
    assert [row.type for row in entries] == ["zeren.payment.Test.v1", "", "", ""]
    assert f'"id":"{entries[0].fact_id}"'.encode() in entries[0].entry
    assert len({row.fact_id for row in entries}) == 4
    assert all(isinstance(row.fact_id, UUID) for row in entries)


def test_entries_are_found_by_their_stream(engine: Engine, worker: Workers) -> None:
    """In order, up to an index and a number; one whose stream is no UUID is in the log and in no stream."""
    kafka = Kafka()
    one, other = fact_like(1), fact_like(2)
    stream, another = UUID(header(one).subject), UUID(header(other).subject)
    nowhere = one.replace(b'"subject":"', b'"subject":"no-')
    for value in (one, other, nowhere, b"", one, other):
        kafka.send("payment", 0, value)
    decide(worker(), partition(kafka.records[0]), kafka.records)
    assert [row.subject for row in _entries(engine)] == [stream, another, None, None, stream, another]
    with engine.connect() as connection:

        def found(*streams: UUID, before: int = 100, limit: int = 100) -> list[int]:
            return [row.index for row in entries_about(connection, streams, before=before, limit=limit)]

        assert found(stream) == [0, 4]
        assert found(stream, another) == [0, 1, 4, 5]
        assert found(stream, another, before=4) == [0, 1]
        assert found(stream, another, limit=3) == [0, 1, 4]
        assert found() == []
        assert entries_about(connection, [stream], limit=1)[0].entry == one


def test_the_same_records_again_change_nothing(engine: Engine, worker: Workers, signer: Signer) -> None:
    """A crash between the database's commit and Kafka's: the records come again, to a worker that starts anew."""
    kafka = junk(400, 6)
    cut = batches(kafka, 6, 90)
    one = worker()
    for batch in cut:
        decide(one, partition(batch[0]), batch)
    before = _checkpoint(engine, signer)
    again = worker()
    for batch in cut:
        assert decide(again, partition(batch[0]), batch) == batch[-1].offset + 1
        decide(one, partition(batch[0]), batch)
    assert _checkpoint(engine, signer) == before
    assert len(_entries(engine)) == 400


def test_a_batch_that_partly_was_ledgered_adds_the_rest(engine: Engine, worker: Workers) -> None:
    """Kafka's offset is only a hint: positions say what is new."""
    kafka = Kafka()
    rows = [kafka.send("payment", 2, fact_like(number)) for number in range(20)]
    decide(worker(), partition(rows[0]), rows[:12])
    decide(worker(), partition(rows[0]), rows[5:])
    assert [row.position for row in _entries(engine)] == list(range(1, 21))


@pytest.mark.parametrize("which", [2, 4])
def test_other_bytes_at_a_ledgered_position_are_an_alarm(engine: Engine, worker: Workers, which: int) -> None:
    """Whether it is the newest position or an older one, before or after a restart."""
    kafka = Kafka()
    rows = [kafka.send("payment", 0, fact_like(number)) for number in range(5)]
    one = worker()
    decide(one, partition(rows[0]), rows)
    forged = kafka.send_again(rows[which], b"something else")
    for each in (one, worker()):
        assert _stopped(each, [forged]).offset == forged.offset
    assert len(_entries(engine)) == 5


def test_a_gap_is_held_and_its_offset_not_committed(engine: Engine, worker: Workers) -> None:
    """The missing link may lie ahead (two relays at once): both are taken then, in chain order."""
    kafka = Kafka()
    rows = [kafka.send("payment", 0, fact_like(number)) for number in range(4)]
    late = [rows[0], replace(rows[2], offset=1), replace(rows[3], offset=2), replace(rows[1], offset=3)]
    one = worker()
    assert decide(one, partition(rows[0]), late[:3]) == 1
    assert len(_entries(engine)) == 1
    assert decide(one, partition(rows[0]), late[3:]) == 4
    assert [row.position for row in _entries(engine)] == [1, 2, 3, 4]


@pytest.mark.parametrize("value", [None, b"x" * 65_536])
def test_what_can_not_be_a_leaf_stops_its_partition(
    engine: Engine, worker: Workers, value: bytes | None
) -> None:
    """What stands before it is ledgered; it is never skipped, cut or replaced."""
    kafka = Kafka()
    rows = [kafka.send("payment", 0, fact_like(number)) for number in range(6)]
    rows[3] = replace(rows[3], value=value)
    stopped = _stopped(worker(), rows)
    assert stopped.offset == 3
    assert len(_entries(engine)) == 3


def test_the_largest_entry_is_taken(engine: Engine, worker: Workers) -> None:
    """65,535 bytes are the format's limit, and many of them are split over transactions."""
    kafka = Kafka()
    rows = [kafka.send("payment", 0, fact_like(number, 65_535)) for number in range(70)]
    decide(worker(), partition(rows[0]), rows)
    assert {len(row.entry) for row in _entries(engine)} == {65_535}
    with engine.connect() as connection:
        promised = list(connection.scalars(select(tables.checkpoints.c.size)))
    assert sorted(promised) == [0, 61, 70]


def test_headers_that_make_no_sense_stop_the_partition(worker: Workers) -> None:
    """A position that does not follow its predecessor belongs to no chain."""
    kafka = Kafka()
    good = kafka.send("payment", 0, fact_like(1))
    known = fact_headers(good.headers)
    assert known is not None
    for headers in ((), known._replace(previous=1).encode(), known._replace(source="a b").encode()):
        assert _stopped(worker(), [replace(good, headers=tuple(headers))]).offset == 0


def test_two_workers_on_one_database_make_one_log(engine: Engine, worker: Workers, signer: Signer) -> None:
    """Each reads its own partitions, at the same time: every leaf once, no size signed twice, one tree."""
    kafka = junk(1_200, 7)
    cut = batches(kafka, 7, 25)
    barrier, failures = Barrier(2), []

    def run(half: int) -> None:
        one = worker()
        barrier.wait(10)
        try:
            for batch in cut:
                if batch[0].partition % 2 == half:
                    decide(one, partition(batch[0]), batch)
        except Exception as error:  # noqa: BLE001 - told to the test
            failures.append(error)

    threads = [Thread(target=run, args=(half,)) for half in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    entries = _entries(engine)
    assert [row.index for row in entries] == list(range(1_200))
    checkpoint = _checkpoint(engine, signer)
    assert (checkpoint.size, checkpoint.root) == (1_200, _reference(entries).root())
    with engine.connect() as connection:
        promised = list(connection.execute(select(tables.checkpoints.c.size, tables.checkpoints.c.root)))
    assert len(promised) == len(cut) + 1
    for size, root in promised:
        assert _reference(entries[:size]).root() == root


def test_a_worker_that_lost_its_partition_is_told(engine: Engine, worker: Workers) -> None:
    """The compare-and-set refuses it; once it forgets what it knew, the records are repeats."""
    kafka = Kafka()
    rows = [kafka.send("payment", 1, fact_like(number)) for number in range(30)]
    old, new = worker(), worker()
    decide(old, partition(rows[0]), rows[:10])
    decide(new, partition(rows[0]), rows[:20])
    with pytest.raises(PositionMoved):
        decide(old, partition(rows[0]), rows[10:20])
    assert decide(old, partition(rows[0]), rows[10:]) == 30
    assert [row.position for row in _entries(engine)] == list(range(1, 31))


def test_opening_the_ledger_again_signs_nothing_anew(engine: Engine, signer: Signer) -> None:
    """The empty log has one checkpoint, kept as it was first signed."""
    assert open_ledger(engine, signer) == 0
    first = _checkpoint(engine, signer)
    assert open_ledger(engine, signer) == 0
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(tables.checkpoints)) == 1
        assert ledger_size(connection) == 0
    assert first.size == 0


def test_every_published_size_keeps_its_partial_tiles(engine: Engine, worker: Workers) -> None:
    """Long after the tile became full, and never more than there is."""
    kafka, one = junk(600, 8), worker()
    for batch in batches(kafka, 8, 50):
        decide(one, partition(batch[0]), batch)
    leaves = [leaf_hash(row.entry) for row in _entries(engine)]
    with engine.connect() as connection:
        for size in connection.scalars(select(tables.checkpoints.c.size)).all():
            for ref in tiles_of(size):
                assert read_tile(connection, ref) == _hashes(leaves[:size], ref)
        assert tile_width(600, 0, 2) == 88
        assert read_tile(connection, TileRef(0, 2, 89)) is None
        assert read_tile(connection, TileRef(0, 2)) is None
        assert read_tile(connection, TileRef(0, 3, 1)) is None
        assert read_tile(connection, TileRef(1, 0, 3)) is None
        assert read_tile(connection, TileRef(63, (1 << 64) - 1, 1)) is None


def _hashes(leaves: list[bytes], ref: TileRef) -> bytes:
    width = 256**ref.level
    first = ref.index * 256
    spans = [leaves[n * width : (n + 1) * width] for n in range(first, first + ref.width)]
    return b"".join(Edge().append(span).edge.root() for span in spans)
