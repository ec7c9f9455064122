"""A full disk under PostgreSQL or under the broker: services wait and say so; with space again all goes on.

What the servers do is their own way: PostgreSQL refuses the statements that need space, and stops when its log can't
be written; a broker whose only log folder fails stops itself. An operator makes space and runs `zeren up`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import pytest

from tests.component.faults.full_disk import Disk, LimitedFiles, SmallDisk, may_mount
from tests.component.faults.outage import EVERYWHERE, Load, Said, all_ready, pid_of, until
from tests.component.faults.sending import Town, found_town
from zeren.stack import whole
from zeren.stack.accounts import own_folder, postgres_folder, unprivileged_account
from zeren.stack.local import stop_everything
from zeren.stack.state import StateFolder

pytestmark = pytest.mark.timeout(600)

DATABASE_MEGABYTES, BROKER_MEGABYTES = 700, 300

Harbour = tuple[Town, Mapping[str, Disk]]


REFUSALS = {"postgres": frozenset[str](), "kafka": frozenset(("UNKNOWN",))}
"""What a broker without room answers a client: it is for the client to send again."""


@pytest.fixture(scope="module")
def harbour(
    fresh_state: Callable[[], StateFolder], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Harbour]:
    """A stack whose servers' data lies on disks that can be filled, by the server's name."""
    state = fresh_state()
    mounted = _mounted(state) if may_mount(tmp_path_factory.mktemp("mount")) else {}
    try:
        with state.locked():
            town = found_town(state)
            limits = {
                name: LimitedFiles(lambda name=name: pid_of(town, name)) for name in ("postgres", "kafka")
            }
            yield town, mounted or limits
            town.local.close()
    finally:
        stop_everything(state)
        for disk in mounted.values():
            disk.close()


def _mounted(state: StateFolder) -> dict[str, Disk]:
    state.secret("kafka/admin")  # A folder with data and without secrets would be taken for a broken one.
    account = unprivileged_account()
    database = postgres_folder(state, account)
    own_folder(database, account)
    disks: dict[str, Disk] = {
        "postgres": SmallDisk(database, DATABASE_MEGABYTES),
        "kafka": SmallDisk(state.path / "kafka" / "data", BROKER_MEGABYTES),
    }
    own_folder(database, account)
    return disks


def _is_told_as_away(said: Said, what: str) -> bool:
    """Whether a service that needs it says so."""
    return any(said.outages(name, what) for name in EVERYWHERE)


def _is_told_as_over(said: Said, what: str) -> bool:
    """Whether each service that waited for it has said, last of all, that it is over."""
    last = [found[-1] for name in EVERYWHERE if (found := said.outages(name, what))]
    return bool(last) and all("seconds" in line for line in last)


@pytest.mark.parametrize(("server", "what"), [("postgres", "database"), ("kafka", "kafka")])
def test_a_full_disk_is_waited_for(harbour: Harbour, server: str, what: str) -> None:
    """Nothing is lost or doubled, whether the server itself survived it or had to be started again."""
    town, disks = harbour
    until(lambda: all_ready(town), "every service is ready")
    said = Said(town)
    with Load(town, REFUSALS[server]) as load:
        disks[server].fill()
        until(lambda: _is_told_as_away(said, what), f"a full disk under {server} is told")
        disks[server].free()
        whole.start(town.state)
        until(lambda: all_ready(town), "every service is ready again")
    load.assert_each_was_decided_once()
    until(lambda: _is_told_as_over(said, what), "every service that waited says that it goes on", 30)
