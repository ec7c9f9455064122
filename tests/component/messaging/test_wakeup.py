"""Waking up: by NOTIFY at once, by the poll when that is lost, and again after the connection was killed."""

from __future__ import annotations

import asyncio

import pytest

from shared.eventstore.sql import make_engine
from shared.messaging.wakeup import GATHER_SECONDS, POLL_SECONDS, WakeUp


@pytest.fixture
def engine(fresh_database):
    made = make_engine(fresh_database())
    yield made
    made.dispose()


def notify(engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("NOTIFY events")


def listeners(engine) -> list[int]:
    with engine.connect() as connection:
        query = (
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query = 'LISTEN events'"
        )
        return list(connection.exec_driver_sql(query).scalars())


async def listening(engine) -> list[int]:
    async with asyncio.timeout(20):
        while not (found := await asyncio.to_thread(listeners, engine)):
            await asyncio.sleep(0.02)
    return found


async def test_a_listen_connection_that_is_killed_is_made_again(engine):
    """Trap 6: the library's subscription dies with its connection; this one listens again and polls meanwhile."""
    wakeup = WakeUp(engine)
    task = asyncio.create_task(wakeup.run())
    try:
        (first,) = await listening(engine)
        bell = wakeup.bell()
        with engine.begin() as connection:
            connection.exec_driver_sql(f"SELECT pg_terminate_backend({first})")
        async with asyncio.timeout(5):
            await wakeup.wait(bell)
        async with asyncio.timeout(20):
            while first in await listening(engine):
                await asyncio.sleep(0.02)
        waiting = asyncio.create_task(wakeup.wait(wakeup.bell()))
        await asyncio.sleep(0)
        await asyncio.to_thread(notify, engine)
        async with asyncio.timeout(5):
            await waiting
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_under_load_it_rings_once_for_what_is_written_within_a_moment(engine, monkeypatch):
    """However many transactions: no oftener than the gathering allows, and the last of them is heard."""
    wakeup = WakeUp(engine)
    rung = 0

    def ring() -> None:
        nonlocal rung
        rung += 1
        WakeUp.ring(wakeup)

    monkeypatch.setattr(wakeup, "ring", ring)
    task = asyncio.create_task(wakeup.run())
    try:
        await listening(engine)
        began = asyncio.get_running_loop().time()
        for _ in range(200):
            await asyncio.to_thread(notify, engine)
        bell = wakeup.bell()
        await asyncio.to_thread(notify, engine)
        async with asyncio.timeout(POLL_SECONDS - 1):
            await bell.wait()
        took = asyncio.get_running_loop().time() - began
        assert 1 <= rung <= took / GATHER_SECONDS + 2
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
