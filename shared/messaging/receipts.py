"""The receipts loop: each institution's receipts to its own topic, none held up by another's.

A receipt goes out only once its fact is known to stand in the service's facts topic: what an institution holds
survives the loss of the database.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    InvalidProducerEpoch,
    KafkaError,
    LeaderNotAvailableError,
    NotLeaderForPartitionError,
    OutOfOrderSequenceNumber,
    UnknownProducerId,
)
from sqlalchemy import ARRAY, BigInteger, Engine, any_, bindparam, delete

from shared.contracts.fact import header
from shared.eventstore.sql import rows_of, single_statements
from shared.eventstore.tables import receipt_outbox
from shared.messaging.connect import KafkaAccess
from shared.messaging.topics import STRUCTURED, facts_topic, receipts_topic
from shared.messaging.wakeup import WakeUp
from shared.telemetry.conventions import BATCH, SENDING_RECEIPT, SENDING_RECEIPTS
from shared.telemetry.counted import RECEIPTS_SENT
from shared.telemetry.metrics import Metrics
from shared.telemetry.tracing import OFF, Batch, Tracing

log = logging.getLogger(__name__)

PAGE = 500
PRODUCER_SPOILT = (
    OutOfOrderSequenceNumber,
    UnknownProducerId,
    InvalidProducerEpoch,
    NotLeaderForPartitionError,
    LeaderNotAvailableError,
)
"""After these a producer's sequence numbers have a gap that the broker refuses for ever: a new one is made."""
SKIP_SECONDS = 20.0
"""How long an institution whose topic is missing is passed over before it is tried again."""
ROUND_SECONDS = 1.0
"""How long a round waits for a topic that does not answer before it looks after the other institutions."""


class _Due(NamedTuple):
    seq: int
    institution: str
    state: bytes


_DUE = """SELECT due.seq, due.institution, fact.state
          FROM (SELECT * FROM receipt_outbox WHERE institution <> ALL(%s) ORDER BY seq LIMIT %s) AS due,
               LATERAL (SELECT state FROM events
                        WHERE originator_id = due.receipt_id AND originator_version = due.version
                          AND notification_id <= (SELECT cursor FROM relay WHERE topic = %s) OFFSET 0) AS fact
          ORDER BY due.seq"""
"""One probe a row, whatever the planner thinks of a table that is new to it."""
_REMOVE = delete(receipt_outbox).where(
    receipt_outbox.c.seq == any_(bindparam("seqs", type_=ARRAY(BigInteger)))
)


class ReceiptSender:
    """Sends what stands in `receipt_outbox`; a row goes once the broker has acknowledged it."""

    def __init__(
        self,
        service: str,
        engine: Engine,
        kafka: KafkaAccess,
        wakeup: WakeUp,
        *,
        tracing: Tracing = OFF,
        metrics: Metrics | None = None,
    ) -> None:
        self._service = service
        self._metrics = metrics or Metrics(service)
        self._tracing = tracing
        self._single = single_statements(engine)
        self._kafka = kafka
        self._relayed = wakeup.relayed
        self._skipped: dict[str, float] = {}
        self._under_way: dict[str, asyncio.Task[list[int]]] = {}

    async def run(self) -> None:
        """Sends for ever."""
        async with self._kafka.producing() as producer:
            try:
                await self._relayed.keep_looking(partial(self._send_page, producer))
            finally:
                for task in self._under_way.values():
                    task.cancel()
                self._under_way.clear()

    async def _send_page(self, producer: AIOKafkaProducer) -> bool:
        """One round: a task for each institution that has receipts due and none under way.

        Returns whether there may be more: beyond the page, of institutions that were busy, or under way.
        """
        now = time.monotonic()
        self._skipped = {uscc: until for uscc, until in self._skipped.items() if until > now}
        by_institution: dict[str, list[_Due]] = {}
        busy, rows = len(self._under_way), await asyncio.to_thread(self._read)
        for row in rows:
            by_institution.setdefault(row.institution, []).append(row)
        for uscc, rows in by_institution.items():
            self._under_way[uscc] = asyncio.create_task(self._send(producer, uscc, rows))
        if not self._under_way:
            return False
        await asyncio.wait(
            self._under_way.values(), timeout=ROUND_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        finished = [uscc for uscc, task in self._under_way.items() if task.done()]
        done = [seq for uscc in finished for seq in self._under_way.pop(uscc).result()]
        if done:
            await asyncio.to_thread(self._remove, done)
            self._metrics.add(RECEIPTS_SENT, len(done))
        return bool(busy or self._under_way) or len(rows) == PAGE

    async def _send(self, producer: AIOKafkaProducer, uscc: str, rows: Sequence[_Due]) -> list[int]:
        topic = receipts_topic(uscc)
        try:
            with Batch(self._tracing, SENDING_RECEIPTS, SENDING_RECEIPT) as batch:
                batch.attributes[BATCH] = len(rows)
                # Each one's own acknowledgement: a flush returns also where a batch was given up.
                await asyncio.gather(*[await self._send_one(producer, topic, row, batch) for row in rows])
        except PRODUCER_SPOILT:
            raise
        except KafkaError as error:
            log.warning("receipts wait", extra={"institution": uscc, "why": type(error).__name__})
            self._skipped[uscc] = time.monotonic() + SKIP_SECONDS
            return []
        return [row.seq for row in rows]

    async def _send_one(self, producer: AIOKafkaProducer, topic: str, row: _Due, traced: Batch) -> Any:
        """Hands a receipt over. Returns what its acknowledgement is awaited on."""
        known = header(row.state)
        hop = traced.of(known.traceparent)
        if hop is not None:
            hop.count += 1
        return await producer.send(
            topic,
            value=row.state,
            key=known.subject.encode(),
            partition=0,
            headers=[STRUCTURED, *([hop.header] if hop is not None else [])],
        )

    def _read(self) -> list[_Due]:
        """The first rows in order whose facts are known to stand in Kafka, of institutions that are not busy."""
        busy = [*self._skipped, *self._under_way]
        with self._single.connect() as connection:
            return [_Due(*row) for row in rows_of(connection, _DUE, (busy, PAGE, facts_topic(self._service)))]

    def _remove(self, seqs: Sequence[int]) -> None:
        with self._single.connect() as connection:
            connection.execute(_REMOVE, {"seqs": list(seqs)})
