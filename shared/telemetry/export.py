"""Spans on their way out: a bounded queue, a thread that sends them by OTLP, and what the environment says of both.

The standard variables decide: OTEL_SDK_DISABLED, OTEL_TRACES_EXPORTER, OTEL_TRACES_SAMPLER(_ARG),
OTEL_RESOURCE_ATTRIBUTES, OTEL_EXPORTER_OTLP(_TRACES)_ENDPOINT, _HEADERS, _TIMEOUT, _COMPRESSION, _CERTIFICATE …,
OTEL_BSP_MAX_QUEUE_SIZE, OTEL_BSP_MAX_EXPORT_BATCH_SIZE, OTEL_BSP_SCHEDULE_DELAY. Without an endpoint nothing is
recorded.
"""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from threading import Event, Lock, Thread
from uuid import uuid4

import requests
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.semconv.schemas import Schemas

from shared.telemetry.collector import ENDPOINTS, Collector
from shared.telemetry.tracing import OFF, Tracing
from shared.telemetry.wire import Span, encode_request, encode_resource, encode_scope

log = logging.getLogger(__name__)

NAMESPACE = "zeren"
MAX_QUEUE, MAX_BATCH, DELAY_MS = 16_384, 512, 1_000
"""Where the environment doesn't say: a batch of submissions ends all its spans at once, which the specification's
queue of 2,048 would not take."""
SELDOM_SECONDS = 60.0
CLOSE_SECONDS = 1.0

Export = Callable[[Sequence[Span]], str]
"""Sends spans: "" where they arrived, else why not. May take long, never fails otherwise."""


class SpanQueue:
    """Takes spans from any thread at once and exports them in batches from one of its own.

    What the exporter can't keep up with, or can't deliver, is dropped, counted and told now and then.

    Attributes:
        exported: spans that arrived.
        dropped: spans that did not.
    """

    def __init__(
        self,
        export: Export,
        *,
        max_queue: int = MAX_QUEUE,
        max_batch: int = MAX_BATCH,
        delay_seconds: float = DELAY_MS / 1_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.exported = 0
        self.dropped = 0
        self._export = export
        self._max_queue = max_queue
        self._max_batch = max_batch
        self._delay = delay_seconds
        self._clock = clock
        self._spans: deque[Span] = deque()
        self._lock = Lock()
        self._ring = Event()
        self._closed = False
        self._told, self._told_at = 0, -SELDOM_SECONDS
        self._thread = Thread(target=self._run, name="spans", daemon=True)
        self._thread.start()

    def put(self, span: Span) -> None:
        """Takes a span; drops it where the queue is full."""
        if len(self._spans) >= self._max_queue:
            self._drop(1, "queue full")
            return
        self._spans.append(span)
        if len(self._spans) >= self._max_batch and not self._ring.is_set():
            self._ring.set()

    def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Sends what is left for at most so long."""
        self._closed = True
        self._ring.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        while not self._closed:
            self._ring.wait(self._delay)
            self._ring.clear()
            while self._spans:
                self._export_batch()
        while self._spans:
            self._export_batch()

    def _export_batch(self) -> None:
        batch = [self._spans.popleft() for _ in range(min(self._max_batch, len(self._spans)))]
        try:
            why = self._export(batch)
        except Exception as error:
            log.exception("spans not exported")
            why = type(error).__name__
        if why:
            self._drop(len(batch), why)
        else:
            self.exported += len(batch)

    def _drop(self, count: int, why: str) -> None:
        with self._lock:
            self.dropped += count
            at = self._clock()
            if at - self._told_at < SELDOM_SECONDS:
                return
            lately, self._told, self._told_at = self.dropped - self._told, self.dropped, at
        log.warning(
            "追踪片段未能送出，已丢弃；业务不受影响 / spans could not be exported and were dropped; the work goes on",
            extra={"dropped": lately, "dropped_in_all": self.dropped, "why": why},
        )


class OtlpExporter(OTLPSpanExporter):
    """The SDK's exporter (OTLP over HTTP, protobuf) with everything that the environment says of it, our encoding."""

    def __init__(self, resource: Resource, scope_version: str, collector: Collector | None = None) -> None:
        """Exports as this resource to a collector of this machine, else to the environment's."""
        logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)  # the queue tells it, seldom
        if collector is None:
            super().__init__()
        else:
            session = requests.Session()
            session.trust_env = False  # a proxy can't reach this machine's own addresses
            super().__init__(collector.endpoint, headers=collector.headers, session=session)
        self._head = encode_resource({name: _plain(value) for name, value in resource.attributes.items()})
        self._foot = encode_scope(NAMESPACE, scope_version, Schemas.V1_44_0.value)

    def send(self, spans: Sequence[Span]) -> str:
        """See `Export`; tries again for as long as the environment's timeout lasts."""
        sent = self._client.export(encode_request(self._head, spans, self._foot))
        return "" if sent.success else str(sent.status_code or type(sent.error).__name__)


def _plain(value: object) -> str | int:
    return value if isinstance(value, str | int) else str(value)


@contextmanager
def exporting(service: str, collector: Collector | None = None) -> Iterator[Tracing]:
    """What the environment says: recording by its sampler to its endpoint, or nothing; what is left is sent at the end.

    Args:
        service: `service.name`.
        collector: where the environment names no endpoint.
    """
    named = any(os.environ.get(name) for name in ENDPOINTS)
    wanted = _wanted(os.environ) and (named or collector is not None)
    queue = _queue(service, os.environ, None if named else collector) if wanted else None
    if queue is None:
        yield OFF
        return
    try:
        yield Tracing(TracerProvider(shutdown_on_exit=False).sampler, queue)
    finally:
        queue.close()


def _queue(service: str, environ: Mapping[str, str], collector: Collector | None) -> SpanQueue:
    number = _version()
    resource = Resource.create(
        {
            "service.name": service,
            "service.namespace": NAMESPACE,
            "service.version": number,
            "service.instance.id": str(uuid4()),
        }
    )
    return SpanQueue(
        OtlpExporter(resource, number, collector).send,
        max_queue=_number(environ, "OTEL_BSP_MAX_QUEUE_SIZE", MAX_QUEUE),
        max_batch=_number(environ, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", MAX_BATCH),
        delay_seconds=_number(environ, "OTEL_BSP_SCHEDULE_DELAY", DELAY_MS) / 1_000,
    )


def _wanted(environ: Mapping[str, str]) -> bool:
    disabled = environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    exporter = environ.get("OTEL_TRACES_EXPORTER", "otlp").strip().lower()
    return not disabled and exporter != "none"


def _number(environ: Mapping[str, str], name: str, otherwise: int) -> int:
    text = environ.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and int(text) > 0 else otherwise


def _version() -> str:
    try:
        return version(NAMESPACE)
    except PackageNotFoundError:
        return "0"
