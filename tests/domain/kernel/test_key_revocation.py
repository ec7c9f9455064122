"""A revoked key (撤销): the broker's clock says which of its signatures count."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.eventstore.changes import EndKey

from .intake_world import CLOCK, IntakeWorld, apply_class, enrol


@pytest.fixture
def world() -> IntakeWorld:
    return IntakeWorld()


def ends(world: IntakeWorld, after: timedelta) -> None:
    """The key ends so long after the moment at which the broker logs what is sent."""
    world.run(lambda draft: draft.stage(EndKey("key-1", CLOCK + after)))


def test_what_was_logged_before_the_end_is_taken_though_it_is_read_afterwards(world):
    """A record that waits on the topic while its key is revoked keeps its rights."""
    ends(world, timedelta(milliseconds=1))
    world.send(apply_class())
    assert world.receipts() == [("apply-1", "accepted")]


def test_what_was_logged_at_the_end_or_later_is_quarantined(world):
    """valid_until is the first instant at which the key is not valid."""
    ends(world, timedelta())
    world.send(apply_class())
    (fact,) = world.facts("SubmissionQuarantined")
    assert [reason.code for reason in fact.reasons] == ["signature.key_not_valid_then"]
    assert fact.claimed_key == "key-1"
    assert world.receipts() == []


def test_what_was_accepted_before_the_revocation_stays_and_its_receipt_is_not_taken_back(world):
    """Nothing that was decided is decided again."""
    world.send(apply_class())
    ends(world, timedelta())
    world.send(apply_class("apply-2", "c2"))
    assert world.receipts() == [("apply-1", "accepted")]
    assert len(world.facts("ClassApplied")) == 1


def test_a_submission_that_waits_is_decided_though_its_key_was_revoked_meanwhile(world):
    """It was attributed when it came; what it waited for changes nothing of that."""
    world.send(apply_class(), enrol())
    ends(world, timedelta(milliseconds=1))
    world.approve("c1")
    assert world.wake() == 1
    assert world.receipts() == [("apply-1", "accepted"), ("enrol-1", "accepted")]
