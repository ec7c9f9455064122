"""Names are those of the current semantic conventions: none deprecated, none of our own in their namespaces."""

from __future__ import annotations

import pytest

from shared.telemetry import conventions
from shared.telemetry.conventions import (
    committing,
    folding,
    processing,
    sending,
    sending_page,
    serving,
    transaction,
)
from shared.telemetry.wire import Shape
from tests.domain.telemetry.semconv import CURRENT

FORBIDDEN = ("key", "message.id", "conversation", "body", "subject", "event_id", "client.id")
"""Parts of names that would tell a key, a person or a body."""

SHAPES = {
    "send zeren.enrolment.intake.v1": sending("zeren.enrolment.intake.v1"),
    "send zeren.payment.facts.v1": sending_page("zeren.payment.facts.v1"),
    "send zeren.receipts.{institution}.v1": conventions.SENDING_RECEIPT,
    "process zeren.enrolment.facts.v1": processing("zeren.enrolment.facts.v1", "payment.policies"),
    "commit zeren.enrolment.facts.v1": committing("zeren.enrolment.facts.v1", "audit.ledger"),
    "POST /claims/{claim_id}": serving("POST", "/claims/{claim_id}"),
    "GET": serving("GET", ""),
    "fold claims": folding("claims"),
}


USED = {
    conventions.BATCH, conventions.EVENT_TYPE, conventions.OFFSET, conventions.PARTITION, conventions.METHOD,
    conventions.STATUS, conventions.FACTS, conventions.OUTCOME, *transaction(1, 1, 1, 1.0),
    *(name for shape in SHAPES.values() for name in shape.attributes),
}  # fmt: skip


def test_the_list_of_current_names_knows_old_from_new() -> None:
    """Otherwise the next test would let anything pass."""
    assert {"messaging.operation.type", "messaging.kafka.offset", "http.route", "error.type"} <= CURRENT
    assert (
        not {"messaging.operation", "messaging.kafka.message.offset", "messaging.kafka.consumer.group"}
        & CURRENT
    )


@pytest.mark.parametrize("name", sorted(USED))
def test_an_attribute_is_current_or_our_own(name: str) -> None:
    """And none of them could hold a key, an id or a body."""
    assert name in CURRENT or name.startswith("zeren.")
    assert not any(part in name.partition(".")[2] for part in FORBIDDEN)


@pytest.mark.parametrize(("name", "shape"), SHAPES.items(), ids=SHAPES)
def test_a_span_is_named_by_operation_and_destination(name: str, shape: Shape) -> None:
    """Names are few: no organisation, no id stands in them."""
    assert shape.name == name
    if "messaging.system" not in shape.attributes:
        return
    named = {"messaging.destination.name", "messaging.destination.template"} & set(shape.attributes)
    (destination,) = (shape.attributes[one] for one in named)
    assert name == f"{shape.attributes['messaging.operation.name']} {destination}"
    assert shape.attributes["messaging.system"] == "kafka"
    assert shape.attributes["messaging.operation.type"] in ("send", "process", "settle")
