"""States of recent streams, as many as a bound of memory holds."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from operator import attrgetter
from sys import getsizeof
from types import MappingProxyType
from typing import Any

KEPT_BYTES = 12 << 20
"""What the states may take together, by `weight`, unless a service says otherwise; the least recent goes first."""
_PLACE, _EACH = 360, 120
_MANY = (frozenset, tuple, list, dict, MappingProxyType)

Versioned = tuple[int, Any]
"""A stream's version and its state."""


def weight(state: Any) -> int:
    """About how many bytes of memory a state takes with its place in the cache.

    Its fields are counted, and theirs; of what it holds many of, one is taken for as large as the next.
    """
    return _PLACE + _size(state)


def _size(held: Any) -> int:
    if not held:
        return 0  # one object for all that hold it
    if isinstance(held, str):
        return getsizeof(held)
    if isinstance(held, _MANY):
        return getsizeof(held) + _EACH * len(held)
    kind: Any = type(held)
    return getsizeof(held) + sum([_size(value) for value in _values(kind)(held)])


@cache
def _values(kind: type) -> Callable[[Any], Sequence[Any]]:
    """What answers the values of a record's fields, none of what is no record: asked for with each fact."""
    fields = getattr(kind, "__struct_fields__", ()) or tuple(getattr(kind, "__dataclass_fields__", ()))
    if len(fields) > 1:
        return attrgetter(*fields)
    return lambda held: [getattr(held, name) for name in fields]


class StreamCache:
    """Current up to the position `seen`. Fill it only after a commit, and evict what others wrote."""

    def __init__(self, most: int = KEPT_BYTES) -> None:
        """Keeps states of `most` bytes by `weight`."""
        self._most = most
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
        while self.bytes > self._most:
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
