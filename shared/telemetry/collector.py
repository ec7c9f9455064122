"""Where spans go. Apart from the exporter, so that whoever only names a collector does not load the SDK."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
"""The variables by which the environment names a collector."""


class Collector(NamedTuple):
    """An OTLP/HTTP endpoint for spans, with the headers that it asks for."""

    endpoint: str
    headers: Mapping[str, str]
