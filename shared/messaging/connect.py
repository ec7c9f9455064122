"""How a service reaches Kafka: the one place that builds clients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.security import SASLScram512

SESSION_TIMEOUT_MS = 6_000
"""How long a group waits for a member that says nothing: the broker's least. A killed process holds nobody longer, and
one that was thought dead does no harm: the position in the database decides, not the membership."""
HEARTBEAT_MS = SESSION_TIMEOUT_MS // 3
MAX_POLL_INTERVAL_MS = 300_000


CLOSE_SECONDS = 5.0

FACTS_COMPRESSION = "zstd"
"""A page's facts resemble each other: they are an eighth as long on their way to each of four readers."""


async def let_go(producer: AIOKafkaProducer) -> None:
    """Closes a producer, also where Kafka is away: an idempotent one waits for ever for what it still holds.

    What was not acknowledged stands in the database, and the next producer sends it.
    """
    try:
        await asyncio.wait_for(producer.stop(), CLOSE_SECONDS)
    except TimeoutError:
        await producer._sender.close()  # noqa: SLF001 - it has no call that gives up
        await producer.client.close()


@dataclass(frozen=True, slots=True)
class KafkaAccess:
    """Where and as whom. The principal has only its own rights."""

    bootstrap: str
    user: str
    password: str = field(repr=False)

    def _client(self) -> dict[str, Any]:
        return {
            "bootstrap_servers": self.bootstrap,
            "security_protocol": "SASL_PLAINTEXT",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": self.user,
            "sasl_plain_password": self.password,
            "request_timeout_ms": 20_000,
            "retry_backoff_ms": 100,
            "metadata_max_age_ms": 30_000,
        }

    def broker(self) -> KafkaBroker:
        """The FastStream broker: it acknowledges nothing by itself. Handlers commit after the database."""
        return KafkaBroker(
            self.bootstrap.split(","),
            security=SASLScram512(self.user, self.password, use_ssl=False),
            ack_policy=AckPolicy.MANUAL,
            allow_auto_create_topics=False,
            consumer_only=True,
            apply_types=False,
            request_timeout_ms=20_000,
            retry_backoff_ms=100,
            metadata_max_age_ms=30_000,
            logger=None,
        )

    @asynccontextmanager
    async def producing(self, *, compression: str | None = None) -> AsyncIterator[AIOKafkaProducer]:
        """A producer for as long as the body runs; let go whatever ends it, also a start in an outage."""
        producer = self.producer(compression)
        try:
            await producer.start()
            yield producer
        finally:
            await let_go(producer)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AIOKafkaConsumer]:
        """A reader for as long as the body runs, see `reader`."""
        reader = self.reader()
        try:
            await reader.start()
            yield reader
        finally:
            await reader.stop()

    def producer(self, compression: str | None = None) -> AIOKafkaProducer:
        """An idempotent producer that waits for all replicas.

        `compression` is for topics that only the services and auditors read, `FACTS_COMPRESSION`: an institution's
        client may lack the codec, so receipts go without.
        """
        return AIOKafkaProducer(
            **self._client(),
            compression_type=compression,
            enable_idempotence=True,
            acks="all",
            linger_ms=0,
            max_batch_size=1 << 20,
            max_request_size=8 << 20,
        )

    def glancing(self) -> AIOKafkaConsumer:
        """A consumer without a group that fetches one batch of a partition at a time, and hardly waits for one."""
        return AIOKafkaConsumer(
            **self._client(),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=1,
            fetch_max_wait_ms=20,
        )

    def reader(self, *topics: str, from_start: bool = True) -> AIOKafkaConsumer:
        """A consumer without a group, for looks at offsets and tails."""
        return AIOKafkaConsumer(
            *topics,
            **self._client(),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest" if from_start else "latest",
            max_partition_fetch_bytes=4 << 20,
        )
