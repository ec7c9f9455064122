"""A consumer that rests: records wait a moment for others after a poll that brought some, and never otherwise."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from shared.messaging.consumer import BatchConsumer

FULL = 3
LONG = 3_600.0
"""Seconds: a poll that rests so long is not made while the test runs."""


class Client:
    """Stands for Kafka's client and for the broker object that makes it: each poll brings so many records."""

    def __init__(self, *brings: int) -> None:
        self.polls = 0
        self.getmany: Any = self._getmany
        self.consumer = self
        self._brings = brings

    async def _getmany(self, **_limits: int) -> dict[str, list[str]]:
        self.polls += 1
        brought = self._brings[self.polls - 1] if self.polls <= len(self._brings) else 0
        return {"partition": ["record"] * brought} if brought else {}

    def subscriber(self, *_topics: str, **_settings: Any) -> Any:
        return self

    def __call__(self, _handle: Any) -> None:
        """What the broker object calls with a batch."""


def polling(client: Any, rest: float) -> BatchConsumer:
    consumer = BatchConsumer("service.policies", ["topic"], cast("Any", None), rest=rest)
    consumer.subscribe(client)
    consumer.wait_in_polls()
    return consumer


async def poll(client: Client) -> None:
    async with asyncio.timeout(5):
        await client.getmany(timeout_ms=20, max_records=FULL)


async def test_after_a_poll_that_brought_some_the_next_one_rests() -> None:
    client = Client(1)
    polling(client, LONG)
    await poll(client)
    resting = asyncio.create_task(client.getmany(timeout_ms=20, max_records=FULL))
    for _ in range(20):
        await asyncio.sleep(0)
    assert client.polls == 1
    resting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await resting


@pytest.mark.parametrize("brought", [0, FULL])
async def test_after_a_full_or_an_empty_poll_the_next_one_comes_at_once(brought: int) -> None:
    client = Client(brought)
    polling(client, LONG)
    await poll(client)
    await poll(client)
    assert client.polls == 2


@pytest.mark.parametrize("rest", [0.0, 0.01])
async def test_a_rest_ends(rest: float) -> None:
    client = Client(1, 1)
    polling(client, rest)
    await poll(client)
    await poll(client)
    assert client.polls == 2
