"""The position chain: duplicates dropped, gaps held, nothing skipped."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.eventstore.changes import Position
from shared.messaging.chain import Chain, ChainBroken
from shared.messaging.topics import FactHeaders, fact_headers

LOG = [(3, 0), (4, 3), (9, 4), (12, 9), (13, 12)]
"""(position, previous) of one partition: positions have gaps, the chain has none."""


def value(position: int) -> bytes:
    return b"fact %d" % position


def offer(
    chain: Chain, position: int, previous: int, offset: int = 0, body: bytes | None = None
) -> list[int]:
    headers = FactHeaders("t", "s@1", position, previous)
    return [link.headers.position for link in chain.offer(headers, offset, body or value(position), None)]


def test_records_in_order_are_taken_one_by_one():
    """Each names the position before it."""
    chain = Chain(None)
    assert [offer(chain, *link) for link in LOG] == [[3], [4], [9], [12], [13]]
    assert chain.last == Position(13, hashlib.sha256(value(13)).digest(), 0)


def test_a_position_at_or_below_the_stored_one_is_a_duplicate():
    """A redelivery and an overlapping relay change nothing."""
    chain = Chain(Position(9, hashlib.sha256(value(9)).digest(), 5))
    assert [offer(chain, *link) for link in LOG] == [[], [], [], [12], [13]]


def test_the_stored_position_with_other_bytes_is_an_alarm():
    """The same place in the source's table can't hold two facts."""
    chain = Chain(Position(9, hashlib.sha256(value(9)).digest(), 5))
    with pytest.raises(ChainBroken) as broken:
        offer(chain, 9, 4, body=b"other")
    assert (broken.value.why, broken.value.position) == ("other_digest", 9)


def test_a_record_past_a_gap_is_held_until_the_missing_link_comes():
    """Two relays at once may interleave: what comes early waits."""
    chain = Chain(None)
    assert offer(chain, 3, 0) == [3]
    assert offer(chain, 9, 4) == []
    assert offer(chain, 12, 9) == []
    assert offer(chain, 4, 3) == [4, 9, 12]


@given(st.lists(st.sampled_from(LOG), max_size=40))
def test_any_order_and_repetition_takes_each_position_once_and_in_order(arrivals):
    """Whatever relays do, the positions taken are a prefix of the log."""
    chain, taken = Chain(None), []
    for link in arrivals:
        taken += offer(chain, *link)
    assert taken == [position for position, _ in LOG][: len(taken)]
    for link in LOG:
        taken += offer(chain, *link)
    assert taken == [position for position, _ in LOG]


def test_rewinding_forgets_what_was_not_written():
    """After a failed transaction the database says where to go on."""
    chain = Chain(None)
    offer(chain, 3, 0)
    offer(chain, 9, 4)
    chain.rewind(None)
    assert [offer(chain, *link) for link in LOG] == [[3], [4], [9], [12], [13]]


def test_headers_round_trip_and_nonsense_is_none():
    """Four headers, whatever else a record carries; what can't be read is told apart, never raised."""
    headers = FactHeaders("zeren.payment.SubsidyPaid.v1", "payment@1", 7, 3)
    assert fact_headers(tuple(headers.encode())) == headers
    assert fact_headers((("extra", None), *headers.encode())) == headers
    for bad in (None, (), (("type", b"\xff"),), tuple(headers.encode()[:3]), (("position", b"x"),)):
        assert fact_headers(bad) is None
