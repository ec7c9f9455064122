"""States of recent streams, as many as a bound of memory holds."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

MAX_BYTES = 48 << 20
"""What the states may take together, by `weight`; the least recent goes first."""
_FIXED, _EACH = 600, 120
_MANY = (frozenset, tuple, list, dict, MappingProxyType)

Versioned = tuple[int, Any]
"""A stream's version and its state."""


def weight(state: Any) -> int:
    """About how many bytes of memory a state takes with its place in the cache.

    What grows with a stream is what it holds many of; the rest is of one size, within reason.
    """
    fields = getattr(state, "__struct_fields__", ())
    return _FIXED + _EACH * sum(
        len(held) for name in fields if isinstance(held := getattr(state, name), _MANY)
    )


class StreamCache:
    """Current up to the position `seen`. Fill it only after a commit, and evict what others wrote."""

    def __init__(self) -> None:
        self.seen = 0
        self.bytes = 0
        self._states: OrderedDict[str, tuple[Versioned, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._states)

    def get(self, stream: str) -> Versioned | None:
        """What is known of a stream, which is then the most recent; None where nothing is."""
        found = self._states.get(stream)
        if found is None:
            return None
        self._states.move_to_end(stream)
        return found[0]

    def keep(self, states: Mapping[str, Versioned], seen: int) -> None:
        """Keeps the states that a transaction read or led to."""
        for stream, versioned in states.items():
            self._drop(stream)
            taken = weight(versioned[1])
            self._states[stream] = versioned, taken
            self.bytes += taken
        while self.bytes > MAX_BYTES:
            self._drop(next(iter(self._states)))
        self.seen = seen

    def evict(self, streams: Iterable[str], seen: int) -> None:
        """Forgets streams that another process wrote."""
        for stream in streams:
            self._drop(stream)
        self.seen = seen

    def clear(self) -> None:
        """Forgets everything: what is true is not known."""
        self._states.clear()
        self.seen = self.bytes = 0

    def _drop(self, stream: str) -> None:
        found = self._states.pop(stream, None)
        if found is not None:
            self.bytes -= found[1]
