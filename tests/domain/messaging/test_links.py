"""The chains of a consumer: what is next, what is a repeat, what must stop, and the positions that move."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import pytest
from aiokafka import TopicPartition

from shared.eventstore.changes import Move, Position, PositionKey
from shared.messaging.links import Links
from shared.messaging.topics import FactHeaders

TOPIC = "zeren.payment.facts.v1"
PLACE = TopicPartition(TOPIC, 3)
SOURCE = "payment@one"
KEY = PositionKey("x.policies", SOURCE, TOPIC, 3)


@dataclass(frozen=True, slots=True)
class Record:
    """What the consumer hands over."""

    offset: int
    headers: tuple[tuple[str, bytes], ...]
    value: bytes | None
    topic: str = TOPIC
    partition: int = 3


def _record(
    offset: int, position: int, previous: int, value: bytes | None = b"v", source: str = SOURCE
) -> Record:
    return Record(offset, tuple(FactHeaders("t", source, position, previous).encode()), value)


def _links(stored: dict[PositionKey, Position] | None = None) -> Links:
    return Links("x.policies", lambda _consumer: stored or {})


def _digest(value: bytes = b"v") -> bytes:
    return hashlib.sha256(value).digest()


def test_links_come_in_chain_order_and_move_their_positions() -> None:
    """One compare-and-set a source, from what is stored to the newest link."""
    links = _links({KEY: Position(4, _digest(), 7)})
    records = [_record(8, 9, 4), _record(9, 12, 9), _record(10, 2, 0, source="payment@two")]
    taken = links.take(PLACE, records)
    assert [link.headers.position for _, link in taken.links] == [9, 12, 2]
    assert (taken.broken, taken.repeats) == (None, [])
    other = KEY._replace(source="payment@two")
    assert links.moves(taken.links) == [
        Move(KEY, 4, Position(12, _digest(), 9)),
        Move(other, None, Position(2, _digest(), 10)),
    ]
    assert links.following(PLACE, records) == 11


def test_a_batch_settled_in_parts_expects_what_was_settled() -> None:
    """The second transaction's compare-and-set starts where the first ended."""
    links = _links()
    taken = links.take(PLACE, [_record(0, 1, 0), _record(1, 2, 1)])
    links.settle(links.moves(taken.links[:1]))
    assert links.moves(taken.links[1:]) == [Move(KEY, 1, Position(2, _digest(), 1))]


def test_a_record_held_for_its_link_is_not_committed() -> None:
    """The offset stays before it until the missing one comes; then both are taken."""
    links = _links()
    assert links.take(PLACE, [_record(0, 5, 3)]).links == []
    assert links.following(PLACE, [_record(0, 5, 3)]) == 0
    taken = links.take(PLACE, [_record(1, 3, 0)])
    assert [link.headers.position for _, link in taken.links] == [3, 5]
    assert links.following(PLACE, [_record(1, 3, 0)]) == 2


def test_repeats_are_told_apart_from_what_is_held() -> None:
    """Positions at or below the newest link are repeats, those above it wait."""
    links = _links({KEY: Position(4, _digest(), 7)})
    taken = links.take(PLACE, [_record(8, 3, 1), _record(9, 4, 3), _record(10, 7, 6)])
    assert [headers.position for headers, _ in taken.repeats] == [3, 4]
    assert taken.links == []


@pytest.mark.parametrize(
    "broken",
    [
        _record(1, 2, 1, value=None),
        _record(1, 2, 2),
        _record(1, 0, 0),
        _record(1, 2, -1),
        _record(1, 1 << 63, 1),
        _record(1, 2, 1, source="a b"),
        _record(1, 2, 1, source="nul\x00"),
        Record(1, (), b"v"),
        _record(1, 1, 0, value=b"other"),
    ],
)
def test_what_breaks_a_chain_stops_behind_the_links_before_it(broken: Record) -> None:
    """No value, headers that make no sense, other bytes at the newest position."""
    links = _links()
    taken = links.take(PLACE, [_record(0, 1, 0), broken, _record(2, 2, 1)])
    assert len(taken.links) == 1
    assert taken.broken is not None
    assert taken.broken.offset == 1


def test_forgetting_goes_back_to_what_is_stored() -> None:
    """A batch that was not written is offered again."""
    links = _links()
    assert len(links.take(PLACE, [_record(0, 1, 0)]).links) == 1
    assert links.take(PLACE, [_record(0, 1, 0)]).links == []
    links.forget()
    assert len(links.take(PLACE, [_record(0, 1, 0)]).links) == 1
