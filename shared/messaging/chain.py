"""The position chain: duplicates dropped, gaps held, nothing skipped.

Every record of a facts topic names its position in its source's event table and the position sent to the same
partition before it. So a reader knows a duplicate from the next from a gap, whatever relays overlapped.
"""

from __future__ import annotations

import hashlib
from typing import Generic, NamedTuple, TypeVar

from shared.eventstore.changes import Position
from shared.messaging.topics import FactHeaders

R = TypeVar("R")

MAX_HELD = 5_000
"""Records held while a missing link is looked for ahead."""


class ChainBroken(RuntimeError):
    """The partition must stop and alarm.

    Attributes:
        why: "other_digest": the position that was taken last came again with other bytes. "gap": the missing link
            is not ahead; read again from the stored offset, and if it isn't there either, stop.
    """

    def __init__(self, why: str, position: int) -> None:
        super().__init__(f"{why} at position {position}")
        self.why = why
        self.position = position


class Linked(NamedTuple, Generic[R]):
    """A record whose turn it is."""

    headers: FactHeaders
    offset: int
    value: bytes
    record: R

    @property
    def digest(self) -> bytes:
        """SHA-256 of the value. Only a batch's last one is stored: it is not reckoned for the others."""
        return hashlib.sha256(self.value).digest()


class Chain(Generic[R]):
    """One source on one partition, for one consumer.

    Attributes:
        stored: what the database holds; the next compare-and-set expects it.
        at: the position of the last link taken, decided or not yet; 0 before the first.
        held: links whose turn has not come, by the position before them.
    """

    __slots__ = ("_last", "_newest", "at", "held", "stored")

    def __init__(self, stored: Position | None) -> None:
        self.stored = stored
        self.at = stored.position if stored else 0
        self.held: dict[int, Linked[R]] = {}
        self._last = stored
        self._newest: tuple[Linked[R], int] | None = None

    @property
    def last(self) -> Position | None:
        """The last link taken."""
        if self._newest is not None:
            newest, offset = self._newest
            self._last, self._newest = Position(newest.headers.position, newest.digest, offset), None
        return self._last

    def offer(self, headers: FactHeaders, offset: int, value: bytes, record: R) -> list[Linked[R]]:
        """The records whose turn has come with this one: none for a duplicate or a gap, more when it fills one.

        Raises: ChainBroken.
        """
        link, at = Linked(headers, offset, value, record), self.at
        if headers.previous == at < headers.position:
            return self._take(link)
        if headers.position == at and self.last is not None and link.digest != self.last.digest:
            raise ChainBroken("other_digest", headers.position)
        if headers.position > at:
            self._hold(link)
        return []

    def _hold(self, link: Linked[R]) -> None:
        if len(self.held) >= MAX_HELD:
            raise ChainBroken("gap", link.headers.position)
        self.held[link.headers.previous] = link

    def _take(self, link: Linked[R]) -> list[Linked[R]]:
        taken, offset = [link], link.offset
        if self.held:
            while (following := self.held.pop(taken[-1].headers.position, None)) is not None:
                taken.append(following)
            offset = max(item.offset for item in taken)
        self.at = taken[-1].headers.position
        self._newest = taken[-1], offset
        if self.held:
            self.held = {prev: item for prev, item in self.held.items() if item.headers.position > self.at}
        return taken

    def settle(self, stored: Position) -> None:
        """The database holds this now."""
        self.stored = stored
        if stored.position == self.at:
            self._last, self._newest = stored, None

    def rewind(self, stored: Position | None) -> None:
        """Back to what the database says: the batch was not written, or another worker wrote."""
        self.stored = self._last = stored
        self._newest = None
        self.at = stored.position if stored else 0
        self.held.clear()
