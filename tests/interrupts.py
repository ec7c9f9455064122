"""Ctrl-C for programs that a test starts."""

from __future__ import annotations

import signal


def hear_interrupts() -> None:
    """A shell starts what runs in its background deaf to Ctrl-C, and whoever is started from there inherits that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
