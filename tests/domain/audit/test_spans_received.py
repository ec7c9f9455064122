"""What audit takes of an OTLP request: bounded, whatever was sent; and nothing without the token."""

import gzip
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from services.audit.api.spans import receiver
from services.audit.spans.received import (
    MAX_ATTRIBUTES,
    MAX_DECODED,
    MAX_LINKS,
    MAX_NAME,
    MAX_SPAN,
    MAX_SPANS,
    MAX_VALUE,
    PROTOBUF,
    Kept,
    Received,
    SpansEncodingUnknown,
    SpansTooLarge,
    SpansUnreadable,
    received,
)
from services.audit.spans.store import told
from shared.runtime.bounds import MAX_BODY_BYTES
from shared.testing.web import NOWHERE, mounted

TOKEN = "t-0123456789"
TRACE, SPAN = bytes(range(16)), bytes(range(8))


def _request(*spans: Span, service: str = "enrolment") -> bytes:
    request = ExportTraceServiceRequest()
    of_resource = request.resource_spans.add()
    of_resource.resource.attributes.add(key="service.name").value.string_value = service
    of_resource.scope_spans.add().spans.extend(spans)
    return request.SerializeToString()


def _span(**more: Any) -> Span:
    return Span(**{"trace_id": TRACE, "span_id": SPAN, "name": "n", **more})


def _spans(kept: Kept) -> list[Span]:
    return list(ScopeSpans.FromString(b"".join(kept.spans)).spans)


def _count(taken: Received) -> int:
    return sum(len(one.spans) for one in taken.kept)


def _taken(body: bytes, encoding: str = "") -> Received:
    return received(body, content_type=PROTOBUF, encoding=encoding)


def test_a_span_is_kept_as_its_own_bytes() -> None:
    """With its resource's name and the key of its trace beside it."""
    span = _span(start_time_unix_nano=1, end_time_unix_nano=2, kind=Span.SPAN_KIND_CONSUMER)
    (kept,) = _taken(_request(span)).kept
    assert (kept.service, kept.traces) == ("enrolment", {TRACE[:4]})
    assert _spans(kept) == [span]
    assert _taken(gzip.compress(_request(span)), "gzip").kept == [kept]


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "", "application/x-protobuf2"])
def test_only_protobuf_is_taken(content_type: str) -> None:
    with pytest.raises(SpansEncodingUnknown):
        received(_request(_span()), content_type=content_type, encoding="")


@pytest.mark.parametrize("encoding", ["deflate", "br", "gzip, gzip", "zstd"])
def test_only_gzip_is_undone(encoding: str) -> None:
    with pytest.raises(SpansEncodingUnknown):
        _taken(_request(_span()), encoding)


@pytest.mark.parametrize("body", [b"\xff", b"{}", b"\x0a\xff\xff\xff\xff\x0f", "李娜".encode()])
def test_junk_is_refused(body: bytes) -> None:
    with pytest.raises(SpansUnreadable):
        _taken(body)


@pytest.mark.parametrize(
    "body", [b"", b"\x1f\x8b", gzip.compress(_request(_span()), mtime=0)[:-9], b"no gzip"]
)
def test_broken_gzip_is_refused(body: bytes) -> None:
    with pytest.raises(SpansUnreadable):
        _taken(body, "gzip")


def test_a_small_body_can_not_become_a_large_one() -> None:
    """A bomb is let off only up to the bound."""
    bomb = gzip.compress(bytes(4 * MAX_DECODED))
    assert len(bomb) < MAX_BODY_BYTES
    with pytest.raises(SpansTooLarge):
        _taken(bomb, "gzip")


@given(st.binary(max_size=200))
def test_nothing_but_a_refusal_comes_of_any_bytes(body: bytes) -> None:
    """Either it is an OTLP request, or it is told not to be one."""
    for encoding in ("", "gzip"):
        try:
            assert _taken(body, encoding).kept == []
        except SpansUnreadable:
            continue


@pytest.mark.parametrize(
    "wrong", [{"trace_id": b""}, {"trace_id": TRACE[1:]}, {"span_id": b""}, {"span_id": SPAN + b"x"}]
)
def test_spans_without_proper_ids_are_left_out_and_counted(wrong: dict[str, bytes]) -> None:
    """The answer says how many, as the protocol wants it."""
    taken = _taken(_request(_span(), _span(**wrong)))
    assert _count(taken) == 1
    answer = ExportTraceServiceResponse.FromString(taken.response())
    assert answer.partial_success.rejected_spans == 1


def test_spans_are_cut_out_whole_whatever_stands_around_them() -> None:
    """Several resources, a resource behind its spans, names of scopes, addresses of schemas, fields of the future."""
    request = ExportTraceServiceRequest()
    for service in ("enrolment", "payment"):
        of_resource = request.resource_spans.add(schema_url="https://example.test/" + "s" * 200)
        of_resource.resource.attributes.add(key="service.instance.id").value.string_value = "i"
        of_resource.resource.attributes.add(key="service.name").value.string_value = service
        for number in range(3):
            of_scope = of_resource.scope_spans.add(schema_url="u")
            of_scope.scope.name = "zeren"
            of_scope.spans.extend(_span(name=f"{service} {number} {at}" * 20) for at in range(number))
    behind = ResourceSpans(
        resource={"attributes": [{"key": "service.name", "value": {"string_value": "audit"}}]}
    )
    before = ResourceSpans(scope_spans=[{"spans": [_span()]}])
    whole = before.SerializeToString() + behind.SerializeToString()
    future = b"\x50\x96\x01" + b"\x59" + bytes(8) + b"\x65" + bytes(4) + b"\x6a\x02ab"
    body = request.SerializeToString() + b"\x0a" + bytes([len(whole)]) + whole + future
    expected = [
        (of_resource.resource.attributes[-1].value.string_value, span)
        for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for of_scope in of_resource.scope_spans
        for span in of_scope.spans
    ]
    assert len(expected) == 7
    assert [(one.service, span) for one in _taken(body).kept for span in _spans(one)] == expected


