"""Where the processes of a stack send their spans: to the collector that the environment names, else to audit."""

from __future__ import annotations

import os
from collections.abc import Mapping

from shared.telemetry.collector import ENDPOINTS, Collector
from zeren.stack.state import HOST, StateFolder

TOKEN = "audit/traces"  # noqa: S105 - the name of a secret
PREFIX = "OTEL_"
INSTITUTION = "institution"
"""`service.name` of an institution's side."""


def trace_token(state: StateFolder) -> str:
    """What audit's receiver asks for."""
    return state.secret(TOKEN)


def trace_environment(state: StateFolder) -> Mapping[str, str]:
    """What a process needs to export its spans: our OTEL_ variables, and audit where they name no collector."""
    ours = {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}
    if any(ours.get(name) for name in ENDPOINTS):
        return ours
    local = _collector(state, state.port("audit"))
    headers = ",".join(f"{name}={value.replace(' ', '%20')}" for name, value in local.headers.items())
    return {
        **ours,
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": local.endpoint,
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS": headers,
    }


def local_collector(state: StateFolder) -> Collector | None:
    """Audit of a stack that was started, for commands beside it; None where there is none."""
    port = state.configured_port("audit") or state.known_port("audit")
    known = state.known_secret(TOKEN)
    return None if port is None or known is None else _collector(state, port)


def _collector(state: StateFolder, port: int) -> Collector:
    return Collector(f"http://{HOST}:{port}/v1/traces", {"authorization": f"Bearer {trace_token(state)}"})
