"""Facts taken in from other services: a span for each trace, child of the hop; what a reaction decides is in it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

from aiokafka import TopicPartition

from shared.businessday.adopt import OPENED, adopt
from shared.contracts.enrolment import BusinessDayOpened, InstitutionRegistered
from shared.contracts.fact import Circumstances, Encoded, decode, encode
from shared.eventstore.businessdate import business_day_reads
from shared.eventstore.execute import Executor
from shared.eventstore.memory import MemoryStore
from shared.messaging.foreign import ForeignFacts
from shared.messaging.topics import FactHeaders
from shared.telemetry.traceparent import trace_id
from tests.deciding import decide
from tests.domain.telemetry.recorded import PARENT, TRACE, UNSAMPLED, recording

DAY = date(2024, 5, 14)
NOW = datetime(2026, 11, 24, 1, tzinfo=UTC)
PARTITION = TopicPartition("zeren.enrolment.facts.v1", 0)
STREAM = "00000000-0000-4000-8000-000000000001"
HOP = f"00-{TRACE}-00000000000000aa-01"
PROCESS, COMMIT = "process zeren.enrolment.facts.v1", "commit zeren.enrolment.facts.v1"


def _fact(version: int, context: str, day: date = DAY) -> Encoded:
    given = Circumstances(
        occurredat=NOW, businessdate=day, actor="handler:h", duty="D15", region="350000", correlationid=STREAM,
        causationid=STREAM, traceparent=context,
    )  # fmt: skip
    opened = BusinessDayOpened(date=day, working=True)
    return encode("enrolment", opened, stream=STREAM, version=version, given=given, now=NOW)


def _record(position: int, fact: Encoded, hop: str = "") -> Any:
    headers = FactHeaders(fact.type, "enrolment@1", position, position - 1, hop).encode()
    return SimpleNamespace(
        topic=PARTITION.topic,
        partition=0,
        offset=position,
        key=b"k",
        value=fact.state,
        headers=tuple(headers),
    )


class Follower:
    """Payment, as far as it follows enrolment's business day."""

    def __init__(self, reactions: Any = None) -> None:
        tracing, self.recorded = recording()
        self.store = MemoryStore()
        executor = Executor(
            "payment", self.store, lambda _fact: [], always=business_day_reads(), clock=lambda: NOW
        )
        policies = {"enrolment": {InstitutionRegistered: lambda _fact: []}}
        reactions = {OPENED: adopt} if reactions is None else reactions
        self.worker = ForeignFacts("payment.policies", executor, policies, reactions, tracing=tracing)

    def contexts(self) -> list[str]:
        return [decode(row.state).traceparent for row in self.store.tables.log]


def test_a_reaction_stays_in_the_trace_of_the_fact() -> None:
    """The span is a child of the hop's, and what was decided carries its context."""
    payment = Follower()
    decide(payment.worker, PARTITION, [_record(1, _fact(1, PARENT), HOP)])
    span = payment.recorded.one(PROCESS)
    assert (span.parent, trace_id(span.context)) == (HOP, TRACE)
    assert span.attributes == {"zeren.facts": 1}
    assert payment.contexts() == [span.context]
    assert payment.recorded.one(COMMIT).links == [span.context]


def test_a_fact_without_a_hop_is_followed_from_its_own_context() -> None:
    """An older relay sent none: the fact itself says which trace it belongs to."""
    payment = Follower()
    decide(payment.worker, PARTITION, [_record(1, _fact(1, PARENT))])
    assert payment.recorded.one(PROCESS).parent == PARENT


def test_what_is_not_sampled_leaves_no_span() -> None:
    """And what was decided keeps the fact's own context."""
    payment = Follower()
    decide(payment.worker, PARTITION, [_record(1, _fact(1, UNSAMPLED))])
    assert payment.recorded.spans == []
    assert payment.contexts() == [UNSAMPLED]


def test_facts_that_are_passed_over_leave_no_span() -> None:
    """Neither they nor their batch."""
    payment = Follower(reactions={})
    decide(payment.worker, PARTITION, [_record(1, _fact(1, PARENT), HOP)])
    assert payment.recorded.spans == []


def test_facts_of_one_trace_share_a_span() -> None:
    """However many of them a batch has."""
    payment = Follower()
    days = [DAY, date(2024, 5, 15), date(2024, 5, 16)]
    records = [_record(number, _fact(number, PARENT, day), HOP) for number, day in enumerate(days, 1)]
    decide(payment.worker, PARTITION, records)
    span = payment.recorded.one(PROCESS)
    assert span.attributes == {"zeren.facts": 3}
    assert payment.contexts() == [span.context] * 3
    assert payment.recorded.one(COMMIT).attributes["messaging.batch.message_count"] == 3


def test_a_hostile_hop_is_passed_by() -> None:
    """A header that is no context has no span, and the fact is taken in."""
    payment = Follower()
    decide(payment.worker, PARTITION, [_record(1, _fact(1, UNSAMPLED), "01" * 500 + "1")])
    assert payment.recorded.spans == []
    assert len(payment.contexts()) == 1
