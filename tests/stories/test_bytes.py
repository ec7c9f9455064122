"""一字不差: event-store state = Kafka record value = ledger leaf, for every fact of a whole demo.

Read by raw SQL, a raw Kafka consumer and the entry bundles; nothing here goes through the code under test.
"""

from __future__ import annotations

from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition

from tests.stories.bundles import bundled
from tests.stories.running import Demo
from zeren.stack.client import Local

SERVICES = ("enrolment", "certification", "payment", "audit")
PARTITIONS = 6
READ_SECONDS = 60.0

Place = tuple[str, int, int]
"""Source, partition, position."""


def test_store_kafka_and_ledger_hold_the_same_bytes(demo: Demo) -> None:
    """Each fact has the same bytes in all three places, and none of them holds a fact more than the others."""
    stored = {place: state for service in SERVICES for place, state in _stored(demo, service).items()}
    sent = {place: value for service in SERVICES for place, value in _sent(demo, service).items()}
    ledgered = _ledgered(demo)
    assert len(sent) > 1_000
    assert {source.partition("@")[0] for source, _, _ in sent} == set(SERVICES)
    assert ledgered == sent
    # The event table has no partitions: Kafka's record says which one a position went to.
    assert stored == {(source, position): value for (source, _, position), value in sent.items()}
    assert len(stored) == len(sent) == len(ledgered)


def _stored(demo: Demo, service: str) -> dict[tuple[str, int], bytes]:
    with demo.servers.postgres.connect(service) as connection:
        (incarnation,) = connection.execute("SELECT incarnation FROM store").fetchone() or ("",)
        rows = connection.execute("SELECT notification_id, state FROM events").fetchall()
    return {(f"{service}@{incarnation}", position): bytes(state) for position, state in rows}


def _sent(demo: Demo, service: str) -> dict[Place, bytes]:
    topic = f"zeren.{service}.facts.v1"
    found: dict[Place, bytes] = {}
    consumer = Consumer({**demo.servers.kafka.settings(), "group.id": "bytes", "enable.auto.commit": False})
    try:
        left = {}
        for partition in range(PARTITIONS):
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=READ_SECONDS)
            assert low == 0, "facts are kept for ever"
            left[partition] = high
        consumer.assign([TopicPartition(topic, one, OFFSET_BEGINNING) for one, high in left.items() if high])
        while any(left.values()):
            record = consumer.poll(READ_SECONDS)
            assert record is not None, f"records are missing: {left}"
            assert record.error() is None
            place, value = _read(record)
            left[place[1]] -= 1
            assert found.setdefault(place, value) == value, "sent twice, with other bytes"
    finally:
        consumer.close()
    return found


def _read(record: Message) -> tuple[Place, bytes]:
    headers: dict[str, Any] = dict(record.headers() or ())
    partition, value = record.partition(), record.value()
    assert partition is not None
    assert value is not None
    return (headers["source"].decode(), partition, int(headers["position"])), value


def _ledgered(demo: Demo) -> dict[Place, bytes]:
    """The leaves as they are served; the table beside them tells where each came from."""
    with demo.servers.postgres.connect("audit") as connection:
        rows = connection.execute("SELECT source, partition, position, index FROM entries").fetchall()
    with Local(demo.state) as local:
        leaves = bundled(f"{local.url('audit')}/log")
    assert len(leaves) == len(rows)
    return {(source, partition, position): leaves[index] for source, partition, position, index in rows}
