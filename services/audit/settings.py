"""Settings of audit, from variables with the prefix `AUDIT_`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from shared.runtime.settings import ServiceSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(ServiceSettings):
    """Besides what every service needs.

    Attributes:
        ledger_key_file: the log's signing key, mode 0600; made at the first start.
        log_name: the log's name: origin of its checkpoints, name of its key.
    """

    ledger_key_file: Path
    log_name: str
