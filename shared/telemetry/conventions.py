"""Names of spans and attributes: OpenTelemetry's current conventions for messaging and HTTP, and our own `zeren.*`.

No attribute holds a message key, a person, an organisation, a body: an institution's receipt topic, which is named
after it, stands as its template.
"""

from __future__ import annotations

from functools import lru_cache

from opentelemetry.semconv._incubating.attributes.cloudevents_attributes import CLOUDEVENTS_EVENT_TYPE
from opentelemetry.semconv._incubating.attributes.messaging_attributes import (
    MESSAGING_BATCH_MESSAGE_COUNT,
    MESSAGING_CONSUMER_GROUP_NAME,
    MESSAGING_DESTINATION_NAME,
    MESSAGING_DESTINATION_PARTITION_ID,
    MESSAGING_DESTINATION_TEMPLATE,
    MESSAGING_KAFKA_OFFSET,
    MESSAGING_OPERATION_NAME,
    MESSAGING_OPERATION_TYPE,
    MESSAGING_SYSTEM,
    MessagingOperationTypeValues,
    MessagingSystemValues,
)
from opentelemetry.semconv.attributes.http_attributes import (
    HTTP_REQUEST_METHOD,
    HTTP_RESPONSE_STATUS_CODE,
    HTTP_ROUTE,
)
from opentelemetry.trace import SpanKind

from shared.telemetry.wire import Attributes, Shape

BATCH, EVENT_TYPE, OFFSET, PARTITION = (
    MESSAGING_BATCH_MESSAGE_COUNT,
    CLOUDEVENTS_EVENT_TYPE,
    MESSAGING_KAFKA_OFFSET,
    MESSAGING_DESTINATION_PARTITION_ID,
)
METHOD, STATUS = HTTP_REQUEST_METHOD, HTTP_RESPONSE_STATUS_CODE

FACTS = "zeren.facts"
"""How many facts a span is about: decided, sent, taken in or ledgered."""
OUTCOME = "zeren.outcome"
"""What became of a submission: accepted, rejected, parked, quarantined …"""
CONFLICTS = "zeren.conflicts"
"""How often a batch was decided again."""
TRANSACTION_MS = "zeren.transaction.ms"
"""How long its transaction took."""
PROJECTION = "zeren.projection"
RECEIPTS_TEMPLATE = "zeren.receipts.{institution}.v1"

_SEND, _PROCESS, _SETTLE = (
    MessagingOperationTypeValues.SEND,
    MessagingOperationTypeValues.PROCESS,
    MessagingOperationTypeValues.SETTLE,
)


def _messaging(
    kind: SpanKind, name: str, operation: MessagingOperationTypeValues, destination: str, more: Attributes
) -> Shape:
    return Shape(
        f"{name} {destination}",
        kind,
        {
            MESSAGING_SYSTEM: MessagingSystemValues.KAFKA.value,
            MESSAGING_OPERATION_NAME: name,
            MESSAGING_OPERATION_TYPE: operation.value,
            **more,
        },
    )


def transaction(units: int, facts: int, conflicts: int, seconds: float) -> dict[str, int]:
    """Attributes of a transaction that decided so many units of a batch."""
    return {BATCH: units, FACTS: facts, CONFLICTS: conflicts, TRANSACTION_MS: round(seconds * 1_000)}


@lru_cache(maxsize=64)
def sending(topic: str) -> Shape:
    """Records sent to a topic, their context in their headers."""
    return _messaging(SpanKind.PRODUCER, "send", _SEND, topic, {MESSAGING_DESTINATION_NAME: topic})


@lru_cache(maxsize=64)
def sending_page(topic: str) -> Shape:
    """A page of many traces' records; none carries its context."""
    return _messaging(SpanKind.CLIENT, "send", _SEND, topic, {MESSAGING_DESTINATION_NAME: topic})


_RECEIPTS: Attributes = {MESSAGING_DESTINATION_TEMPLATE: RECEIPTS_TEMPLATE}
SENDING_RECEIPT = _messaging(SpanKind.PRODUCER, "send", _SEND, RECEIPTS_TEMPLATE, _RECEIPTS)
SENDING_RECEIPTS = _messaging(SpanKind.CLIENT, "send", _SEND, RECEIPTS_TEMPLATE, _RECEIPTS)


@lru_cache(maxsize=64)
def processing(topic: str, group: str) -> Shape:
    """Records of one trace, decided or taken in."""
    more = {MESSAGING_DESTINATION_NAME: topic, MESSAGING_CONSUMER_GROUP_NAME: group}
    return _messaging(SpanKind.CONSUMER, "process", _PROCESS, topic, more)


@lru_cache(maxsize=64)
def committing(topic: str, group: str) -> Shape:
    """A batch of many traces' records: what was decided of them is written, with the group's position."""
    more = {MESSAGING_DESTINATION_NAME: topic, MESSAGING_CONSUMER_GROUP_NAME: group}
    return _messaging(SpanKind.CLIENT, "commit", _SETTLE, topic, more)


@lru_cache(maxsize=1_024)
def serving(method: str, route: str) -> Shape:
    """HTTP requests to a route, by its template; "" where there is none of that path."""
    more = {HTTP_ROUTE: route} if route else {}
    return Shape(f"{method} {route}".strip(), SpanKind.SERVER, {HTTP_REQUEST_METHOD: method, **more})


@lru_cache(maxsize=64)
def folding(projection: str) -> Shape:
    """A page of facts folded into a read model."""
    return Shape(f"fold {projection}", SpanKind.INTERNAL, {PROJECTION: projection})
