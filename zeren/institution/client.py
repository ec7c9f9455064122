"""An institution on Kafka: one connection a party to send, one to receive, with its own principal's rights only."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from shared.telemetry.conventions import OFFSET, PARTITION, sending
from shared.telemetry.traceparent import HEADER
from shared.telemetry.tracing import OFF, Tracing, now
from zeren.institution.profile import Profile, ProfileUnusable
from zeren.institution.receipts import Receipt, read_receipt
from zeren.institution.records import Record

REQUEST_MS = 30_000
WAIT_MS = 300
"""How long the broker holds a look for receipts open while none comes; a closing reader waits as long."""
CONNECTING_AT_ONCE = 12
CLOSE_SECONDS = 10.0
PATIENCE_SECONDS = 120.0
"""How long Kafka may stay away before a sender gives up, counted from its last acknowledgement."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 2.0
MAX_IN_MEMORY = 1_000
"""Records sent and not acknowledged yet."""

Sent = Callable[[int, int], None]
"""Called with (records acknowledged, records in all)."""

Acknowledged = Callable[[Record, int, int], None]
"""Called with (record, partition, offset) once the broker has it."""


class KafkaUnreachable(Exception):
    """Kafka does not answer or refuses the principal; the message says why and what to do."""

    def __init__(self, profile: Profile, error: Exception) -> None:
        why = type(error).__name__
        super().__init__(
            f"{profile.uscc} 无法使用 Kafka {profile.bootstrap}（{why}）；请运行 zeren up，或重新登记以更新凭据 / "
            f"{profile.uscc} can't use Kafka at {profile.bootstrap} ({why}); run zeren up, or register again "
            "to renew the profile"
        )


def _settings(profile: Profile) -> dict[str, Any]:
    secure = profile.security_protocol == "SASL_SSL"
    return {
        "bootstrap_servers": profile.bootstrap,
        "security_protocol": profile.security_protocol,
        "ssl_context": ssl.create_default_context() if secure else None,
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": profile.user,
        "sasl_plain_password": profile.password,
        "request_timeout_ms": REQUEST_MS,
        "client_id": f"zeren-{profile.uscc}",
    }


class Publisher:
    """Sends records of many parties, each through its own connection, opened at its first record.

    A record without a trace context of its own gets that of a span, where spans are recorded.

    An outage of Kafka is waited out for `patience_seconds`: a party's first record without an acknowledgement is sent
    again, with everything of that party after it, so that its order holds. The same bytes twice are one submission.
    """

    def __init__(
        self,
        profiles: Mapping[str, Profile],
        *,
        patience_seconds: float = PATIENCE_SECONDS,
        acknowledged: Acknowledged | None = None,
        tracing: Tracing = OFF,
    ) -> None:
        self._profiles = profiles
        self._tracing = tracing
        self._patience_seconds = patience_seconds
        self._acknowledged = acknowledged
        self._producers: dict[str, AIOKafkaProducer] = {}
        self._connecting = asyncio.Semaphore(CONNECTING_AT_ONCE)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._leave(list(self._producers))

    async def send(self, records: Sequence[Record], sent: Sent | None = None) -> int:
        """Sends in the order of the records; returns when the broker has acknowledged all of them.

        The order holds between records of one party and one partition; parties race each other.

        Raises:
            KafkaUnreachable: the first connection fails, or Kafka stays away for longer than patience lasts.
            ProfileUnusable: a party without a profile.
        """
        await self.connect({record.party for record in records})
        left, pause = list(records), FIRST_PAUSE_SECONDS
        until = time.monotonic() + self._patience_seconds
        while left:
            outage = await self._send_all(left, len(records), sent)
            if len(outage.records) < len(left):
                until, pause = time.monotonic() + self._patience_seconds, FIRST_PAUSE_SECONDS
            left = outage.records
            await self._leave(outage.parties)
            while outage.error is not None:
                if time.monotonic() >= until:
                    raise outage.error
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
                outage.error = await self._connected_again(outage.parties)
        return len(records)

    async def _connected_again(self, parties: set[str]) -> KafkaUnreachable | None:
        try:
            await self.connect(parties)
        except KafkaUnreachable as error:
            return error
        return None

    async def _send_all(self, records: Sequence[Record], in_all: int, sent: Sent | None) -> _Outage:
        """Sends each record once. Answers what has to be sent again, in order, and why."""
        outage = _Outage()
        waiting: list[_UnderWay] = []
        for number, record in enumerate(records, 1):
            if record.party in outage.parties:
                outage.records.append(record)
            else:
                await self._send_one(record, waiting, outage)
            if len(waiting) >= MAX_IN_MEMORY or number == len(records):
                await self._await_acknowledgements(waiting, outage)
                if sent:
                    sent(in_all - len(records) + number - len(outage.records), in_all)
        return outage

    async def _send_one(self, record: Record, waiting: list[_UnderWay], outage: _Outage) -> None:
        producer = self._producers[record.party]
        headers, start, context = list(record.headers), now(), ""
        if self._tracing.on and all(name != HEADER for name, _ in headers):
            context = self._tracing.child()
            headers.append((HEADER, context.encode()))
        try:
            future = await producer.send(record.topic, value=record.value, key=record.key, headers=headers)
        except KafkaError as error:
            self._tracing.record(sending(record.topic), context, start=start, error=type(error).__name__)
            outage.add(record, KafkaUnreachable(self._profiles[record.party], error))
        else:
            waiting.append(_UnderWay(record, future, context, start))

    async def connect(self, parties: Iterable[str]) -> None:
        """Opens the connections that aren't open yet. Raises: KafkaUnreachable, ProfileUnusable."""
        missing = sorted(set(parties) - self._producers.keys())
        unknown = [party for party in missing if party not in self._profiles]
        if "" in unknown:
            raise ProfileUnusable(
                "记录须有 party：以哪个机构的身份报送 / a record needs party: the USCC that sends it"
            )
        if unknown:
            raise ProfileUnusable(
                f"没有 {', '.join(unknown)} 的凭据：请先登记 / no profile of {', '.join(unknown)}: register first"
            )
        await asyncio.gather(*(self._open(party) for party in missing))

    async def _open(self, party: str) -> None:
        profile = self._profiles[party]
        async with self._connecting:
            producer = AIOKafkaProducer(**_settings(profile), acks="all", enable_idempotence=True)
            try:
                await producer.start()
            except KafkaError as error:
                await producer.stop()
                raise KafkaUnreachable(profile, error) from error
            self._producers[party] = producer

    async def _await_acknowledgements(self, waiting: list[_UnderWay], outage: _Outage) -> None:
        """After a party's first failure its others count as unsent, acknowledged or not."""
        until = time.monotonic() + self._patience_seconds
        for record, future, context, start in waiting:
            shape = sending(record.topic)
            try:
                place = await asyncio.wait_for(future, max(0.0, until - time.monotonic()))
            except (KafkaError, TimeoutError) as error:
                self._tracing.record(shape, context, start=start, error=type(error).__name__)
                outage.add(record, KafkaUnreachable(self._profiles[record.party], error))
                continue
            until = time.monotonic() + self._patience_seconds
            where = {PARTITION: str(place.partition), OFFSET: place.offset}
            self._tracing.record(shape, context, start=start, attributes=where)
            if self._acknowledged:
                self._acknowledged(record, place.partition, place.offset)
            if record.party in outage.parties:
                outage.records.append(record)
        waiting.clear()

    async def _leave(self, parties: Iterable[str]) -> None:
        """Closes these connections. What can't be flushed in time is given up: Kafka is away."""
        gone = [self._producers.pop(party) for party in parties if party in self._producers]
        closing = [asyncio.wait_for(producer.stop(), CLOSE_SECONDS) for producer in gone]
        for ending in await asyncio.gather(*closing, return_exceptions=True):
            if isinstance(ending, BaseException) and not isinstance(ending, (KafkaError, TimeoutError)):
                raise ending


