"""The official CloudEvents SDK reads every fact, receipt and submission, and finds what stands in them."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka, to_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from shared.contracts.checking import Checked, check, preamble
from shared.contracts.fact import CONTENT_TYPE
from tests.contracts.make_golden import GOLDEN, golden_submission

FILES = [*sorted(GOLDEN.glob("*.json")), *sorted((GOLDEN / "submissions").glob("*.json"))]
FORMAT = JSONFormat()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_sdk_reads_a_golden_document(path: Path) -> None:
    """In structured mode, as a Kafka record: every attribute and the data, none more."""
    value = path.read_bytes()
    document: dict[str, Any] = json.loads(value)
    headers = {"content-type": CONTENT_TYPE.encode()}
    event = from_kafka(KafkaMessage(headers, document.get("partitionkey"), value), FORMAT)
    assert event.get_data() == document.pop("data")
    document["time"] = datetime.fromisoformat(document["time"])
    assert event.get_attributes() == document


def test_a_submission_made_with_the_sdk_is_accepted_for_its_form() -> None:
    """Whatever bytes it writes: those are signed."""
    document = json.loads(golden_submission("zeren.submission.ApplyClass.v1").read_bytes())
    data = document.pop("data")
    document["time"] = datetime.fromisoformat(document["time"])
    value = to_structured(CloudEvent(document, data), FORMAT).value
    assert isinstance(check(value, preamble(value)), Checked)
