"""A service's metrics as they were scraped, and what can be asked of them."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping

from prometheus_client.parser import text_string_to_metric_families

from shared.telemetry.metric import SERVICE, Metric

Labels = Mapping[str, str]


class Scrape:
    """One answer of `/metrics`.

    Attributes:
        at: when it was asked for, on the monotonic clock.
    """

    def __init__(self, text: str, at: float | None = None) -> None:
        """Parses Prometheus' text format. Raises: ValueError: it is none."""
        self.at = time.monotonic() if at is None else at
        self._rows: dict[str, list[tuple[Labels, float]]] = defaultdict(list)
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels = {name: value for name, value in sample.labels.items() if name != SERVICE}
                self._rows[sample.name].append((labels, sample.value))

    def rows(self, metric: Metric, suffix: str = "", **labels: str) -> Iterator[tuple[Labels, float]]:
        """The values of a metric under these labels, each with all of its labels."""
        for found, value in self._rows.get(metric.name + suffix, ()):
            if labels.items() <= found.items():
                yield found, value

    def total(self, metric: Metric, **labels: str) -> float | None:
        """The sum of these values; None where there is none."""
        values = [value for _, value in self.rows(metric, **labels)]
        return sum(values) if values else None

    def most(self, metric: Metric, **labels: str) -> float | None:
        """The greatest of these values; None where there is none."""
        return max((value for _, value in self.rows(metric, **labels)), default=None)

    def by(self, metric: Metric, label: str) -> dict[str, float]:
        """The values by one label, added up over the others."""
        found: dict[str, float] = defaultdict(float)
        for labels, value in self.rows(metric):
            found[labels[label]] += value
        return dict(found)

    def per_second(self, metric: Metric, before: Scrape | None) -> float | None:
        """How fast a counter grew since a scrape; None without one, or where the process has begun anew meanwhile."""
        now, then = self.total(metric), before.total(metric) if before is not None else None
        if before is None or now is None or then is None or now < then or self.at <= before.at:
            return None
        return (now - then) / (self.at - before.at)

    def quantile(
        self, metric: Metric, share: float, before: Scrape | None = None, **labels: str
    ) -> float | None:
        """A quantile of a histogram, evenly spread within its bucket; None where it counted nothing.

        Of what came since `before` where anything did, else of all since the process started.
        """
        buckets = self.buckets(metric, labels)
        if before is not None:
            earlier = before.buckets(metric, labels)
            since = {bound: count - earlier.get(bound, 0.0) for bound, count in buckets.items()}
            if since and min(since.values()) >= 0 and max(since.values()) > 0:
                buckets = since
        return _quantile(buckets, share)

    def buckets(self, metric: Metric, labels: Mapping[str, str]) -> dict[float, float]:
        """Cumulative counts by upper bound."""
        found: dict[float, float] = defaultdict(float)
        for row, count in self.rows(metric, "_bucket", **labels):
            found[float(row["le"])] += count
        return dict(found)


def _quantile(buckets: Mapping[float, float], share: float) -> float | None:
    whole = max(buckets.values(), default=0.0)
    if not whole:
        return None
    low = below = 0.0
    for bound, count in sorted(buckets.items()):
        if count >= share * whole:
            # Above the last finite bound nothing more is known.
            within = (share * whole - below) / (count - below) if count > below else 1.0
            return low if bound == float("inf") else low + (bound - low) * within
        low, below = bound, count
    return low
