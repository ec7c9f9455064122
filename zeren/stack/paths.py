"""Where the stack finds its committed data, its downloads and its state folders."""

from __future__ import annotations

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
DEPLOY_LOCAL = CHECKOUT / "deploy" / "local"


def cache_folder() -> Path:
    """The downloads shared by all checkouts: $ZEREN_CACHE, else zeren/ in the user's cache folder."""
    configured = os.environ.get("ZEREN_CACHE")
    if configured:
        return Path(configured).expanduser().absolute()
    user_cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(user_cache).expanduser().absolute() / "zeren"


def state_root() -> Path:
    """The folder of all state folders: $ZEREN_STATE_ROOT, else .local/ of this checkout."""
    configured = os.environ.get("ZEREN_STATE_ROOT")
    return Path(configured).expanduser().absolute() if configured else CHECKOUT / ".local"
