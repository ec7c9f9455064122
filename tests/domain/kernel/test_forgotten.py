"""A submission that waits when its person is erased: it is answered, and holds up nothing behind it."""

from __future__ import annotations

import pytest

from shared.eventstore.store import Unavailable

from .intake_world import DictVault, IntakeWorld, apply_class, enrol, sheet


class Erasing(DictVault):
    """A vault that can erase one body, and lose another by a fault."""

    def __init__(self) -> None:
        super().__init__()
        self.erased: set[str] = set()

    def erase(self, digest: str) -> None:
        del self.bodies[digest]
        self.erased.add(digest)

    def kept(self, digest: str) -> bool:
        return digest in self.bodies or digest in self.erased


@pytest.fixture
def vault() -> Erasing:
    return Erasing()


@pytest.fixture
def world(vault: Erasing) -> IntakeWorld:
    """A class that is not approved yet, an enrolment and a sheet that wait for it."""
    world = IntakeWorld(vault=vault)
    world.send(apply_class(), enrol(), sheet("sheet-1"))
    return world


def parked(world: IntakeWorld, submission: str) -> str:
    """The digest under which a submission waits."""
    rows = [waiting.row for waiting in world.store.tables.parked.values()]
    return next(row.digest for row in rows if row.submission_id == submission)


def test_a_body_that_was_erased_is_rejected_and_those_beside_it_are_decided(world, vault):
    """Its receipt says why; it waits no longer."""
    vault.erase(parked(world, "enrol-1"))
    world.approve("c1")
    assert world.wake() == 2
    assert world.receipts() == [
        ("apply-1", "accepted"),
        ("enrol-1", "person.erased"),
        ("sheet-1", "accepted"),
    ]
    assert world.store.tables.parked == {}
    assert world.facts("TraineeEnrolled") == []


def test_a_body_that_is_missing_for_another_reason_is_waited_for(world, vault):
    """A vault put back to an earlier point may get it again; nothing is answered on a guess."""
    del vault.bodies[parked(world, "enrol-1")]
    world.approve("c1")
    with pytest.raises(Unavailable):
        world.wake()
    assert world.receipts() == [("apply-1", "accepted")]