class _UnderWay(NamedTuple):
    """A record that Kafka has not acknowledged yet, with the context and start of its span."""

    record: Record
    future: asyncio.Future[Any]
    context: str
    start: int


@dataclass(slots=True)
class _Outage:
    """What one round of sending left over.

    Attributes:
        records: without an acknowledgement, or behind such a one of the same party; in order.
        error: why the first of them has none.
    """

    records: list[Record] = field(default_factory=list)
    parties: set[str] = field(default_factory=set)
    error: KafkaUnreachable | None = None

    def add(self, record: Record, error: KafkaUnreachable) -> None:
        """One more; the rest of its party waits behind it."""
        self.error = self.error or error
        self.records.append(record)
        self.parties.add(record.party)


class Mailbox:
    """Reads one institution's receipts, from the first that is kept; needs no group and commits nothing."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._partition = TopicPartition(profile.receipts_topic, 0)
        self._consumer = AIOKafkaConsumer(
            **_settings(profile),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=WAIT_MS,
        )

    async def __aenter__(self) -> Self:
        try:
            await self._consumer.start()
            self._consumer.assign([self._partition])
            await self._consumer.seek_to_beginning(self._partition)
        except KafkaError as error:
            await self._consumer.stop()
            raise KafkaUnreachable(self._profile, error) from error
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._consumer.stop()

    async def skip_to_end(self) -> None:
        """Passes over what is there already."""
        await self._consumer.seek_to_end(self._partition)
        await self._consumer.position(self._partition)

    async def kept(self) -> list[Receipt]:
        """Every receipt up to the end as it is now."""
        ends = await self._consumer.end_offsets([self._partition])
        found: list[Receipt] = []
        while await self._consumer.position(self._partition) < ends[self._partition]:
            found += await self._page(WAIT_MS)
        return found

    async def follow(self) -> AsyncIterator[Receipt]:
        """Receipts as they come, for ever."""
        while True:
            for receipt in await self._page(WAIT_MS):
                yield receipt

    async def _page(self, wait_ms: int) -> list[Receipt]:
        try:
            page = await self._consumer.getmany(self._partition, timeout_ms=wait_ms)
        except KafkaError as error:
            raise KafkaUnreachable(self._profile, error) from error
        values = [record.value for records in page.values() for record in records]
        return [receipt for value in values if (receipt := read_receipt(value or b"")) is not None]


async def kept_receipts(profiles: Iterable[Profile]) -> list[Receipt]:
    """Every receipt of these institutions up to now, by institution in the order of coming."""

    async def of(profile: Profile) -> list[Receipt]:
        async with Mailbox(profile) as mailbox:
            return await mailbox.kept()

    limit = asyncio.Semaphore(CONNECTING_AT_ONCE)

    async def limited(profile: Profile) -> list[Receipt]:
        async with limit:
            return await of(profile)

    pages = await asyncio.gather(*(limited(profile) for profile in profiles))
    return [receipt for page in pages for receipt in page]
