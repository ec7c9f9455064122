"""W3C trace context as text: a fact keeps the context of its creation, a Kafka header that of the hop."""

from __future__ import annotations

import re

from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

HEADER = "traceparent"
_FORM = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_SAMPLED = frozenset("13579bdf")
ids = RandomIdGenerator()


def well_formed(traceparent: str) -> bool:
    """Whether the text is a trace context."""
    return _FORM.fullmatch(traceparent) is not None


def is_sampled(traceparent: str) -> bool:
    """Whether spans of a well-formed trace context are recorded; of "" they are not."""
    return traceparent[-1:] in _SAMPLED


def write_traceparent(trace: str, *, sampled: bool) -> str:
    """A new span's context in the trace of these 32 hex digits."""
    return f"00-{trace}-{ids.generate_span_id():016x}-{'01' if sampled else '00'}"


def new_traceparent() -> str:
    """A new trace that nobody records."""
    return write_traceparent(f"{ids.generate_trace_id():032x}", sampled=False)


def child_of(traceparent: str) -> str:
    """A new span in the same trace, sampled as that is; a new trace where the text is no trace context."""
    if not well_formed(traceparent):
        return new_traceparent()
    return write_traceparent(traceparent[3:35], sampled=is_sampled(traceparent))


def trace_id(traceparent: str) -> str:
    """The 32 hex digits of the trace, or "" where the text is no trace context."""
    return traceparent[3:35] if well_formed(traceparent) else ""
