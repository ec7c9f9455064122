"""The ledger's entries as they are served, taken out of their bundles without the code under test."""

from __future__ import annotations

import httpx

READ_SECONDS = 60.0
BUNDLE = 256


def bundled(log: str) -> list[bytes]:
    """Every entry that the log serves, taken out of its bundles (c2sp.org/tlog-tiles): length, bytes, again."""
    with httpx.Client(trust_env=False, timeout=READ_SECONDS) as http:
        size = int(http.get(f"{log}/checkpoint").text.split("\n")[1])
        entries: list[bytes] = []
        for number in range(-(-size // BUNDLE)):
            width = min(BUNDLE, size - number * BUNDLE)
            partial = "" if width == BUNDLE else f".p/{width}"
            assert number < 1_000, "longer paths begin with x"
            answer = http.get(f"{log}/tile/entries/{number:03d}{partial}")
            assert answer.status_code == 200
            entries += _unbundled(answer.content)
    assert len(entries) == size
    return entries


def _unbundled(bundle: bytes) -> list[bytes]:
    entries, at = [], 0
    while at < len(bundle):
        length = int.from_bytes(bundle[at : at + 2], "big")
        entries.append(bundle[at + 2 : at + 2 + length])
        at += 2 + length
    return entries