def test_what_is_too_long_is_cut() -> None:
    """Texts, names, links; events and states are not kept of such a span."""
    span = _span(name="n" * 5_000, trace_state="a=" + "b" * 5_000)
    for number in range(MAX_ATTRIBUTES + 9):
        span.attributes.add(key=f"k{number:03d}").value.string_value = "v" * (
            MAX_VALUE + 5 if not number else 1
        )
    span.attributes.add(key="k" * 3_000).value.string_value = "x"
    span.attributes.insert(0, type(span.attributes[0])(key="list"))
    for _ in range(MAX_VALUE):
        span.attributes[0].value.array_value.values.add().string_value = "long"
    span.events.add(name="e" * 5_000)
    for _ in range(MAX_LINKS + 9):
        span.links.add(trace_id=TRACE, span_id=SPAN, trace_state="s" * 50)
    (kept,) = _taken(_request(span, service="s" * 3_000)).kept
    (found,) = _spans(kept)
    assert (len(found.name), len(found.links), len(found.events), found.trace_state) == (
        MAX_NAME,
        MAX_LINKS,
        0,
        "",
    )
    assert [one.key for one in found.attributes] == [f"k{number:03d}" for number in range(MAX_ATTRIBUTES)]
    assert len(found.attributes[0].value.string_value) == MAX_VALUE
    assert len(kept.service) == MAX_NAME


def test_a_span_that_is_too_large_even_so_is_left_out() -> None:
    """As is what is over the number of spans."""
    large = _span()
    for number in range(MAX_ATTRIBUTES):
        large.attributes.add(key=f"k{number}").value.string_value = "字" * MAX_VALUE
    taken = _taken(_request(large, *[_span()] * (MAX_SPANS + 1)))
    assert (_count(taken), taken.refused) == (MAX_SPANS, 2)
    assert len(large.SerializeToString()) > MAX_SPAN


def test_unknown_fields_are_not_a_way_in() -> None:
    """What isn't looked at isn't kept, where it could be long."""
    hidden = _span(name="n" * MAX_VALUE).SerializeToString() + b"\x9a\x3e\xff\x07" + b"x" * 1_023
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.append(Span.FromString(hidden))
    (kept,) = _taken(request.SerializeToString()).kept
    assert b"xxx" not in b"".join(kept.spans)


def test_a_failed_span_is_told_with_its_error() -> None:
    """By `error.type`; times and ids are told as they are."""
    span = _span(parent_span_id=SPAN[::-1], start_time_unix_nano=5, end_time_unix_nano=9)
    span.status.code = 2
    span.attributes.add(key="error.type").value.string_value = "KafkaError"
    span.attributes.add(key="zeren.facts").value.int_value = 3
    span.links.add(trace_id=TRACE, span_id=SPAN)
    assert told("payment", span) == {
        "trace": TRACE.hex(), "span": SPAN.hex(), "parent": SPAN[::-1].hex(), "service": "payment", "name": "n",
        "kind": "UNSPECIFIED", "start_ns": 5, "end_ns": 9, "error": "KafkaError",
        "attributes": {"error.type": "KafkaError", "zeren.facts": 3},
        "links": [{"trace": TRACE.hex(), "span": SPAN.hex()}],
    }  # fmt: skip


def _post(body: bytes, token: str = TOKEN, *, wanted: str = TOKEN, **headers: str) -> tuple[int, str]:
    client = TestClient(mounted("audit", receiver(NOWHERE, wanted)))
    sent = {"content-type": PROTOBUF, "authorization": f"Bearer {token}"} | headers
    answer = client.post("/v1/traces", content=body, headers=sent)
    return answer.status_code, answer.json().get("code", "") if answer.content else ""


@pytest.mark.parametrize("token", ["", "t-012345678", "T-0123456789", "t-0123456789 "])
def test_who_does_not_name_the_token_is_refused(token: str) -> None:
    """Before anything of the body is looked at."""
    assert _post(b"junk", token) == (401, "action.not_authenticated")


def test_a_store_without_a_token_lets_nobody_in() -> None:
    """Not even who names none."""
    assert _post(b"", "", wanted="") == (401, "action.not_authenticated")


def test_a_request_is_refused_with_its_reason() -> None:
    """Statuses that exporters know: they don't try these again."""
    assert _post(b"\xff\0") == (400, "spans.unreadable")
    assert _post(gzip.compress(bytes(4 * MAX_DECODED)), **{"content-encoding": "gzip"}) == (
        413,
        "spans.too_large",
    )
    assert _post(b"{}", **{"content-type": "application/json"}) == (415, "spans.encoding_unknown")
    assert _post(bytes(MAX_BODY_BYTES + 1)) == (413, "request.too_large")


def test_an_empty_request_is_answered_as_the_protocol_wants() -> None:
    """Protobuf, empty: everything was taken."""
    assert _post(_request()) == (200, "")
