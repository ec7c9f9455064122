"""Facts where they lie: a service's event table and audit's list of leaves over HTTP, a facts topic in Kafka."""

from __future__ import annotations

import base64
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from zeren.stack.client import Local, ServiceUnreachable
from zeren.stack.kafka import NAME, KafkaEndpoint

PARTITIONS = 6
"""Of every facts topic, for ever."""
DUTY = "AUDITOR"
DIGEST_SIZE = 32
BATCH = 1_000
QUEUE_KBYTES = 4_096
"""What the client may hold of one partition ahead of us."""
SILENT_SECONDS = 30.0
"""How long Kafka may give nothing while there is more to read."""

LOOK_SECONDS = 0.5
"""How long a service is asked to wait before it answers what is still under way."""

Row = tuple[int, int, bytes]
"""Position, partition (-1: the bytes name none), digest."""


def facts_topic(service: str) -> str:
    """A service's facts, kept for ever."""
    return f"zeren.{service}.facts.v1"


class Place(NamedTuple):
    """A partition and its offsets: from the first that is kept to the one behind the last."""

    partition: int
    first: int
    end: int


@dataclass(frozen=True, slots=True)
class EventTable:
    """A service's event table, as the service serves it. Each call may raise ServiceUnreachable, ServiceRefused."""

    stack: Local
    service: str

    def look(self) -> tuple[str, int]:
        """Its source, "<service>@<incarnation>", and its highest position."""
        page = self._page(0, 0)
        return str(page["source"]), int(page["head"])

    def rows(self, upto: int) -> Iterator[Row]:
        """Every row up to a position, in order, a page at a time."""
        after = 0
        while after < upto and (page := self._rows(after)):
            yield from (row for row in page if row[0] <= upto)
            after = page[-1][0]

    def digests(self, positions: Sequence[int]) -> Mapping[int, bytes]:
        """The digests at these ascending positions, of rows that there are; only their pages are read."""
        found: dict[int, bytes] = {}
        at = 0
        while at < len(positions) and (page := self._rows(positions[at] - 1)):
            by_position = {position: digest for position, _, digest in page}
            behind = bisect_left(positions, page[-1][0] + 1, at)
            found |= {one: by_position[one] for one in positions[at:behind] if one in by_position}
            at = behind
        return found

    def _rows(self, after: int) -> list[Row]:
        page = self._page(after, None)
        digests = base64.b64decode(page["digests"])
        cut = [digests[at : at + DIGEST_SIZE] for at in range(0, len(digests), DIGEST_SIZE)]
        return list(zip(page["positions"], page["partitions"], cut, strict=True))

    def _page(self, after: int, limit: int | None) -> Any:
        params = {"after": after, "limit": limit}
        return self.stack.get(self.service, "/events/digests", bearer=self.stack.as_duty(DUTY), params=params)


def ledgered(stack: Local, source: str, partition: int) -> Iterator[tuple[int, int]]:
    """Position and ledger index of every leaf of a source on a partition, in order. Raises as `EventTable`."""
    after = 0
    while True:
        params = {"source": source, "partition": partition, "after": after}
        page = stack.get("audit", "/ledger/leaves", bearer=stack.as_duty(DUTY), params=params)
        if not page["positions"]:
            return
        yield from zip(page["positions"], page["indexes"], strict=True)
        after = page["positions"][-1]


def ledger_size(stack: Local) -> int:
    """How many leaves the ledger has now, published or not. Raises as `EventTable`."""
    params = {"source": "none", "partition": 0, "limit": 1}
    page = stack.get("audit", "/ledger/leaves", bearer=stack.as_duty(DUTY), params=params)
    return int(page["size"])


