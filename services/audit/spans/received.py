"""OTLP/HTTP as it is received: who may send, how large, and what of a request is kept.

The request is protobuf (`opentelemetry.proto.collector.trace.v1`), plain or gzip. Whatever is over a bound is cut or
left out and counted; a request that is none is refused whole.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from shared.refusal import Refusal
from shared.telemetry.wire import varint

MAX_DECODED = 8 << 20
"""Bytes of a request when decompressed: a small body must not become a large one."""
MAX_SPANS = 10_000
MAX_SPAN = 65_535
MAX_VALUE = 1_024
"""Characters of a text, bytes of anything else."""
MAX_NAME = 256
MAX_ATTRIBUTES, MAX_LINKS = 64, 256
TRACE_ID, SPAN_ID = 16, 8
ID, SPAN = b"\x0a\x10", b"\x12\x08"
"""How every writer begins a span: trace id of 16 bytes, span id of 8."""
RESOURCE_SPANS, RESOURCE, SCOPE_SPANS, SPANS = 0x0A, 0x0A, 0x12, 0x12
"""Tags of fields 1 and 2, in the messages around a span."""
GZIP = 16 + zlib.MAX_WBITS
PROTOBUF = "application/x-protobuf"


class SpansUnreadable(Refusal):
    """The body is no OTLP request."""

    code = "spans.unreadable"


class SpansTooLarge(Refusal):
    """The body is over a bound once it is decompressed."""

    code = "spans.too_large"


class SpansEncodingUnknown(Refusal):
    """Neither protobuf, or compressed by something else than gzip."""

    code = "spans.encoding_unknown"


class Kept(NamedTuple):
    """The spans of one service in a request.

    Attributes:
        traces: the first four bytes of each trace id.
        spans: each with tag and length, as a `ScopeSpans` message has them.
    """

    service: str
    traces: set[bytes]
    spans: list[bytes]


@dataclass(frozen=True, slots=True)
class Received:
    """A request: what of it is kept, and how many spans are not."""

    kept: list[Kept]
    refused: int

    def response(self) -> bytes:
        """The answer that the protocol asks for."""
        if not self.refused:
            return b""
        told = ExportTracePartialSuccess(
            rejected_spans=self.refused, error_message="ids of the wrong length, or over a bound"
        )
        answer: bytes = ExportTraceServiceResponse(partial_success=told).SerializeToString()
        return answer


def received(body: bytes, *, content_type: str, encoding: str) -> Received:
    """Takes a request apart. Raises: SpansUnreadable, SpansTooLarge, SpansEncodingUnknown."""
    if content_type.partition(";")[0].strip().lower() != PROTOBUF:
        raise SpansEncodingUnknown("Content-Type")
    request = _decompressed(body, encoding.strip().lower())
    try:
        ExportTraceServiceRequest.FromString(request)
    except DecodeError:
        raise SpansUnreadable from None
    kept: list[Kept] = []
    left, refused = MAX_SPANS, 0
    for _, first, end in _parts(request, 0, len(request), RESOURCE_SPANS):
        one = Kept(_service(request, first, end), set(), [])
        for _, scope, scope_end in _parts(request, first, end, SCOPE_SPANS):
            for field, at, until in _parts(request, scope, scope_end, SPANS):
                if left and _keep(one, request[field:until], at - field):
                    left -= 1
                else:
                    refused += 1
        if one.spans:
            kept.append(one)
    return Received(kept, refused)


def _decompressed(body: bytes, encoding: str) -> bytes:
    if encoding in ("", "identity"):
        return body
    if encoding != "gzip":
        raise SpansEncodingUnknown("Content-Encoding")
    inflating = zlib.decompressobj(GZIP)
    try:
        found = inflating.decompress(body, MAX_DECODED)
    except zlib.error:
        raise SpansUnreadable from None
    if inflating.unconsumed_tail:
        raise SpansTooLarge
    if not inflating.eof:
        raise SpansUnreadable
    return found


def _parts(message: bytes, at: int, end: int, tag: int) -> Iterator[tuple[int, int, int]]:
    """Where fields with a tag (number and wire type 2), and their content, begin and end; others are passed over.

    Spans are cut out of a request that is known to be well-formed: the classes of protobuf would take them apart and
    put them together again, which costs thrice as much.

    Raises: SpansUnreadable: what no current writer makes.
    """
    while at < end:
        field = at
        found, at = _varint(message, at)
        match found & 7:
            case 2:
                length, at = _varint(message, at)
                if found == tag:
                    yield field, at, at + length
                at += length
            case 0:
                _, at = _varint(message, at)
            case 1:
                at += 8
            case 5:
                at += 4
            case _:
                raise SpansUnreadable


def _varint(message: bytes, at: int) -> tuple[int, int]:
    number, shift = message[at] & 127, 7
    while message[at] > 127:
        at += 1
        number |= (message[at] & 127) << shift
        shift += 7
    return number, at + 1


def _service(request: bytes, first: int, end: int) -> str:
    """`service.name` of a `ResourceSpans`."""
    for _, at, until in _parts(request, first, end, RESOURCE):
        for one in Resource.FromString(request[at:until]).attributes:
            if one.key == "service.name":
                name: str = one.value.string_value
                return name[:MAX_NAME].replace("\0", "")
    return ""


def _keep(kept: Kept, field: bytes, head: int) -> bool:
    """Keeps a span: its own bytes where nothing in them can be over a bound. False where it can't be kept.

    Args:
        kept: those before.
        field: tag, length and span.
        head: how long tag and length are.
    """
    if len(field) - head > MAX_VALUE or field[head : head + 2] != ID or field[head + 18 : head + 20] != SPAN:
        span = Span.FromString(field[head:])
        if len(span.trace_id) != TRACE_ID or len(span.span_id) != SPAN_ID:
            return False
        encoded = _bounded(span)
        if len(encoded) > MAX_SPAN:
            return False
        length = varint(len(encoded))
        field, head = b"\x12" + length + encoded, 1 + len(length)
    kept.traces.add(field[head + 2 : head + 6])
    kept.spans.append(field)
    return True


def _bounded(span: Span) -> bytes:
    """The span's bytes, its texts cut where they are too long."""
    span.name = span.name[:MAX_NAME]
    span.status.message = span.status.message[:MAX_VALUE]
    span.trace_state = ""
    del span.events[:]
    del span.links[MAX_LINKS:]
    for link in span.links:
        del link.attributes[:]
        link.trace_state = ""
    kept = [one for one in span.attributes if _fits(one)][:MAX_ATTRIBUTES]
    cut = [KeyValue.FromString(one.SerializeToString()) for one in kept]
    del span.attributes[:]
    span.attributes.extend(cut)
    span.DiscardUnknownFields()
    encoded: bytes = span.SerializeToString()
    return encoded


def _fits(attribute: KeyValue) -> bool:
    """Whether an attribute may be kept; a text that is too long is cut."""
    value = attribute.value
    if len(attribute.key) > MAX_NAME:
        return False
    if value.WhichOneof("value") == "string_value":
        value.string_value = value.string_value[:MAX_VALUE]
        return True
    return bool(value.ByteSize() <= MAX_VALUE)
