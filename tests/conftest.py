"""Settings of the whole suite."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# Speed is a claim of bench/: no example fails because the machine was busy.
settings.register_profile("zeren", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("zeren")
