"""Spans on their way out: to any OTLP collector; one that is away costs spans, never work."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterator, Sequence

import pytest

from shared.telemetry.collector import ENDPOINTS, Collector
from shared.telemetry.conventions import processing
from shared.telemetry.export import SpanQueue, exporting
from shared.telemetry.tracing import OFF, Tracing
from shared.telemetry.wire import Span
from tests.domain.telemetry.collector import Receiving, collecting, eventually, values
from tests.domain.telemetry.recorded import PARENT, TRACE

SHAPE = processing("zeren.enrolment.intake.v1", "enrolment.intake")


@pytest.fixture(autouse=True)
def nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*ENDPOINTS, "OTEL_SDK_DISABLED", "OTEL_TRACES_EXPORTER", "OTEL_TRACES_SAMPLER"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def collector() -> Iterator[Receiving]:
    with collecting() as found:
        yield found


def _record(tracing: Tracing, count: int = 1) -> None:
    for number in range(count):
        tracing.record(
            SHAPE, tracing.child(PARENT), start=1, parent=PARENT, attributes={"zeren.facts": number}
        )


def test_a_collector_gets_spans_with_their_resource(
    collector: Receiving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the standard variables: endpoint, headers, compression, resource attributes."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint.removesuffix("/v1/traces"))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20abc")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    with exporting("enrolment") as tracing:
        _record(tracing, 3)
    ((path, headers, _),) = collector.requests
    assert path == "/v1/traces"
    assert headers["authorization"] == "Bearer abc"
    assert headers["content-encoding"] == "gzip"
    assert headers["content-type"] == "application/x-protobuf"
    found = collector.spans()
    assert [span.trace_id.hex() for _, span in found] == [TRACE] * 3
    assert {span.parent_span_id.hex() for _, span in found} == {PARENT[36:52]}
    resource = found[0][0]
    assert resource["service.name"] == "enrolment"
    assert resource["service.namespace"] == "zeren"
    assert resource["service.version"]
    assert resource["telemetry.sdk.name"] == "opentelemetry"
    assert resource["deployment.environment.name"] == "test"
    assert values(found[2][1].attributes)["zeren.facts"] == 2


def test_a_local_collector_is_taken_where_the_environment_names_none(
    collector: Receiving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the headers that it asks for; a proxy of the environment is passed by."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with exporting("institution", Collector(collector.endpoint, {"authorization": "Bearer t"})) as tracing:
        _record(tracing)
    assert [headers["authorization"] for _, headers, _ in collector.requests] == ["Bearer t"]


@pytest.mark.parametrize(
    "settings",
    [{}, {"OTEL_SDK_DISABLED": "true", ENDPOINTS[1]: "http://127.0.0.1:9"},
     {"OTEL_TRACES_EXPORTER": "none", ENDPOINTS[1]: "http://127.0.0.1:9"}],
    ids=["no endpoint", "disabled", "no exporter"],
)  # fmt: skip
def test_nothing_is_recorded_unless_asked_for(
    settings: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever names no collector has no thread and no queue."""
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with exporting("enrolment") as tracing:
        assert tracing is OFF


@pytest.mark.parametrize(
    ("name", "value"),
    [("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"), ("OTEL_EXPORTER_OTLP_COMPRESSION", "what"),
     ("OTEL_TRACES_SAMPLER", "sometimes"), ("OTEL_BSP_MAX_QUEUE_SIZE", "-1"), ("OTEL_BSP_SCHEDULE_DELAY", "x")],
)  # fmt: skip
def test_a_wrong_setting_counts_as_not_set(
    name: str, value: str, collector: Receiving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service must not fail for the sake of its traces."""
    monkeypatch.setenv(ENDPOINTS[0], collector.endpoint)
    monkeypatch.setenv(name, value)
    with exporting("enrolment") as tracing:
        _record(tracing)
    assert len(collector.spans()) == 1


def test_a_collector_that_is_away_costs_spans_and_no_time(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Recording goes on; what can't be delivered is counted, and told once, not once a span."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        monkeypatch.setenv(ENDPOINTS[0], f"http://127.0.0.1:{nobody.getsockname()[1]}/v1/traces")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
        with exporting("enrolment") as tracing:
            _record(tracing, 2_000)
            queue = tracing.sink
            assert isinstance(queue, SpanQueue)
            eventually(lambda: queue.dropped)
    (told,) = caplog.records
    assert (told.name, told.levelno) == ("shared.telemetry.export", logging.WARNING)
    assert "Connection" in told.__dict__["why"]
    assert queue.exported == 0


class Slow:
    """An exporter that takes nothing until it is let go."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.began = threading.Event()
        self.sent: list[Span] = []

    def __call__(self, spans: Sequence[Span]) -> str:
        self.began.set()
        assert self.go_on.wait(30)
        self.sent += spans
        return ""


def test_the_queue_is_bounded() -> None:
    """What the exporter can't keep up with is dropped and counted; what was taken before is sent."""
    slow = Slow()
    queue = SpanQueue(slow, max_queue=10, max_batch=5)
    span = Span(SHAPE, PARENT, "", 1, 2, {}, (), "")
    for _ in range(5):
        queue.put(span)
    assert slow.began.wait(10)
    for _ in range(25):
        queue.put(span)
    assert queue.dropped == 15
    slow.go_on.set()
    queue.close(10)
    assert (len(slow.sent), queue.exported, queue.dropped) == (15, 15, 15)


def test_a_fault_of_the_exporter_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """The next batch is sent."""
    answers = iter([RuntimeError("broken"), ""])

    def export(_spans: Sequence[Span]) -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    queue = SpanQueue(export, max_batch=1, delay_seconds=0.01)
    span = Span(SHAPE, PARENT, "", 1, 2, {}, (), "")
    queue.put(span)
    eventually(lambda: queue.dropped)
    queue.put(span)
    eventually(lambda: queue.exported)
    queue.close(10)
    assert "spans not exported" in caplog.text


def test_closing_waits_for_a_moment_only() -> None:
    """A service that stops is not held up by a collector that hangs."""
    slow = Slow()
    queue = SpanQueue(slow, max_batch=1)
    queue.put(Span(SHAPE, PARENT, "", 1, 2, {}, (), ""))
    assert slow.began.wait(10)
    began = time.monotonic()
    queue.close(0.1)
    assert time.monotonic() - began < 10
    slow.go_on.set()


def test_drops_are_told_seldom(caplog: pytest.LogCaptureFixture) -> None:
    """At most once a minute, with how many since."""
    clock = iter([0.0, 1.0, 59.0, 61.0])
    queue = SpanQueue(lambda _spans: "503", max_batch=1, delay_seconds=0.01, clock=lambda: next(clock))
    span = Span(SHAPE, PARENT, "", 1, 2, {}, (), "")
    for number in range(1, 5):
        queue.put(span)
        eventually(lambda number=number: queue.dropped == number)
    queue.close(10)
    names = ("dropped", "dropped_in_all", "why")
    told = [tuple(record.__dict__[name] for name in names) for record in caplog.records]
    assert told == [(1, 1, "503"), (3, 4, "503")]
