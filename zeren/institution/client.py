"""An institution on Kafka: one connection a party to send, one to receive, with its own principal's rights only."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from zeren.institution.profile import Profile, ProfileUnusable
from zeren.institution.receipts import Receipt, read_receipt
from zeren.institution.records import Record

REQUEST_MS = 30_000
WAIT_MS = 300
"""How long the broker holds a look for receipts open while none comes; a closing reader waits as long."""
CONNECTING_AT_ONCE = 12
MAX_IN_MEMORY = 1_000
"""Records sent and not acknowledged yet."""

Sent = Callable[[int, int], None]
"""Called with (records acknowledged, records in all)."""


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
    """Sends records of many parties, each through its own connection, opened at its first record."""

    def __init__(self, profiles: Mapping[str, Profile]) -> None:
        self._profiles = profiles
        self._producers: dict[str, AIOKafkaProducer] = {}
        self._connecting = asyncio.Semaphore(CONNECTING_AT_ONCE)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await asyncio.gather(*(producer.stop() for producer in self._producers.values()))

    async def send(self, records: Sequence[Record], sent: Sent | None = None) -> int:
        """Sends in the order of the records; returns when the broker has acknowledged all of them.

        The order holds between records of one party and one partition; parties race each other.

        Raises:
            KafkaUnreachable, ProfileUnusable: a party without a profile.
        """
        await self.connect({record.party for record in records})
        acknowledged = 0
        waiting: list[tuple[str, asyncio.Future[Any]]] = []
        for record in records:
            producer = self._producers[record.party]
            try:
                future = await producer.send(
                    record.topic, value=record.value, key=record.key, headers=list(record.headers)
                )
            except KafkaError as error:
                raise KafkaUnreachable(self._profiles[record.party], error) from error
            waiting.append((record.party, future))
            if len(waiting) >= MAX_IN_MEMORY:
                acknowledged += await self._acknowledged(waiting)
                if sent:
                    sent(acknowledged, len(records))
        acknowledged += await self._acknowledged(waiting)
        if sent:
            sent(acknowledged, len(records))
        return acknowledged

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

    async def _acknowledged(self, waiting: list[tuple[str, asyncio.Future[Any]]]) -> int:
        count = len(waiting)
        for party, future in waiting:
            try:
                await future
            except KafkaError as error:
                raise KafkaUnreachable(self._profiles[party], error) from error
        waiting.clear()
        return count


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
