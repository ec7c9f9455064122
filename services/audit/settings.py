"""Settings of audit, from variables with the prefix `AUDIT_`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from shared.runtime.settings import ServiceSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(ServiceSettings):
    """Besides what every service needs.

    Attributes:
        ledger_key_file: the log's signing key, mode 0600; made at the first start.
        log_name: the log's name: origin of its checkpoints, name of its key.
        trace_token: what the processes of this stack name when they send spans; "": the span store takes none.
        trace_days: how long spans are kept.
    """

    ledger_key_file: Path
    log_name: str
    trace_token: str = field(default="", repr=False)
    trace_days: int = 7
