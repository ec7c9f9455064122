"""Our encoding of spans is OTLP's: its own classes read it, and the SDK's encoder says the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from shared.telemetry.wire import Shape, Span, encode_request, encode_resource, encode_scope

HEX = "0123456789abcdef"
KINDS = list(SpanKind)
TEXTS = st.text(max_size=300)
NAMES = st.text(min_size=1, max_size=40)
NUMBERS = st.integers(0, (1 << 63) - 1)


def _id(digits: int) -> st.SearchStrategy[str]:
    return st.text(HEX, min_size=digits, max_size=digits).filter(lambda text: set(text) != {"0"})


def _context() -> st.SearchStrategy[str]:
    return st.builds("00-{}-{}-01".format, _id(32), _id(16))


@st.composite
def _spans(draw: st.DrawFn) -> Span:
    context = draw(_context())
    return Span(
        shape=Shape(
            draw(TEXTS),
            draw(st.sampled_from(KINDS)),
            draw(st.dictionaries(NAMES, TEXTS | NUMBERS, max_size=4)),
        ),
        context=context,
        parent=draw(st.sampled_from(["", f"{context[:36]}b7ad6b7169203331-01"])),
        start=draw(NUMBERS),
        end=draw(NUMBERS),
        attributes=draw(st.dictionaries(NAMES, TEXTS | NUMBERS, max_size=4)),
        links=draw(st.lists(_context(), max_size=3)),
        error=draw(st.sampled_from(["", "ValueError"])),
    )


def _sdk_context(context: str) -> SpanContext:
    return SpanContext(
        int(context[3:35], 16), int(context[36:52], 16), is_remote=True, trace_flags=TraceFlags(1)
    )


def _as_the_sdk_has_it(span: Span, resource: Resource, scope: InstrumentationScope) -> ReadableSpan:
    error = {"error.type": span.error} if span.error else {}
    return ReadableSpan(
        span.shape.name,
        context=_sdk_context(span.context),
        parent=_sdk_context(span.parent) if span.parent else None,
        resource=resource,
        attributes={**span.shape.attributes, **span.attributes, **error},
        links=[Link(_sdk_context(link)) for link in span.links],
        kind=span.shape.kind,
        status=Status(StatusCode.ERROR) if span.error else Status(),
        start_time=span.start,
        end_time=span.end,
        instrumentation_scope=scope,
    )


def _plain(request: ExportTraceServiceRequest) -> ExportTraceServiceRequest:
    """Without what the SDK leaves to readers or says of itself: flags, schema addresses, an unset status."""
    for of_resource in request.resource_spans:
        of_resource.schema_url = ""
        for of_scope in of_resource.scope_spans:
            of_scope.schema_url = ""
            for span in of_scope.spans:
                span.flags = 0
                if not span.status.code:
                    span.ClearField("status")
                attributes = {one.key: one.value for one in span.attributes}
                del span.attributes[:]
                for key in sorted(attributes):
                    span.attributes.add(key=key, value=attributes[key])
                for link in span.links:
                    link.flags = 0
    return request


@given(st.lists(_spans(), min_size=1, max_size=4))
def test_our_bytes_say_what_the_sdks_encoder_says(spans: list[Span]) -> None:
    """The same ids, times, kinds, attributes, links and status."""
    attributes = {"service.name": "enrolment", "service.namespace": "zeren"}
    scope = InstrumentationScope("zeren", "1")
    ours = encode_request(encode_resource(attributes), spans, encode_scope("zeren", "1", ""))
    theirs = encode_spans([_as_the_sdk_has_it(span, Resource(attributes), scope) for span in spans])
    found = ExportTraceServiceRequest.FromString(ours)
    assert _plain(found) == _plain(theirs)


def test_flags_say_sampled_and_whether_a_parent_is_remote() -> None:
    """A parent came by a header or a fact: it is always another process's, or another time's."""
    shape, context = Shape("n", SpanKind.CONSUMER, {}), f"00-{'a' * 32}-{'b' * 16}-01"
    spans = [Span(shape, context, parent, 1, 2, {}, [context], "") for parent in ("", context)]
    request = ExportTraceServiceRequest.FromString(encode_request(b"", spans, b""))
    root, child = request.resource_spans[0].scope_spans[0].spans
    assert (root.flags, child.flags, root.links[0].flags) == (0x101, 0x301, 0x301)
