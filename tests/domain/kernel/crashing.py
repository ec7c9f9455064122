"""A store in memory that fails when told to, as a database does."""

from __future__ import annotations

from typing import Literal

from shared.eventstore.changes import Changes, Committed
from shared.eventstore.memory import MemoryStore
from shared.eventstore.store import Unavailable

Moment = Literal["before", "after"]
"""Before anything is written; or after all is, so that it stands and nobody was told."""


class CrashingStore(MemoryStore):
    """Fails once after `crash`, at its next commit.

    Attributes:
        crashes: how often it did.
    """

    def __init__(self) -> None:
        super().__init__()
        self._moment: Moment | None = None
        self.crashes = 0

    def crash(self, moment: Moment) -> None:
        """Arms the next commit."""
        self._moment = moment

    def commit(self, changes: Changes) -> Committed:
        """See `Store`. Raises: Unavailable."""
        moment, self._moment = self._moment, None
        self.crashes += moment is not None
        if moment == "before":
            raise Unavailable("the database went away")
        committed = super().commit(changes)
        if moment == "after":
            raise Unavailable("the answer was lost")
        return committed
