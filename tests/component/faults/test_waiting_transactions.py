"""A worker that stands still inside its transaction holds the events-table lock; the server frees it.

idle_in_transaction_session_timeout is 15 s, lock_timeout 5 s (`deploy/local/postgres.toml`).
"""

from __future__ import annotations

import time

import pytest

from tests.component.faults.outage import Load, SecondWorker, all_ready, until
from tests.component.faults.sending import Town

pytestmark = pytest.mark.timeout(600)

HELD_AT_MOST = 15.0
SLACK = 30.0
"""The other's next try, and a machine that has other things to do."""


def test_a_worker_stopped_inside_its_transaction_holds_nobody_longer_than_its_timeouts(town: Town) -> None:
    """The other gets on while it is still stopped; continued, it finds its connection gone and doubles nothing."""
    until(lambda: all_ready(town), "every service is ready")
    with Load(town) as load, SecondWorker(town) as second:
        second.await_deciding()
        second.stop_inside_transaction()
        stood, began = town.head("enrolment"), time.monotonic()
        until(lambda: town.head("enrolment") > stood, "the other gets on", HELD_AT_MOST + SLACK)
        assert time.monotonic() - began > 1, "the lock was not held"
        second.process.resume()
        second.await_deciding()
        assert any(line.get("waits_for") == "database" for line in second.lines())
    load.assert_each_was_decided_once()
