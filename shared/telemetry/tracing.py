"""Tracing, slim: contexts are text, a span is a tuple that is recorded when it has ended, and only if sampled.

No span is made per fact and none is current: whoever decides a batch makes the contexts of what it will record
before, hands them on as text, and records once afterwards. An exporter that is away holds nobody up.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, Self

from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, DEFAULT_ON, Decision, ParentBased, Sampler

from shared.telemetry.conventions import FACTS
from shared.telemetry.traceparent import (
    HEADER,
    child_of,
    ids,
    is_sampled,
    well_formed,
    write_traceparent,
)
from shared.telemetry.wire import MAX_LINKS, Attributes, Shape, Span

Header = tuple[str, bytes]
_NONE: Mapping[str, str | int] = {}


class Sink(Protocol):
    """Where spans go."""

    def put(self, span: Span) -> None:
        """Takes a span; never blocks, never fails."""


class Tracing:
    """What a process records. Threads may share it.

    Attributes:
        on: whether it records anything at all.
        sink: where spans go; None where they are not recorded.
    """

    def __init__(self, sampler: Sampler = ALWAYS_OFF, sink: Sink | None = None) -> None:
        """Samples by `sampler`, records to `sink`; without one it records nothing and passes contexts on."""
        self.on = sink is not None
        self.sink = sink
        self._sampler = sampler
        self._heeds_parents = isinstance(sampler, ParentBased)
        self._samples_all_roots = sampler in (ALWAYS_ON, DEFAULT_ON)

    def child(self, parent: str = "") -> str:
        """The context of a new span: in the trace of `parent`, or of a new trace where that is no trace context.

        Of a parent only the trace and its sampled flag are heeded, and the flag only if the sampler says so.
        """
        if not self.on:
            return child_of(parent)
        if well_formed(parent):
            return self.child_of_sound(parent)
        trace = ids.generate_trace_id()
        return write_traceparent(f"{trace:032x}", sampled=self._samples(trace))

    def child_of_sound(self, parent: str) -> str:
        """The same of what is known to be a trace context, where something is recorded."""
        trace_id = parent[3:35]
        sampled = is_sampled(parent) if self._heeds_parents else self._samples(int(trace_id, 16))
        return write_traceparent(trace_id, sampled=sampled)

    def _samples(self, trace: int) -> bool:
        if self._samples_all_roots:
            return True
        return self._sampler.should_sample(None, trace, "").decision is Decision.RECORD_AND_SAMPLE

    def record(  # noqa: PLR0913 - what a span consists of
        self,
        shape: Shape,
        context: str,
        *,
        start: int,
        parent: str = "",
        end: int = 0,
        attributes: Attributes = _NONE,
        links: Sequence[str] = (),
        error: str = "",
    ) -> None:
        """Records a span that has ended, if its context is sampled.

        Args:
            shape: what it has in common with others.
            context: its own, of `child`.
            start: in nanoseconds since 1970, see `now`.
            parent: what `child` was given; one of another trace (it was malformed) makes a root.
            end: now if not given.
            attributes: besides the shape's. Never a message key, a person, a body.
            links: contexts of spans in other traces; the first `MAX_LINKS` are kept.
            error: what went wrong, by its type.
        """
        if self.sink is None or not is_sampled(context):
            return
        if parent[3:35] != context[3:35]:
            parent = ""
        self.sink.put(Span(shape, context, parent, start, end or now(), attributes, links, error))


OFF = Tracing()
"""Records nothing; contexts are passed on."""


def now() -> int:
    """Nanoseconds since 1970."""
    return time.time_ns()


class Hop:
    """One span of a batch for all that comes from one context.

    Attributes:
        header: its context, as a Kafka header.
        count: how many facts it is about.
    """

    __slots__ = ("context", "count", "header", "parent")

    def __init__(self, context: str, parent: str) -> None:
        self.context = context
        self.parent = parent
        self.header: Header = (HEADER, context.encode())
        self.count = 0


class Around:
    """A span in a trace of its own around the body of a `with`; what the body raises is its error.

    It is recorded only if it links to something or failed: work that nobody traces leaves none.

    Attributes:
        context: its own.
        attributes: besides the shape's; the body fills it.
        links: contexts of spans in other traces; the body fills it.
    """

    def __init__(self, tracing: Tracing, shape: Shape) -> None:
        self.context = tracing.child() if tracing.on else ""
        self.attributes: dict[str, str | int] = {}
        self.links: list[str] = []
        self._tracing = tracing
        self._shape = shape
        self._start = now() if tracing.on else 0

    def __enter__(self) -> Self:
        return self

    def add(self, numbers: Mapping[str, int]) -> None:
        """Adds to the attributes of these names."""
        for name, number in numbers.items():
            self.attributes[name] = int(self.attributes.get(name, 0)) + number

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        self._record(now() if self._tracing.on else 0, kind.__name__ if kind is not None else "")

    def _record(self, end: int, error: str) -> None:
        if not self.links and not error:
            return
        self._tracing.record(
            self._shape, self.context, start=self._start, end=end, attributes=self.attributes,
            links=self.links, error=error,
        )  # fmt: skip


class Batch(Around):
    """The same, and one span for each sampled context that the batch's records come from, linked to each other.

    Attributes:
        each: attributes of those spans.
    """

    def __init__(self, tracing: Tracing, whole: Shape, each_shape: Shape) -> None:
        super().__init__(tracing, whole)
        self.each: dict[str, str | int] = {}
        self._each_shape = each_shape
        self._by_parent: dict[str, Hop | None] = {}

    def of(self, parent: str) -> Hop | None:
        """The span for what comes from `parent`, a traceparent; None where it is not recorded."""
        if not is_sampled(parent):
            return None
        try:
            return self._by_parent[parent]
        except KeyError:
            return self._begin(parent)

    def _begin(self, parent: str) -> Hop | None:
        tracing = self._tracing
        context = tracing.child_of_sound(parent) if tracing.on and well_formed(parent) else ""
        hop = self._by_parent[parent] = Hop(context, parent) if is_sampled(context) else None
        return hop

    def count(self, parents: Iterable[str]) -> None:
        """Counts records by the contexts that they come from; "" is none."""
        for parent, number in Counter(parents).items():
            if (hop := self.of(parent)) is not None:
                hop.count += number

    def _record(self, end: int, error: str) -> None:
        hops = [hop for hop in self._by_parent.values() if hop is not None and hop.count]
        self.links = [hop.context for hop in hops[:MAX_LINKS]]
        super()._record(end, error)
        link = (self.context,) if is_sampled(self.context) else ()
        shape, start, each, sink = self._each_shape, self._start, self.each, self._tracing.sink
        for hop in hops:
            assert sink is not None  # or it had begun no hop
            sink.put(
                Span(shape, hop.context, hop.parent, start, end, {**each, FACTS: hop.count}, link, error)
            )
