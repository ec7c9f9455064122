"""Settings of certification, from variables with the prefix `CERTIFICATION_`."""

from __future__ import annotations

from dataclasses import dataclass

from shared.runtime.settings import ServiceSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(ServiceSettings):
    """Nothing beyond what every service needs."""
