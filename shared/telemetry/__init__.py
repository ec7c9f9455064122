"""Telemetry: trace context as it stands in facts and headers, and logs with ids."""