@dataclass(frozen=True, slots=True)
class FactsTopic:
    """A facts topic, read as a principal that may; commits nothing, joins no group."""

    endpoint: KafkaEndpoint
    topic: str
    group: str = "audit.reconcile"

    def places(self) -> list[Place]:
        """Where each partition begins and ends now. Raises: ServiceUnreachable: Kafka doesn't answer."""
        with closing(self._consumer()) as consumer:
            return [self._place(consumer, one) for one in range(PARTITIONS)]

    def _place(self, consumer: Consumer, partition: int) -> Place:
        try:
            first, end = consumer.get_watermark_offsets(
                TopicPartition(self.topic, partition), timeout=SILENT_SECONDS
            )
        except KafkaException as error:
            raise _unreachable(error) from error
        return Place(partition, first, end)

    def records(self, place: Place) -> Iterator[Message]:
        """Every record of a partition from its first to its end. Raises: ServiceUnreachable."""
        with closing(self._consumer()) as consumer:
            consumer.assign([TopicPartition(self.topic, place.partition, place.first)])
            at, heard = place.first, time.monotonic()
            while at < place.end:
                # Asked for no more than there is, or it would wait for the rest.
                for message in consumer.consume(min(BATCH, place.end - at), timeout=1.0):
                    if (error := message.error()) is not None:
                        raise _unreachable(KafkaException(error))
                    at, heard = (message.offset() or 0) + 1, time.monotonic()
                    yield message
                if time.monotonic() - heard > SILENT_SECONDS:
                    raise ServiceUnreachable(NAME, f"{self.topic}/{place.partition}")

    def _consumer(self) -> Consumer:
        return Consumer(
            {
                **self.endpoint.settings(),
                "group.id": self.group,
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "queued.max.messages.kbytes": QUEUE_KBYTES,
                "error_cb": _ignore_error,
            }
        )


def _ignore_error(_error: object) -> None:
    """Each call reports its own failure, and silence has its limit."""


def _unreachable(error: KafkaException) -> ServiceUnreachable:
    return ServiceUnreachable(NAME, error.args[0].str())


def settle(
    stack: Local,
    heads: Mapping[str, int],
    places: Callable[[str], Sequence[Place]],
    *,
    published: Callable[[], int],
    seconds: float,
) -> bool:
    """Waits until facts up to these positions are in Kafka, in the ledger and under a published checkpoint.

    It follows the services' own drain states; what they say decides how long is waited, not what is found.

    Args:
        stack: the services.
        heads: by service, its position.
        places: asks where a service's topic ends now.
        published: asks for the size of the published checkpoint.
        seconds: how long is waited at most.

    Returns: whether nothing was under way any more when the time was over.

    Raises: ServiceUnreachable, ServiceRefused.
    """
    deadline = time.monotonic() + seconds
    relayed = [_wait_relayed(stack, service, head, deadline) for service, head in heads.items()]
    done = [_wait_ledgered(stack, service, places, deadline) for service in heads]
    return all(relayed) and all(done) and _wait_published(stack, published, deadline)


def _wait_relayed(stack: Local, service: str, head: int, deadline: float) -> bool:
    while True:
        state = stack.get(service, "/drain", params={"wait": _patience(deadline)})
        if state["head"] - state["unsent_facts"] >= head:
            return True
        if time.monotonic() >= deadline:
            return False


def _wait_ledgered(
    stack: Local, service: str, places: Callable[[str], Sequence[Place]], deadline: float
) -> bool:
    wanted = {place.partition: place.end for place in places(service)}
    while True:
        # Ends are read before audit is asked: what it has not read then counts from a later end, at least.
        ends = {place.partition: place.end for place in places(service)}
        unread = stack.get("audit", "/drain", params={"wait": _patience(deadline)})["unread"]
        behind = {one: unread.get(f"audit.ledger {facts_topic(service)}/{one}", 0) for one in wanted}
        if all(ends[one] - behind[one] >= end for one, end in wanted.items()):
            return True
        if time.monotonic() >= deadline:
            return False


def _wait_published(stack: Local, published: Callable[[], int], deadline: float) -> bool:
    wanted = ledger_size(stack)
    while published() < wanted:
        if time.monotonic() >= deadline:
            return False
        stack.get("audit", "/drain", params={"wait": _patience(deadline)})
    return True


def _patience(deadline: float) -> float:
    return round(min(max(deadline - time.monotonic(), 0), LOOK_SECONDS), 1)
