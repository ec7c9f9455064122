"""What `zeren doctor` finds: one check, what was found, what to do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check: whether all is well, what was found, and, where it isn't, what to do.

    Each text is Chinese first, then English, in one line; `advice` is empty where all is well.
    """

    check: str
    ok: bool
    found: str
    advice: str = ""
