"""Figures from samples: rates, windows, percentiles. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

from bench.watch import Sample

POINTS = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99.9": 99.9, "max": 100.0}


def percentile(values: Sequence[float], per_cent: float) -> float:
    """The smallest value that at least so many per cent of all are not above (nearest rank). Raises: ValueError."""
    if not values:
        raise ValueError("没有数值 / no values")
    ordered = sorted(values)
    return ordered[max(math.ceil(len(ordered) * per_cent / 100), 1) - 1]


def points(values: Sequence[float]) -> dict[str, float]:
    """The percentiles of the report, in the values' unit; empty without any."""
    return {name: round(percentile(values, share), 2) for name, share in POINTS.items()} if values else {}


def curve(samples: Sequence[Sample], began: float, ledgered_before: int) -> list[tuple[float, int]]:
    """(seconds since the start, facts ledgered since then), of samples in order; at least the start."""
    rows = [
        (sample.at - began, sample.ledgered - ledgered_before) for sample in samples if sample.at >= began
    ]
    return [(0.0, 0), *rows]


def seconds_at(points: Sequence[tuple[float, int]], facts: float) -> float:
    """When so many facts were ledgered, between two samples by a straight line. Raises: ValueError: never."""
    for (earlier, before), (later, after) in pairwise(points):
        if after >= facts:
            share = 0.0 if after == before else (facts - before) / (after - before)
            return earlier + (later - earlier) * max(share, 0.0)
    raise ValueError(f"不足 {facts:g} 个事实 / never {facts:g} facts")


def rate_between(points: Sequence[tuple[float, int]], start: float, end: float) -> float:
    """Facts a second from one share (0 to 1) of the run's facts to another."""
    whole = points[-1][1]
    return rate_of(points, whole * start, whole * end)


def rate_of(points: Sequence[tuple[float, int]], first: float, last: float) -> float:
    """Facts a second from one number of facts to another. Raises: ValueError: the run had not so many."""
    seconds = seconds_at(points, last) - seconds_at(points, first)
    return (last - first) / seconds if seconds > 0 else math.inf


def per_100k(seconds: Mapping[str, float], facts: int) -> dict[str, float]:
    """CPU seconds per 100,000 facts, by name."""
    return {name: round(spent * 100_000 / facts, 3) for name, spent in seconds.items()}
