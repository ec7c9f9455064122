"""A collector of the tests: a real HTTP server that decodes OTLP with its own classes."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Receiving(ThreadingHTTPServer):
    """Takes spans.

    Attributes:
        requests: (path, headers, decoded body) of each request.
        status: what it answers with.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Desk)
        self.requests: list[tuple[str, dict[str, str], ExportTraceServiceRequest]] = []
        self.status = 200
        self.asked = threading.Event()
        self.gate = threading.Event()
        self.gate.set()

    @property
    def endpoint(self) -> str:
        """Where spans are taken."""
        return f"http://127.0.0.1:{self.server_port}/v1/traces"

    def spans(self) -> list[tuple[dict[str, Any], Span]]:
        """Every span that came, with its resource's attributes."""
        return [
            (values(of_resource.resource.attributes), span)
            for _, _, request in list(self.requests)
            for of_resource in request.resource_spans
            for of_scope in of_resource.scope_spans
            for span in of_scope.spans
        ]


class _Desk(BaseHTTPRequestHandler):
    server: Receiving

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.set()
        self.server.gate.wait(30)
        self.server.requests.append((self.path, headers, ExportTraceServiceRequest.FromString(body)))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing goes to the terminal."""


@contextmanager
def collecting() -> Iterator[Receiving]:
    """A collector for as long as the body runs."""
    collector = Receiving()
    thread = threading.Thread(target=collector.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield collector
    finally:
        collector.gate.set()
        collector.shutdown()
        thread.join()
        collector.server_close()


def values(attributes: Any) -> dict[str, Any]:
    """Attributes by name."""
    return {one.key: _value(one.value) for one in attributes}


def _value(value: AnyValue) -> Any:
    return getattr(value, str(value.WhichOneof("value")))


def eventually(found: Callable[[], Any], seconds: float = 20.0) -> Any:
    """What is found, once it is something."""
    waiting = threading.Event()
    for _ in range(int(seconds / 0.02)):
        if answer := found():
            return answer
        waiting.wait(0.02)
    raise AssertionError("it did not come")
