"""Spans as tests see them."""

from __future__ import annotations

from opentelemetry.sdk.trace.sampling import DEFAULT_ON, Sampler

from shared.telemetry.tracing import Tracing
from shared.telemetry.wire import Span

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"
UNSAMPLED = f"00-{TRACE}-b7ad6b7169203331-00"

MALFORMED = (
    "", "00", "01", "1", "00-01", f"01-{TRACE}-b7ad6b7169203331-01", f"ff-{TRACE}-b7ad6b7169203331-01",
    f"00-{TRACE.upper()}-b7ad6b7169203331-01", f"00-{'0' * 32}-b7ad6b7169203331-01", f"00-{TRACE}-{'0' * 16}-01",
    f"00-{TRACE}-b7ad6b7169203331-0", f"00-{TRACE}-b7ad6b7169203331-01-more", f"00-{TRACE}-b7ad6b7169203331",
    f" 00-{TRACE}-b7ad6b7169203331-01", f"00-{TRACE}-b7ad6b7169203331-01\n", f"00-{'g' * 32}-b7ad6b7169203331-01",
    f"00-{TRACE}-b7ad6b7169203331-0１", "1" * 4_000,
)  # fmt: skip
"""What is no trace context, however near it comes."""


class Recorded:
    """A sink that keeps what it gets."""

    def __init__(self) -> None:
        self.spans: list[Span] = []

    def put(self, span: Span) -> None:
        self.spans.append(span)

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.shape.name == name]

    def one(self, name: str) -> Span:
        (found,) = self.named(name)
        return found


def recording(sampler: Sampler = DEFAULT_ON) -> tuple[Tracing, Recorded]:
    """Tracing whose spans are kept."""
    recorded = Recorded()
    return Tracing(sampler, recorded), recorded


def all_attributes(span: Span) -> dict[str, str | int]:
    """Those of its shape and its own."""
    return {**span.shape.attributes, **span.attributes}
