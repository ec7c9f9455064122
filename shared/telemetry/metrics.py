"""What a process has counted, and what was seen when it was last looked at: in one registry of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from shared.telemetry.counted import COUNTED, OUTCOMES, RECEIPTS
from shared.telemetry.metric import SERVICE, Metric
from shared.telemetry.seen import SEEN

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Of `Metrics.text`: Prometheus' text format."""


class Seen(NamedTuple):
    """One value that was looked at; `labels` are those of its metric, in order, without the service."""

    metric: Metric
    value: float
    labels: tuple[str, ...] = ()


class Metrics:
    """What one process tells of. The library's global registry is not used. Threads may call it.

    Attributes:
        registry: holds everything that is told.
        seen: what the last look saw; whoever looks replaces it whole.
    """

    def __init__(self, service: str) -> None:
        self.registry = CollectorRegistry()
        self.seen: Sequence[Seen] = ()
        self._service = service
        self._counters = {each.name: self._counter(each) for each in COUNTED if each.kind == "counter"}
        self._histograms = {each.name: self._histogram(each) for each in COUNTED if each.kind == "histogram"}
        self.registry.register(_LookedAt(self))
        self._begin()

    def _counter(self, metric: Metric) -> Counter:
        return Counter(metric.name, metric.help, (SERVICE, *metric.labels), registry=self.registry)

    def _histogram(self, metric: Metric) -> Histogram:
        labels = (SERVICE, *metric.labels)
        return Histogram(metric.name, metric.help, labels, registry=self.registry, buckets=metric.buckets)

    def _begin(self) -> None:
        for metric in COUNTED:
            if not metric.labels:
                self.expect(metric)
        for outcome in OUTCOMES:
            self.expect(RECEIPTS, outcome)

    def expect(self, metric: Metric, *labels: str) -> None:
        """Shows a counter or histogram from now on, also before it first moves: a rate needs its start."""
        (self._counters.get(metric.name) or self._histograms[metric.name]).labels(self._service, *labels)

    def add(self, metric: Metric, amount: float, *labels: str) -> None:
        """Moves a counter. Call it once a batch, never once a fact."""
        self._counters[metric.name].labels(self._service, *labels).inc(amount)

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        """Adds a value to a histogram. Call it once a batch, never once a fact."""
        self._histograms[metric.name].labels(self._service, *labels).observe(value)

    def families(self) -> Iterator[Family]:
        """What was seen last, by metric."""
        for metric in SEEN:
            rows = [row for row in self.seen if row.metric is metric]
            kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
            family = kind(metric.name, metric.help, labels=(SERVICE, *metric.labels))
            for row in rows:
                family.add_metric((self._service, *row.labels), row.value)
            if rows:
                yield family

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(_WithoutCreation(self.registry))


class _LookedAt(Collector):
    """What was seen, as the registry asks for it."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Family]:
        return self._metrics.families()


class _WithoutCreation(Collector):
    """Leaves out the time of creation that the library adds to each counter and histogram: series for no question."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterable[Family]:
        for family in self._registry.collect():
            family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
            yield family
