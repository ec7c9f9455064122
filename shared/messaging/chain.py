"""The position chain: duplicates dropped, gaps held, nothing skipped.

Every record of a facts topic names its position in its source's event table and the position sent to the same
partition before it. So a reader knows a duplicate from the next from a gap, whatever relays overlapped.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Generic, TypeVar

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


@dataclass(frozen=True, slots=True)
class Linked(Generic[R]):
    """A record whose turn it is."""

    headers: FactHeaders
    offset: int
    digest: bytes
    record: R


@dataclass(slots=True)
class Chain(Generic[R]):
    """One source on one partition, for one consumer.

    Attributes:
        stored: what the database holds; the next compare-and-set expects it.
        last: the last link taken, decided or not yet.
    """

    stored: Position | None
    last: Position | None = None
    held: dict[int, Linked[R]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.last = self.stored

    def offer(self, headers: FactHeaders, offset: int, value: bytes, record: R) -> list[Linked[R]]:
        """The records whose turn has come with this one: none for a duplicate or a gap, more when it fills one.

        Raises: ChainBroken.
        """
        link = Linked(headers, offset, hashlib.sha256(value).digest(), record)
        at = self.last.position if self.last else 0
        if headers.position == at and self.last is not None and link.digest != self.last.digest:
            raise ChainBroken("other_digest", headers.position)
        if headers.position <= at:
            return []
        if headers.previous != at:
            self._hold(link)
            return []
        return self._take(link)

    def _hold(self, link: Linked[R]) -> None:
        if len(self.held) >= MAX_HELD:
            raise ChainBroken("gap", link.headers.position)
        self.held[link.headers.previous] = link

    def _take(self, link: Linked[R]) -> list[Linked[R]]:
        taken = [link]
        while (following := self.held.pop(taken[-1].headers.position, None)) is not None:
            taken.append(following)
        newest = taken[-1]
        offset = max(item.offset for item in taken)
        self.last = Position(newest.headers.position, newest.digest, offset)
        self.held = {
            prev: item for prev, item in self.held.items() if item.headers.position > newest.headers.position
        }
        return taken

    def rewind(self, stored: Position | None) -> None:
        """Back to what the database says: the batch was not written, or another worker wrote."""
        self.stored = self.last = stored
        self.held.clear()
