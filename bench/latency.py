"""Latency under an open loop: submission → receipt, fact → ledger, fact → read model.

Submission → receipt is measured by the load, see `bench.open_loop`. Fact → read model is measured from outside, the
services know nothing of it: one connection reads the cursors of the read models every few milliseconds, and a fact
counts as visible at the answer to the first look at which the slowest read model has folded it. It counts from the
fact's own `time`, which is the real clock when its batch was decided, before it was written. So the pause between
two looks, and the look itself, are counted in; nothing is taken off.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import accumulate
from typing import Any, NamedTuple, Self

import psycopg
from psycopg import sql

from bench.courses import FACTS_OF_A_SHEET, FACTS_OF_AN_ENROLMENT, SESSIONS, TRAINEES
from bench.figures import points
from bench.loader import NAME as LOAD
from bench.opening import Opening
from bench.processes import spent
from bench.throughput import Bench
from bench.watch import STALL_SECONDS, NotFinished, Stores
from shared.contracts.fact import recorded_at
from zeren.stack.days import wait_drained
from zeren.stack.local import Servers

NAME = "latency"
SERVICE, LEDGER = "enrolment", "audit"
EVERY_SECONDS = 0.005
CHUNK = 5_000
ENROL_IN_FLIGHT = 4_000


class Table(NamedTuple):
    """Where facts lie in an order; names of its columns."""

    name: str
    place: str
    content: str


EVENTS, ENTRIES = Table("events", "notification_id", "state"), Table("entries", "index", "entry")


class Seen(NamedTuple):
    """One look at how far the stores are.

    Attributes:
        at: Unix seconds, when it was answered.
        own: position up to which every read model of enrolment has folded.
        ledgered: entries of the ledger.
        audited: entries that every read model of audit has folded.
    """

    at: float
    own: int
    ledgered: int
    audited: int


class Observer:
    """Looks in a thread of its own for as long as the body runs."""

    def __init__(self, servers: Servers) -> None:
        self.seen: list[Seen] = []
        self._own = servers.postgres.connect(SERVICE)
        self._ledger = servers.postgres.connect(LEDGER)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="observer", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()
        self._own.close()
        self._ledger.close()

    def _run(self) -> None:
        while not self._over.wait(EVERY_SECONDS):
            self.seen.append(self._look())

    def _look(self) -> Seen:
        own = _cursor(self._own, SERVICE)
        row = self._ledger.execute("SELECT size FROM head", prepare=True).fetchone()
        audited = _cursor(self._ledger, LEDGER)
        return Seen(time.time(), own, int(row[0]) if row else 0, audited)


def _cursor(connection: psycopg.Connection, service: str) -> int:
    query = "SELECT min(position) FROM positions WHERE consumer LIKE %s"
    row = connection.execute(query, (f"{service}.projections.%",), prepare=True).fetchone()
    return int(row[0] or 0) if row else 0


def visible_ms(
    recorded: Sequence[tuple[int, float]], looks: Sequence[tuple[float, int]]
) -> tuple[list[float], int]:
    """How long after it was recorded each fact was first seen behind a cursor, in milliseconds.

    Args:
        recorded: (position, Unix seconds) of each fact.
        looks: (Unix seconds, cursor) in the order of looking.

    Returns:
        The latencies of those that were seen, and how many were not.
    """
    reached = list(accumulate((cursor for _, cursor in looks), max))
    found = [
        (looks[place][0] - at) * 1_000
        for position, at in recorded
        if (place := bisect_left(reached, position)) < len(looks)
    ]
    return found, len(recorded) - len(found)


@dataclass(slots=True, kw_only=True)
class Latency:
    """What came of it; milliseconds.

    Attributes:
        rate: sheets a second that were due.
        receipt: submission due → receipt read by its institution.
        projected: fact recorded → visible in enrolment's read models, which fold their own facts.
        ledgered: fact recorded → entry of the ledger.
        audited: fact recorded → visible in audit's read models, behind Kafka and the ledger.
        send_late: sheet due → handed to its producer: how well the load kept its clock; counted in all of `receipt`.
        cores: by process, CPU seconds a second; `whole` without the load.
    """

    rate: float
    sheets: int
    facts: int
    seconds: float
    receipt: dict[str, float]
    projected: dict[str, float]
    ledgered: dict[str, float]
    audited: dict[str, float]
    send_late: dict[str, float]
    cores: dict[str, float]
    look_ms: float
    wrong: list[str] = field(default_factory=list)

    def told(self) -> dict[str, Any]:
        """For the report."""
        return asdict(self)


def run_latency(bench: Bench, opening: Opening, *, rate: float, seconds: float) -> Latency:
    """Enrols as many classes as are needed, then sends their sheets by the clock. Raises: NotFinished, StackError."""
    sheets = max(int(rate * seconds), 1)
    classes = -(-sheets // SESSIONS)
    opening.prepare({NAME: classes})
    enrolled = bench.loader.enrol(NAME, in_flight=ENROL_IN_FLIGHT)
    wait_drained(bench.local)
    with Stores.of(bench.servers) as stores:
        before = stores.sample()
        facts = sheets * FACTS_OF_A_SHEET
        with Observer(bench.servers) as observer:
            looked = bench.look(stores.administration)
            walked = bench.loader.open_loop(NAME, rate=rate, sheets=sheets)
            used = spent(looked, bench.look(stores.administration))
            elapsed = max(walked["seconds"], sheets / rate)
            # Every receipt has come, so every fact is written: positions may have gaps, ledger entries have none.
            _until_folded(observer, stores.sample().heads[SERVICE], before.ledgered + facts)
        cores = {**used.processes, "postgres": used.postgres}
        found = Latency(
            rate=rate,
            sheets=sheets,
            facts=facts,
            seconds=round(elapsed, 3),
            receipt=points(walked["receipt_ms"]),
            projected={},
            ledgered={},
            audited={},
            send_late=points(walked["late_ms"]),
            cores={name: round(spent / elapsed, 3) for name, spent in cores.items()},
            look_ms=_look_ms(observer.seen),
        )
        found.cores["whole"] = round(sum(cores[name] for name in cores if name != LOAD) / elapsed, 3)
        _add_visible(found, stores, before.heads[SERVICE], before.ledgered, observer.seen)
    bench.loader.forget(NAME)
    found.wrong += _wrong(found, walked, enrolled, classes)
    return found


def _until_folded(observer: Observer, own: int, ledgered: int) -> None:
    """Raises: NotFinished."""
    until = time.monotonic() + STALL_SECONDS
    while not observer.seen or observer.seen[-1].own < own or observer.seen[-1].audited < ledgered:
        if time.monotonic() > until:
            raise NotFinished(
                f"{STALL_SECONDS:g} 秒内读模型未跟上 / the read models did not catch up: {observer.seen[-1:]}"
            )
        time.sleep(EVERY_SECONDS)


def _look_ms(seen: Sequence[Seen]) -> float:
    """The mean pause between two looks."""
    return round((seen[-1].at - seen[0].at) * 1_000 / max(len(seen) - 1, 1), 2)


def _add_visible(found: Latency, stores: Stores, head: int, ledgered: int, seen: Sequence[Seen]) -> None:
    own = list(_recorded(stores.connection(SERVICE), EVENTS, head))
    entries = [
        (at + 1, recorded) for at, recorded in _recorded(stores.connection(LEDGER), ENTRIES, ledgered - 1)
    ]
    looks = {
        "projected": (own, [(look.at, look.own) for look in seen]),
        "ledgered": (entries, [(look.at, look.ledgered) for look in seen]),
        "audited": (entries, [(look.at, look.audited) for look in seen]),
    }
    for name, (recorded, looked) in looks.items():
        values, never = visible_ms(recorded, looked)
        setattr(found, name, points(values))
        if never or len(recorded) != found.facts:
            found.wrong.append(f"{name}: {len(recorded)} of {found.facts} facts, {never} never seen")


def _recorded(connection: psycopg.Connection, table: Table, after: int) -> Iterator[tuple[int, float]]:
    """(place, Unix seconds of its recording) of each fact behind a place, read piece by piece."""
    names = {
        "table": sql.Identifier(table.name),
        "place": sql.Identifier(table.place),
        "content": sql.Identifier(table.content),
    }
    row = connection.execute(sql.SQL("SELECT max({place}) FROM {table}").format(**names)).fetchone()
    end = int(row[0] or 0) if row else 0
    query = sql.SQL("SELECT {place}, {content} FROM {table} WHERE {place} > %s AND {place} <= %s").format(
        **names
    )
    for start in range(after, end, CHUNK):
        for at, state in connection.execute(query, (start, start + CHUNK)):
            recorded = recorded_at(state)
            if recorded is not None:
                yield int(at), recorded.timestamp()


def _wrong(
    found: Latency, walked: Mapping[str, Any], enrolled: Mapping[str, Any], classes: int
) -> Iterator[str]:
    if enrolled["facts"] != classes * TRAINEES * FACTS_OF_AN_ENROLMENT:
        yield f"enrolled: {enrolled['facts']} facts, codes {enrolled['codes']}"
    for name in ("refused", "unanswered", "twice"):
        if walked[name]:
            yield f"open loop: {walked[name]} {name}"
    if len(walked["receipt_ms"]) != found.sheets:
        yield f"open loop: {len(walked['receipt_ms'])} receipts of {found.sheets}"
