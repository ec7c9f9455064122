"""Every metric that a service tells of at `/metrics`. `docs/metrics.md` is made from this table."""

from __future__ import annotations

from shared.telemetry.counted import COUNTED
from shared.telemetry.metric import Metric
from shared.telemetry.seen import SEEN

METRICS: tuple[Metric, ...] = (*COUNTED, *SEEN)
"""In the order in which they are shown."""
