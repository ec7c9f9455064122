"""How two workers share the suite: tests that use the same servers stay together, so nobody starts them twice."""

from __future__ import annotations

from pathlib import PurePosixPath

from xdist.scheduler import LoadScopeScheduling

OWN_SERVERS = {
    "tests/component/faults/test_disk_full.py",
    "tests/component/faults/test_three_brokers.py",
    "tests/stories/test_kill_and_go_on.py",
}
"""Files that start whole stacks of their own."""
TOWN = {
    f"tests/component/faults/test_{name}.py"
    for name in (
        "backup",
        "bad_input",
        "evidence",
        "fuzz",
        "http_surface",
        "metrics",
        "outages",
        "rebalance",
        "secrets",
        "traces",
        "waiting_transactions",
    )
}
"""Files whose tests use the stack of `tests/component/faults/conftest.py`."""


def share_of(test_id: str) -> str:
    """What stays on one worker: the tests around the demo, around the town, around the bare servers; else a file."""
    path = test_id.partition("::")[0]
    folder = PurePosixPath(path).parts[:2]
    if path in OWN_SERVERS:
        return path
    if path in TOWN:
        return "town"
    if folder == ("tests", "stories"):
        return "demo"
    return "servers" if folder == ("tests", "component") else path


class OneStackEach(LoadScopeScheduling):
    """Gives a worker one share after the other, in the order in which they were collected."""

    def _split_scope(self, nodeid: str) -> str:
        return share_of(nodeid)
