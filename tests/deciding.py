"""Handing a consumer's worker the records of one partition, as its consumer does with those of a poll."""

from __future__ import annotations

from collections.abc import Sequence

from aiokafka import TopicPartition

from shared.messaging.consumer import Decide, Record


def decide(worker: Decide, partition: TopicPartition, records: Sequence[Record]) -> int:
    """The offset to go on from. Raises: ReadAgain, Stopped."""
    following = worker.decide({partition: records})[partition]
    if isinstance(following, int):
        return following
    raise following
