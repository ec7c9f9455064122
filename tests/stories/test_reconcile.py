"""A whole demo in three places: event tables, Kafka and the ledger hold the same bytes at the same positions."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.stories.running import Demo
from zeren.stack.paths import CHECKOUT


def test_after_a_demo_event_tables_kafka_and_ledger_hold_the_same(demo: Demo) -> None:
    """Every fact of four services is counted in all three, every leaf is one of them."""
    command = (sys.executable, "-m", "zeren", "audit", "reconcile", "--state", demo.state.path.name, "--json")
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    answer = json.loads(done.stdout)
    partitions = [one for service in answer["services"] for one in service["partitions"]]
    for place in ("events", "kafka", "ledger"):
        assert sum(one[place] for one in partitions) == answer["ledger"]["size"] > 500
    assert answer["ledger"]["unclaimed"] == 0
    assert "enrolment " in done.stderr
