"""Spans of the intake: one a submission, in the trace that it came with; what it leads to carries its context."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.contracts.fact import decode
from shared.intake.evidence import SealedIntake
from shared.intake.worker import IntakeWorker
from shared.telemetry.traceparent import trace_id
from shared.telemetry.wire import Span
from tests.domain.kernel.intake_world import (
    USCC,
    IntakeWorld,
    apply_class,
    document,
    enrol,
    sign,
)
from tests.domain.telemetry.recorded import (
    MALFORMED,
    PARENT,
    TRACE,
    UNSAMPLED,
    Recorded,
    all_attributes,
    recording,
)

PROCESS, COMMIT = "process zeren.enrolment.intake.v1", "commit zeren.enrolment.intake.v1"


class TracedWorld(IntakeWorld):
    """The same, recorded."""

    recorded: Recorded

    def __init__(self) -> None:
        super().__init__()
        tracing, self.recorded = recording()
        self.worker = IntakeWorker(
            self.executor,
            self.handlers,
            SealedIntake(self.vault, self.vault),
            lambda day: day + timedelta(days=3),
            tracing=tracing,
        )

    def with_header(self, value: bytes, header: bytes):
        record = self.record(value, sign(value))
        record.headers = (*record.headers, ("traceparent", header))
        return record

    def contexts(self, name: str) -> list[str]:
        """The trace contexts in the facts of a name."""
        return [decode(row.state).traceparent for row in self.store.tables.log if f".{name}." in row.type]


@pytest.fixture
def world() -> TracedWorld:
    return TracedWorld()


def _told(span: Span) -> tuple[object, ...]:
    names = ("cloudevents.event_type", "zeren.outcome", "zeren.facts")
    return tuple(span.attributes.get(name) for name in names)


def test_a_submission_is_a_child_of_its_header(world: TracedWorld) -> None:
    """Its facts and its receipt carry the span's own context."""
    world.deliver(world.with_header(apply_class(), PARENT.encode()))
    span = world.recorded.one(PROCESS)
    assert span.parent == PARENT
    assert trace_id(span.context) == TRACE
    assert _told(span) == ("zeren.submission.ApplyClass.v1", "accepted", 2)
    assert world.contexts("ClassApplied") == [span.context]
    assert world.contexts("SubmissionAccepted") == [span.context]
    assert all_attributes(span) == {
        "messaging.system": "kafka", "messaging.operation.name": "process", "messaging.operation.type": "process",
        "messaging.destination.name": "zeren.enrolment.intake.v1", "messaging.destination.partition.id": "0",
        "messaging.consumer.group.name": "enrolment.intake", "messaging.kafka.offset": 1,
        "cloudevents.event_type": "zeren.submission.ApplyClass.v1", "zeren.outcome": "accepted", "zeren.facts": 2,
    }  # fmt: skip
    assert span.shape.kind.name == "CONSUMER"


def test_a_submission_without_a_header_begins_a_trace(world: TracedWorld) -> None:
    """As a root."""
    world.send(apply_class())
    span = world.recorded.one(PROCESS)
    assert span.parent == ""
    assert world.contexts("ClassApplied") == [span.context]


@pytest.mark.parametrize("header", [b"\xff" * 55, *(text.encode() for text in MALFORMED)])
def test_a_hostile_header_forces_nothing(world: TracedWorld, header: bytes) -> None:
    """The submission is decided, in a trace of its own."""
    world.deliver(world.with_header(apply_class(), header))
    span = world.recorded.one(PROCESS)
    assert (span.parent, world.receipts()) == ("", [("apply-1", "accepted")])
    assert trace_id(span.context) != TRACE


def test_a_sender_may_choose_not_to_be_recorded(world: TracedWorld) -> None:
    """Its trace goes on in its facts, unsampled."""
    world.deliver(world.with_header(apply_class(), UNSAMPLED.encode()))
    assert world.recorded.spans == []
    (context,) = world.contexts("ClassApplied")
    assert (trace_id(context), context[-2:]) == (TRACE, "00")


def test_a_transaction_links_to_its_submissions(world: TracedWorld) -> None:
    """In a trace of its own, with how many facts it wrote; they link back to it."""
    world.send(apply_class("a-1", "c1"), apply_class("a-2", "c2"))
    batch, submissions = world.recorded.one(COMMIT), world.recorded.named(PROCESS)
    assert batch.links == [span.context for span in submissions]
    assert {tuple(span.links) for span in submissions} == {(batch.context,)}
    assert len({trace_id(span.context) for span in (batch, *submissions)}) == 3
    assert batch.attributes["messaging.batch.message_count"] == 2
    assert batch.attributes["zeren.facts"] == 4
    assert batch.attributes["zeren.conflicts"] == 0


def test_what_is_rejected_or_quarantined_says_so(world: TracedWorld) -> None:
    """By its outcome; a type that we don't know is not repeated: a sender may write anything there."""
    unsigned = world.record(apply_class("forged", "c9"), b"junk")
    odd = document("李娜110105199003071095", "odd")
    world.deliver(unsigned, world.record(odd, sign(odd)))
    assert [_told(span) for span in world.recorded.named(PROCESS)] == [
        (None, "quarantined", 1),
        (None, "rejected", 1),
    ]


def test_a_parked_submission_goes_on_in_its_trace(world: TracedWorld) -> None:
    """Woken, it is a child of the span that parked it, and linked to it; its facts carry the later context."""
    world.deliver(world.with_header(enrol(), PARENT.encode()))
    world.send(apply_class())
    world.approve("c1")
    assert world.wake() == 1
    parked, _, woken = world.recorded.named(PROCESS)
    assert _told(parked)[1:] == ("parked", 0)
    assert _told(woken)[1:] == ("accepted", 2)
    assert trace_id(woken.context) == TRACE
    assert woken.parent == parked.context
    assert woken.links[0] == parked.context
    assert world.contexts("TraineeEnrolled") == [woken.context]


def test_no_span_tells_a_person_or_an_organisation(world: TracedWorld) -> None:
    """Neither the sender nor the trainee, nor any id of theirs."""
    world.send(apply_class())
    world.approve("c1")
    world.send(enrol())
    told = "".join(f"{span.shape.name} {all_attributes(span)}" for span in world.recorded.spans)
    for value in (
        "李娜",
        "110105199003071095",
        "13800000000",
        USCC,
        "enrol-1",
        *world.vault.persons.values(),
    ):
        assert value not in told
