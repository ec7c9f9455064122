"""What four services really wrote and sent is what the published contracts promise."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition
from jsonschema import Draft202012Validator

from docs.generation.asyncapi import document
from docs.generation.schemas import schemas
from shared.contracts.fact import SERVICES
from tests.stories.running import Demo

OF_EACH_TYPE = 40
OF_EACH_PARTITION = 30
RECEIPT_TOPICS = 4
READ_SECONDS = 60.0


def test_every_kind_of_fact_that_the_demo_wrote_is_valid(demo: Demo) -> None:
    """Attributes and data, the first of each type: golden files hold samples, these are decisions."""
    validators = {name: Draft202012Validator(schema) for name, schema in schemas().items()}
    seen: Counter[str] = Counter()
    wrong: list[str] = []
    for service in SERVICES:
        with demo.servers.postgres.connect(service) as connection:
            for (state,) in connection.execute("SELECT state FROM events ORDER BY notification_id"):
                fact = json.loads(bytes(state))
                seen[fact["type"]] += 1
                if seen[fact["type"]] <= OF_EACH_TYPE:
                    found = validators[fact["type"]].iter_errors(fact)
                    wrong += [f"{fact['type']} {error.json_path}: {error.message}" for error in found]
    assert wrong == []
    assert len(seen) > len(validators) // 2


@pytest.fixture
def consumer(demo: Demo) -> Iterator[Consumer]:
    """Reads any topic; commits nothing."""
    settings = {**demo.servers.kafka.settings(), "group.id": "contracts", "enable.auto.commit": False}
    found = Consumer(settings)
    yield found
    found.close()


@pytest.mark.parametrize("service", SERVICES)
def test_facts_are_sent_as_asyncapi_says(consumer: Consumer, service: str) -> None:
    """Partitions, key and headers of the first records of each partition."""
    asyncapi = document("")
    channel = asyncapi["channels"][f"{service}.facts"]
    partitions = consumer.list_topics(channel["address"], READ_SECONDS).topics[channel["address"]].partitions
    assert len(partitions) == channel["bindings"]["kafka"]["partitions"]
    records = _first_records(consumer, channel["address"], sorted(partitions))
    assert records
    for record in records:
        fact = _value(record)
        assert fact["type"] in channel["messages"]
        assert record.key() == fact["partitionkey"].encode()
        assert _headers_are_valid(asyncapi, fact["type"], record)


def test_receipts_are_sent_as_asyncapi_says(consumer: Consumer) -> None:
    """One partition, the receipt's stream as the key, and the content type by which a library knows its form."""
    asyncapi = document("")
    channel = asyncapi["channels"]["receipts"]
    beginning = channel["address"].partition("{")[0]
    topics = [
        name
        for name in sorted(consumer.list_topics(timeout=READ_SECONDS).topics)
        if name.startswith(beginning)
    ]
    found = 0
    for topic in topics[:RECEIPT_TOPICS]:
        for record in _first_records(consumer, topic, range(channel["bindings"]["kafka"]["partitions"])):
            receipt = _value(record)
            found += 1
            assert receipt["type"] in channel["messages"]
            assert record.key() == receipt["subject"].encode()
            assert dict(record.headers() or ())["content-type"] == b"application/cloudevents+json"
            assert _headers_are_valid(asyncapi, receipt["type"], record)
    assert found


def _first_records(consumer: Consumer, topic: str, partitions: Any) -> list[Message]:
    left = {}
    for partition in partitions:
        place = TopicPartition(topic, partition)
        low, high = consumer.get_watermark_offsets(place, timeout=READ_SECONDS)
        left[partition] = min(high - low, OF_EACH_PARTITION)
    consumer.assign([TopicPartition(topic, one, OFFSET_BEGINNING) for one, count in left.items() if count])
    found: list[Message] = []
    while any(count > 0 for count in left.values()):
        record = consumer.poll(READ_SECONDS)
        assert record is not None, f"records are missing: {topic} {left}"
        assert record.error() is None
        partition = record.partition()
        assert partition is not None
        left[partition] -= 1
        if left[partition] >= 0:
            found.append(record)
    return found


def _value(record: Message) -> Any:
    value = record.value()
    assert value is not None
    return json.loads(value)


def _headers_are_valid(asyncapi: Any, name: str, record: Message) -> bool:
    headers = {header: content.decode() for header, content in record.headers() or ()}
    return bool(Draft202012Validator(asyncapi["components"]["messages"][name]["headers"]).is_valid(headers))
