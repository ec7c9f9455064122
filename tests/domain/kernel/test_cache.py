"""States of recent streams: the memory that they take is bounded, not their number."""

from __future__ import annotations

import gc
import tracemalloc
from datetime import date
from functools import partial

import pytest

from services.certification.domain.candidate import Candidate, Result
from services.enrolment.domain.enrolment import Enrolment
from services.payment.domain.claim_state import Act, Claim
from shared.contracts.certification import CandidateRegistered
from shared.eventstore.cache import StreamCache, weight


def attended(number: int, sessions: int = 28) -> Enrolment:
    return Enrolment(
        class_id="c" * 36,
        person_id=f"{number:036}",
        sessions=frozenset(f"{number:030}{session:06}" for session in range(sessions)),
    )


@pytest.fixture
def small() -> StreamCache:
    """Room for three states without sessions."""
    return StreamCache(3 * weight(Enrolment()))


def test_the_least_recent_goes_first(small):
    """A look makes a stream recent, and so does a write."""
    small.keep({name: (1, Enrolment()) for name in "abc"}, 3)
    assert small.get("a") == (1, Enrolment())
    small.keep({"b": (2, Enrolment())}, 4)
    small.keep({"d": (1, Enrolment())}, 5)
    assert [name for name in "abcd" if small.get(name)] == ["a", "b", "d"]
    assert small.get("b") == (2, Enrolment())
    assert small.seen == 5


def test_a_state_that_has_grown_takes_more_room(small):
    """It is weighed again whenever it is kept; one that alone is too large is not kept."""
    small.keep({name: (1, Enrolment()) for name in "abc"}, 3)
    small.keep({"c": (9, attended(1, 9))}, 9)
    assert len(small) < 3
    small.keep({"c": (99, attended(1, 99))}, 99)
    assert small.get("c") is None
    assert (len(small), small.bytes) == (0, 0)


def test_what_is_forgotten_takes_nothing(small):
    """By name, or all at once."""
    small.keep({name: (1, Enrolment()) for name in "abc"}, 3)
    small.evict({"a", "never kept"}, 7)
    assert (small.get("a"), small.bytes, small.seen) == (None, 2 * weight(Enrolment()), 7)
    small.clear()
    assert (len(small), small.bytes, small.seen) == (0, 0, 0)


def registered(number: int) -> Candidate:
    return Candidate(
        CandidateRegistered(
            candidate_id=f"{number:036}",
            candidate_ref=f"KS-{number:06}",
            assessment_body=f"{number:018}",
            person_id=f"{number:035}p",
            enrolment_id=f"{number:035}e",
            institution=f"{number:017}i",
            occupation_id=f"elder-carer-{number}",
            level=f"L{number}",
            region=f"{number:06}",
        ),
        Result(date(2024, 6, 1), passed=True),
    )


def approved(number: int) -> Claim:
    acts = tuple(Act("FIRST_REVIEW", f"h-{number:05}{step}") for step in range(4))
    names = ("claim_id", "person_id", "enrolment_id", "certificate_id", "account_id", "batch_id")
    return Claim(**{name: f"{number:035}{name[0]}" for name in names}, acts=acts, closes_on=date(2024, 6, 7))


@pytest.mark.parametrize(
    "made",
    [
        *(partial(attended, sessions=sessions) for sessions in (0, 1, 28, 200)),
        registered,
        approved,
    ],
)
def test_a_state_is_weighed_as_what_it_takes(made):
    """Within a third, its strings counted as its own, whichever kind of record it is."""
    kept = StreamCache()
    made(0)
    gc.collect()
    tracemalloc.start()
    try:
        kept.keep({f"{number:036}": (number, made(number)) for number in range(500)}, 1)
        gc.collect()
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken / 1.33 < kept.bytes < taken * 1.33
