"""The intake under everything that happens to it: repeats, any order, crashes, restarts, zombies, passing days."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import msgspec
from aiokafka import TopicPartition
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from shared.contracts.fact import decode
from shared.contracts.intake import SubmissionAccepted, SubmissionQuarantined, SubmissionRejected
from shared.eventstore.store import PositionMoved, Unavailable
from shared.identity import class_id
from shared.messaging.consumer import ReadAgain
from tests.domain.kernel.crashing import CrashingStore
from tests.domain.kernel.intake_world import (
    CLOCK,
    DAY,
    TOPIC,
    USCC,
    DictVault,
    IntakeWorld,
    apply_class,
    document,
    enrol,
    sheet,
    sign,
)

PEOPLE = {
    "110105199003071095": "00000000-0000-4000-8000-000000000001",
    "11010519491231002X": "00000000-0000-4000-8000-000000000002",
    "440524188001010014": "00000000-0000-4000-8000-000000000003",
}
FIRST, SECOND, THIRD = PEOPLE
CLASS = class_id(USCC, "c1")
PARTITIONS = (0, 1)
LATER = timedelta(days=1)

QUIET: tuple[bytes, ...] = (
    apply_class(),
    enrol("enrol-1", "e1", FIRST),
    enrol("enrol-2", "e2", SECOND),
    sheet("sheet-1", "e1", "e2"),
    document("CompleteClass", "done-1", class_ref="c1"),
    document("ApplyClass", "broken-1", class_ref="c2"),
    b"{not json",
)
"""Documents whose outcome doesn't hang on their order: what comes too early waits."""
RIVALS: tuple[bytes, ...] = (
    enrol("enrol-1", "e9", THIRD),
    enrol("enrol-3", "e3", FIRST),
    sheet("sheet-1", "e2"),
    sheet("sheet-9", "never"),
    document("CompleteClass", "done-2", class_ref="c9"),
)
"""Another body of a used id, a person enrolled twice, what waits in vain: here the first, or the day, decides."""


def test_the_documents_are_as_they_are_meant_to_be() -> None:
    """In their own order, all of the quiet ones are accepted but the broken one; nothing waits."""
    end = Intake()
    end.begin()
    for value in QUIET:
        end.send(value, 0)
    end.settle()
    assert end.world.receipts()[:5] == [(name, "accepted") for name in ("apply-1", "enrol-1", "enrol-2", "sheet-1", "done-1")]
