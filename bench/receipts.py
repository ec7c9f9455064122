"""Receipts of many institutions as they come, read by one consumer in a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition

from zeren.stack.kafka import KafkaEndpoint

POLL_SECONDS = 0.1
AT_ONCE = 1_000
ANSWER_SECONDS = 30.0
ACCEPTED = ".SubmissionAccepted."


class Arrived(NamedTuple):
    """One receipt.

    Attributes:
        facts: how many the submission led to, the receipt itself not counted.
        codes: why it was rejected, or why lines of it were refused; empty where all of it was accepted.
    """

    institution: str
    submission_id: str
    facts: int
    codes: tuple[str, ...]


class _Reason(msgspec.Struct, gc=False):
    code: str


class _Content(msgspec.Struct, gc=False):
    submission_id: str
    refused_lines: list[_Reason] = []
    reasons: list[_Reason] = []
    fact_count: int = 0


class _Receipt(msgspec.Struct, gc=False):
    type: str
    data: _Content


_decode = msgspec.json.Decoder(_Receipt).decode


class ReceiptReader:
    """Reads receipt topics from their ends, as the administrator: one connection in place of one an institution.

    What comes is kept from the start on; `go` says on which loop it is waited for.
    """

    def __init__(self, kafka: KafkaEndpoint, topics: Mapping[str, str]) -> None:
        """Reads what comes into these topics, each an institution's, from now on."""
        self._institutions = topics
        self._waiting: list[Arrived] = []
        self._lock = threading.Lock()
        self._bell = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over = threading.Event()
        self._consumer = Consumer(
            {
                **kafka.settings(),
                "group.id": "bench-receipts",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 20,
            }
        )
        self._consumer.assign([self._end(topic) for topic in topics])
        self._thread = threading.Thread(target=self._read, name="receipts", daemon=True)
        self._thread.start()

    def _end(self, topic: str) -> TopicPartition:
        """Asked for now: an end that is looked up at the first fetch may lie behind what was sent meanwhile."""
        _, end = self._consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=ANSWER_SECONDS)
        return TopicPartition(topic, 0, end or OFFSET_BEGINNING)

    def go(self, loop: asyncio.AbstractEventLoop) -> None:
        """From now on `some` is awaited on this loop."""
        self._loop = loop

    def rest(self) -> None:
        """Nobody waits any more."""
        self._loop = None

    async def some(self, seconds: float) -> Sequence[Arrived]:
        """What has come since the last call; waits for something for so long."""
        self._bell.clear()
        with self._lock:
            found, self._waiting = self._waiting, []
        if found:
            return found
        try:
            await asyncio.wait_for(self._bell.wait(), seconds)
        except TimeoutError:
            return ()
        with self._lock:
            found, self._waiting = self._waiting, []
        return found

    def _read(self) -> None:
        while not self._over.is_set():
            first = self._consumer.poll(POLL_SECONDS)
            # `consume` would wait until its number is full: it is asked only for what is here already.
            messages = [first, *self._consumer.consume(AT_ONCE, 0)] if first is not None else []
            found = [self._arrived(one) for one in messages if one.error() is None]
            if found:
                with self._lock:
                    self._waiting += found
                loop = self._loop
                if loop is not None:
                    loop.call_soon_threadsafe(self._bell.set)

    def _arrived(self, message: Message) -> Arrived:
        value = message.value()
        receipt = _decode(value if value is not None else b"")
        content = receipt.data
        codes = tuple(one.code for one in (*content.refused_lines, *content.reasons))
        if ACCEPTED not in receipt.type and not codes:
            codes = (receipt.type,)
        institution = self._institutions[message.topic() or ""]
        return Arrived(institution, content.submission_id, content.fact_count, codes)

    def close(self) -> None:
        """Reads no more."""
        self._over.set()
        self._thread.join()
        self._consumer.close()
