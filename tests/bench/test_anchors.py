"""What the product is compared with: the raw hop takes the same facts, the stock parts lead to as many."""

from __future__ import annotations

from collections import Counter
from datetime import date

import pytest
from aiokafka import TopicPartition
from pydantic import TypeAdapter

from bench.courses import FACTS, Curriculum, Sending, Stage
from bench.hop import Fewer, shares
from bench.raw import COPY, KAFKA, HopRun, as_raw
from bench.stock.domain import APPLICATIONS, Deciding, Receipt
from bench.stock.submissions import Submission
from bench.topics import stock_topic

A, B, C = (TopicPartition("facts", number) for number in range(3))
submission = TypeAdapter(Submission)


def test_each_partition_gives_its_share_and_together_what_was_asked_for() -> None:
    """In proportion; an empty one gives nothing, and no record counts twice."""
    assert shares({A: 600, B: 300, C: 0}, 90) == {A: 60, B: 30}
    assert sum(shares({A: 7, B: 11, C: 13}, 10).values()) == 10
    assert shares({A: 7, B: 11, C: 13}, 31) == {A: 7, B: 11, C: 13}


def test_more_facts_than_there_are_are_not_read() -> None:
    """A rate over fewer would be another's."""
    with pytest.raises(Fewer, match="4 of 3"):
        shares({A: 3}, 4)


def hop(path: str, per_s: float) -> HopRun:
    return HopRun(path=path, batch=4_000, facts=10, seconds=1.0, facts_per_s=per_s, cpu_per_100k={})


def test_the_limit_is_the_slower_path_at_its_best() -> None:
    """The product is compared with the fastest run of the path that does the same work."""
    raw = as_raw([hop(KAFKA, 120.0), hop(COPY, 50.0), hop(COPY, 55.0), hop(KAFKA, 110.0)], 900.0)
    assert raw.best_per_s == {KAFKA: 120.0, COPY: 55.0}
    assert raw.limit_per_s == 55.0


@pytest.fixture
def stock() -> dict[str, Deciding]:
    settings = {"PERSISTENCE_MODULE": "eventsourcing.popo"}
    return {name: application(settings) for name, application in APPLICATIONS.items()}


def test_stock_parts_lead_to_as_many_facts(stock) -> None:
    """Of every step of a class, receipts included, and each stream is read before it is written again."""
    course = Curriculum(1).course(0, date(2024, 5, 13))
    found: Counter[Stage] = Counter()
    for stage, sendings in course.items():
        for sending in sendings:
            events = decided(stock, sending)
            assert isinstance(events[-1], Receipt.Event)
            assert events[-1].__dict__["fact_count"] == len(events) - 1
            found[stage] += len(events)
    assert {stage: found[stage] for stage in FACTS} == dict(FACTS)


def decided(stock: dict[str, Deciding], sending: Sending) -> list[object]:
    service = stock_topic(sending.topic).split(".")[3]
    return list(stock[service].decide(submission.validate_json(sending.value)))
