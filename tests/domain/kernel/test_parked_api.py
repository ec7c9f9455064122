"""What operators ask for over HTTP, on the in-memory store."""

from __future__ import annotations

from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from fastapi.testclient import TestClient

from shared.access.actor import Actor
from shared.runtime.parked_api import parked_router
from shared.testing.web import mounted

from .intake_world import IntakeWorld, apply_class


@pytest.fixture
def world() -> IntakeWorld:
    return IntakeWorld()


def operators(world: IntakeWorld, wakeup: Mock) -> TestClient:
    actor = Actor("handler", "h-1", frozenset(("OPERATOR",)))
    context = SimpleNamespace(authenticate=lambda: actor, executor=world.executor, wakeup=wakeup)
    return TestClient(mounted("enrolment", parked_router(context)))


def test_a_retry_tells_how_many_submissions_it_woke(world):
    """All that wait for it and nobody else; none where nothing does."""
    handler, wakeup = world.break_handler("c-broken"), Mock()
    world.send(apply_class("a", "c-broken-1"), apply_class("b", "c-broken-2"), apply_class("c", "c-c"))
    handler.mend()
    http = operators(world, wakeup)
    for awaited, count in (("operator:ValueError", 0), ("operator:KeyError", 2)):
        told = http.post("/parked/retry", json={"awaited": awaited}).json()
        assert told == {"awaited": awaited, "woken": count}
    assert wakeup.ring.called
    assert world.wake() == 2
    assert dict(world.receipts()) == dict.fromkeys("abc", "accepted")
