"""How far every store is, sampled while the load runs: a look costs the servers a few index look-ups."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Self

import psycopg

from zeren.stack.local import SERVICES, Servers

EVERY_SECONDS = 0.5
LAST_SECONDS = 0.02
"""Between looks when only the end is waited for."""
STALL_SECONDS = 120.0


class Sample(NamedTuple):
    """One look.

    Attributes:
        at: monotonic seconds.
        heads: by service, the last position of its event table.
        ledgered: entries of the ledger.
        projected: by service, how far its slowest read model is: positions, of audit's ledger entries.
    """

    at: float
    heads: Mapping[str, int]
    ledgered: int
    projected: Mapping[str, int]


class NotFinished(Exception):
    """The stores stopped moving before everything was ledgered and projected."""


@dataclass(slots=True)
class Stores:
    """A connection to each service's database."""

    _connections: dict[str, psycopg.Connection]

    @classmethod
    def of(cls, servers: Servers) -> Self:
        """As the administrator, who may read every database."""
        return cls({service: servers.postgres.connect(service) for service in SERVICES})

    def close(self) -> None:
        """Lets the connections go."""
        for connection in self._connections.values():
            connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    @property
    def administration(self) -> psycopg.Connection:
        """A connection to look at the server as a whole with."""
        return self._connections["audit"]

    def connection(self, service: str) -> psycopg.Connection:
        """The one to a service's database."""
        return self._connections[service]

    def sample(self) -> Sample:
        """One look at all of them."""
        heads, projected = {}, {}
        at = time.monotonic()
        for service, connection in self._connections.items():
            row = connection.execute(
                """SELECT (SELECT coalesce(max(notification_id), 0) FROM events),
                          (SELECT min(position) FROM positions WHERE consumer LIKE %s)""",
                (f"{service}.projections.%",),
            ).fetchone()
            assert row is not None
            heads[service], projected[service] = int(row[0]), int(row[1] or 0)
        return Sample(at, heads, self._ledgered(), projected)

    def _ledgered(self) -> int:
        row = self._connections["audit"].execute("SELECT size FROM head").fetchone()
        return int(row[0]) if row else 0

    def facts(self) -> int:
        """How many facts all event tables hold, counted one by one: positions may have gaps."""
        counted = 0
        for connection in self._connections.values():
            row = connection.execute("SELECT count(*) FROM events").fetchone()
            counted += int(row[0]) if row else 0
        return counted

    def parked(self) -> int:
        """How many submissions were ever parked in these stores."""
        query = "SELECT coalesce(sum(last_value), 0) FROM pg_sequences WHERE sequencename = 'parked_seq_seq'"
        rows = [connection.execute(query).fetchone() for connection in self._connections.values()]
        return sum(int(row[0]) for row in rows if row)

    def bytes_since(self, heads: Mapping[str, int]) -> int:
        """Bytes of all facts above these positions."""
        found = 0
        for service, connection in self._connections.items():
            query = "SELECT coalesce(sum(length(state)), 0) FROM events WHERE notification_id > %s"
            row = connection.execute(query, (heads[service],)).fetchone()
            found += int(row[0]) if row else 0
        return found


def is_done(sample: Sample, facts: int) -> bool:
    """Whether that many facts are ledgered, and every read model has folded all there is."""
    behind = [
        service
        for service in SERVICES
        if sample.projected[service] < (sample.ledgered if service == "audit" else sample.heads[service])
    ]
    return sample.ledgered >= facts and not behind


class Watch:
    """Samples in a thread of its own, from its start until `until_done`."""

    def __init__(self, stores: Stores, tell: Callable[[Sample], None] = lambda _sample: None) -> None:
        self.samples: list[Sample] = []
        self._stores = stores
        self._tell = tell
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop()

    def _run(self) -> None:
        while not self._over.wait(EVERY_SECONDS):
            self.samples.append(self._stores.sample())
            self._tell(self.samples[-1])

    def _stop(self) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def until_done(self, facts: int) -> Sample:
        """The first look at which so many facts stand in the ledger and all is projected. Raises: NotFinished."""
        self._stop()
        moved, last = time.monotonic(), None
        while True:
            sample = self._stores.sample()
            if is_done(sample, facts):
                self.samples.append(sample)
                return sample
            if last is None or sample[1:] != last[1:]:
                moved, last = sample.at, sample
            if sample.at - moved > STALL_SECONDS:
                raise NotFinished(
                    f"{STALL_SECONDS:g} 秒无进展 / no progress: ledgered {sample.ledgered} of {facts}, "
                    f"projected {dict(sample.projected)} of {dict(sample.heads)}"
                )
            time.sleep(LAST_SECONDS)
