"""What a metric is. Names follow Prometheus: `zeren_`, base units, `_total` for what only grows.

Labels hold a few values each and never an id: no institution, no person, no key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]

SERVICE = "service"
"""The first label of every metric."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric.

    Attributes:
        name: as it is exposed, for ever; a histogram's without `_bucket`, `_sum`, `_count`.
        unit: of its values.
        zh, en: what it tells.
        do_zh, do_en: what to do when it is high.
        labels: besides `service`.
        buckets: upper bounds of a histogram.
    """

    name: str
    kind: Kind
    unit: str
    zh: str
    en: str
    do_zh: str
    do_en: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def help(self) -> str:
        """Its help text."""
        return f"{self.zh} / {self.en}"
