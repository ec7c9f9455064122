"""Two workers of one reading: what the first has dealt with goes to the second, so nothing is fetched twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aiokafka import TopicPartition

from shared.messaging.consumer import Batches, Decide, Next, ReadAgain, Record, Stopped


class InTurn:
    """The worker of a `BatchConsumer` whose records two workers take, each with positions of its own.

    Where they stand apart, after a crash between them, both are read from the one that is behind: what the other took
    before is a repeat to it. Where one stops, the partition stops.
    """

    def __init__(self, first: Decide, second: Decide, topics: Sequence[str]) -> None:
        """Has `second` take only these of the topics, and nothing before `first`."""
        self._first = first
        self._second = second
        self._topics = frozenset(topics)

    def decide(self, batches: Batches) -> Mapping[TopicPartition, Next]:
        """See `Decide`."""
        following = dict(self._first.decide(batches))
        dealt_with = {
            partition: taken
            for partition, records in batches.items()
            if partition.topic in self._topics and (taken := _before(following[partition], records))
        }
        if dealt_with:
            for partition, then in self._second.decide(dealt_with).items():
                following[partition] = _sooner(following[partition], then)
        return following

    def forget(self) -> None:
        """See `Decide`."""
        self._first.forget()
        self._second.forget()

    def resume(self, partition: TopicPartition) -> int:
        """See `Decide`."""
        at = self._first.resume(partition)
        return min(at, self._second.resume(partition)) if partition.topic in self._topics else at

    def overdue(self) -> Sequence[ReadAgain | Stopped]:
        """See `Decide`."""
        return [*self._first.overdue(), *self._second.overdue()]

    def other_logs(self, ends: Mapping[TopicPartition, int]) -> Sequence[ReadAgain]:
        """See `Decide`."""
        return [*self._first.other_logs(ends), *self._second.other_logs(ends)]


def _before(then: Next, records: Sequence[Record]) -> Sequence[Record]:
    """The records before a stop or a reading again; all of them where the partition goes on."""
    return records if isinstance(then, int) else [one for one in records if one.offset < then.offset]


def _sooner(first: Next, second: Next) -> Next:
    """What both can go on from: the lower offset; a stop or a reading again before an offset."""
    if isinstance(first, int) and isinstance(second, int):
        return min(first, second)
    return second if isinstance(first, int) else first
