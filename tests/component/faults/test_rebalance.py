"""Two workers of one service: each submission is decided once, in the order of its partition, whoever comes and goes.

The second worker is a process of its own; its session with Kafka is 6 s.
"""

from __future__ import annotations

import time

import pytest

from tests.component.faults.outage import Load, SecondWorker, all_ready, paused, until
from tests.component.faults.sending import Town

pytestmark = pytest.mark.timeout(600)

PAST_SESSION = 8.0


@pytest.fixture(autouse=True)
def _alone_again(town: Town) -> None:
    """Each test begins with the town's own worker on every partition."""
    until(lambda: all_ready(town), "every service is ready")


def test_a_second_worker_comes_and_goes_in_mid_load(town: Town) -> None:
    """Partitions move to it while batches are under way, and back when it is stopped in order."""
    with Load(town) as load:
        with SecondWorker(town) as second:
            second.await_deciding()
        sent = len(load.sent)
        until(lambda: len(load.sent) > sent + 20, "the load goes on")
    load.assert_each_was_decided_once()


def test_a_worker_killed_in_mid_batch(town: Town) -> None:
    """Kill -9 between two of its statements: the other reads its batch again from the stored position."""
    with Load(town) as load, SecondWorker(town) as second:
        second.await_deciding()
        second.stop_inside_transaction()
        second.process.kill()
        second.process.wait()
    load.assert_each_was_decided_once()


def test_a_zombie_worker_that_wakes_after_its_partitions_moved(town: Town) -> None:
    """SIGSTOP past the session, SIGCONT: what it still had in hand is refused by the position, and it reads on."""
    with Load(town) as load, SecondWorker(town) as second:
        second.await_deciding()
        with paused(second.process.pid):
            time.sleep(PAST_SESSION)
        second.await_deciding()
    load.assert_each_was_decided_once()
