"""A loop that looks when the bell rings: nothing that came after a look began is missed, and it looks no oftener."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from shared.messaging.wakeup import Bell

Looks = list[float]


@asynccontextmanager
async def looking(
    bell: Bell, more: Callable[[int], Awaitable[bool]], rest: float = 0.0
) -> AsyncIterator[Looks]:
    """When it looked; `more` is asked at each look, by its number from 1 on."""
    looks: Looks = []

    async def look() -> bool:
        looks.append(time.monotonic())
        return await more(len(looks))

    task = asyncio.create_task(bell.keep_looking(look, rest=rest))
    try:
        yield looks
    finally:
        task.cancel()
        async with asyncio.timeout(5):
            await asyncio.gather(task, return_exceptions=True)


async def nothing(_number: int) -> bool:
    return False


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_it_looks_once_and_then_when_it_rings() -> None:
    bell = Bell()
    async with looking(bell, nothing) as looks:
        await settled()
        assert len(looks) == 1
        bell.ring()
        await settled()
        assert len(looks) == 2


async def test_it_looks_again_at_once_while_there_is_more() -> None:
    async def more(number: int) -> bool:
        return number < 4

    async with looking(Bell(), more) as looks:
        await settled()
        assert len(looks) == 4


async def test_what_rings_during_a_look_is_looked_for_after_it() -> None:
    bell = Bell()

    async def rung(number: int) -> bool:
        if number == 1:
            bell.ring()
        return False

    async with looking(bell, rung) as looks:
        await settled()
        assert len(looks) == 2


async def test_between_two_looks_it_rests_and_rings_meanwhile_are_one() -> None:
    bell = Bell()
    async with looking(bell, nothing, rest=0.1) as looks:
        async with asyncio.timeout(5):
            while len(looks) < 3:
                bell.ring()
                await asyncio.sleep(0.005)
    assert looks[2] - looks[1] >= 0.1
    assert looks[1] - looks[0] >= 0.1


async def test_it_can_be_cancelled_in_the_moment_in_which_it_rings() -> None:
    """A cancellation that is lost would keep a service that was told to stop."""
    bell = Bell()
    for _ in range(50):
        async with looking(bell, nothing):
            await settled()
            bell.ring()


async def test_without_a_ring_it_looks_again_after_the_poll_interval(monkeypatch) -> None:
    monkeypatch.setattr("shared.messaging.wakeup.POLL_SECONDS", 0.01)
    async with looking(Bell(), nothing) as looks, asyncio.timeout(5):
        while len(looks) < 3:
            await asyncio.sleep(0.005)
