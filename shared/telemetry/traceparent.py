"""W3C trace context as text: a fact keeps the context of its creation, a Kafka header that of the hop."""

from __future__ import annotations

import re

from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

HEADER = "traceparent"
_FORM = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_ids = RandomIdGenerator()


def new_traceparent() -> str:
    """A new sampled trace."""
    return f"00-{_ids.generate_trace_id():032x}-{_ids.generate_span_id():016x}-01"


def child_of(traceparent: str) -> str:
    """A new span in the same trace; a new trace where the text is no trace context."""
    if _FORM.fullmatch(traceparent) is None:
        return new_traceparent()
    return f"{traceparent[:36]}{_ids.generate_span_id():016x}{traceparent[52:]}"


def trace_id(traceparent: str) -> str:
    """The 32 hex digits of the trace, or "" where the text is no trace context."""
    return traceparent[3:35] if _FORM.fullmatch(traceparent) else ""
