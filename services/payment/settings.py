"""Settings of payment, from variables with the prefix `PAYMENT_`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from shared.runtime.settings import ServiceSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(ServiceSettings):
    """Besides what every service needs.

    Attributes:
        bank_folder: where bank files are left for the bank, mode 0700.
    """

    bank_folder: Path
