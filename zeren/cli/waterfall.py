"""Spans of a trace as a waterfall: a tree of lines, each with its bar on the trace's own time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

Span = Mapping[str, Any]

BAR = 32
"""Characters that a whole trace is wide."""
FULL, THIN = "█", "▌"
SECOND, MINUTE, HOUR, DAY = 1_000_000_000, 60_000_000_000, 3_600_000_000_000, 86_400_000_000_000
TOLD = (("zeren.outcome", "{}"), ("zeren.facts", "{} 事实/facts"), ("http.response.status_code", "HTTP {}"))


class Line(NamedTuple):
    """One span as it is shown.

    Attributes:
        offset: since the trace began, for people.
        bar: as wide as `BAR`.
        error: what went wrong, or "".
    """

    service: str
    name: str
    offset: str
    duration: str
    bar: str
    more: str
    error: str


def waterfall(spans: Sequence[Span]) -> list[Line]:
    """The lines of one trace: children under their parents, by start."""
    if not spans:
        return []
    begin = min(span["start_ns"] for span in spans)
    extent = max(max(span["end_ns"] for span in spans) - begin, 1)
    return [_line(span, depth, begin, extent) for span, depth in _in_tree(spans)]


def _in_tree(spans: Sequence[Span]) -> Iterator[tuple[Span, int]]:
    """Depth first. A span whose parent isn't here is a root, and so is what would go round in a circle."""
    known = {span["span"] for span in spans}
    children: dict[str, list[Span]] = defaultdict(list)
    for span in sorted(spans, key=lambda span: (span["start_ns"], span["end_ns"])):
        children[span["parent"] if span["parent"] in known else ""].append(span)
    shown: set[str] = set()

    def below(parent: str) -> Iterator[tuple[Span, int]]:
        waiting = [(child, 0) for child in reversed(children[parent])]
        while waiting:
            span, depth = waiting.pop()
            if span["span"] in shown:
                continue
            shown.add(span["span"])
            yield span, depth
            waiting += [(child, depth + 1) for child in reversed(children[span["span"]])]

    yield from below("")
    for span in spans:
        if span["span"] not in shown:
            shown.add(span["span"])
            yield span, 0


def _line(span: Span, depth: int, begin: int, extent: int) -> Line:
    start, end = span["start_ns"] - begin, span["end_ns"] - begin
    attributes = span["attributes"]
    return Line(
        service=span["service"],
        name=f"{'  ' * (depth - 1)}└ {span['name']}" if depth else span["name"],
        offset=duration(start),
        duration=duration(end - start),
        bar=bar(start / extent, end / extent),
        more=" · ".join(form.format(attributes[name]) for name, form in TOLD if name in attributes),
        error=span["error"],
    )


def bar(start: float, end: float) -> str:
    """A bar from start to end, each between 0 and 1; a span of no width still shows."""
    first = min(int(start * BAR), BAR - 1)
    last = max(round(end * BAR), first + 1)
    return " " * first + (FULL * (last - first) if last - first > 1 else THIN) + " " * (BAR - last)


def duration(nanoseconds: int) -> str:
    """For people: milliseconds, seconds, minutes, hours or days."""
    if nanoseconds < SECOND:
        return f"{nanoseconds / 1_000_000:.1f} ms"
    if nanoseconds < 2 * MINUTE:
        return f"{nanoseconds / SECOND:.1f} s"
    if nanoseconds < 2 * HOUR:
        return f"{nanoseconds / MINUTE:.0f} min"
    if nanoseconds < 2 * DAY:
        return f"{nanoseconds / HOUR:.1f} h"
    return f"{nanoseconds / DAY:.1f} d"
