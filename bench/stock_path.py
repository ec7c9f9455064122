"""Part (c): the same path built wholly of stock parts (`bench.stock`), on the same servers, by the same load."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from typing import Any

import psycopg
from psycopg import sql

from bench.courses import FACTS_OF_A_CLASS, TRAINEES, Stage
from bench.figures import per_100k
from bench.opening import FIRST_DAY
from bench.processes import memory_mb, spent
from bench.profiling import POSTGRES
from bench.scratch import scratch_database, scratch_topics
from bench.stock.service import FOLLOWED
from bench.throughput import STAGES, Bench
from bench.topics import (
    LEDGER,
    SERVICES,
    stock_database,
    stock_facts,
    stock_intake,
    stock_receipts,
)
from bench.watch import LAST_SECONDS, STALL_SECONDS, NotFinished
from zeren.stack.child import Child, child_process
from zeren.stack.days import wait_drained

NAME = "stock"
IN_FLIGHT = 4_000
FACTS_OF_AN_APPLICATION = 2


@dataclass(slots=True, kw_only=True)
class Stock:
    """What came of it; `facts_per_s` as in part (a), the rest as in `bench.throughput.Throughput`."""

    facts: int
    submissions: int
    seconds: float
    facts_per_s: float
    cpu_per_100k: Mapping[str, float]
    cpu_whole_per_100k: float
    peak_rss_mb: Mapping[str, float]
    wrong: list[str] = field(default_factory=list)

    def told(self) -> dict[str, Any]:
        """For the report."""
        return asdict(self)


class StockStores:
    """How far the stock parts are: a connection to each database."""

    def __init__(self, running: ExitStack, bench: Bench, tables: Mapping[str, Mapping[str, str]]) -> None:
        """Looks until `running` ends.

        Args:
            running: lets the connections go.
            bench: whose servers they stand on.
            tables: by service, what its process says of its tables.
        """
        self._connections: dict[str, psycopg.Connection] = {
            name: running.enter_context(bench.servers.postgres.connect(stock_database(name)))
            for name in (*SERVICES, LEDGER)
        }
        self._tables = tables

    @property
    def administration(self) -> psycopg.Connection:
        """A connection to look at the server as a whole with."""
        return self._connections[LEDGER]

    def ledgered(self) -> int:
        """Entries of the ledger."""
        row = self._connections[LEDGER].execute("SELECT size FROM head").fetchone()
        return int(row[0]) if row else 0

    def facts(self) -> int:
        """Facts of the three event tables."""
        return sum(self._head(service) for service in SERVICES)

    def projected(self) -> bool:
        """Whether every read model has folded all that stands in its event table."""
        return all(self._cursor(service) >= self._head(service) for service in SERVICES)

    def _head(self, service: str) -> int:
        query = sql.SQL("SELECT coalesce(max(notification_id), 0) FROM {}")
        return self._one(service, query.format(sql.Identifier(self._tables[service]["events"])))

    def _cursor(self, service: str) -> int:
        table = sql.Identifier(self._tables[service]["tracking"])
        query = sql.SQL("SELECT coalesce(max(notification_id), 0) FROM {} WHERE application_name <> {}")
        return self._one(service, query.format(table, sql.Literal("__migration__")))

    def _one(self, service: str, query: sql.Composed) -> int:
        row = self._connections[service].execute(query).fetchone()
        assert row is not None
        return int(row[0])

    def kept(self) -> int:
        """Foreign facts that services have taken in."""
        return sum(
            self._one(service, sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier("known")))
            for service in SERVICES
        )

    def until(self, facts: int, kept: int) -> float:
        """When so many facts were first seen ledgered, all projected, and so many foreign ones taken in.

        Returns monotonic seconds. Raises: NotFinished.
        """
        moved, last = time.monotonic(), -1
        while True:
            size = self.ledgered()
            if size >= facts and self.projected() and self.kept() >= kept:
                return time.monotonic()
            moved, last = (time.monotonic(), size) if size != last else (moved, last)
            if time.monotonic() - moved > STALL_SECONDS:
                raise NotFinished(
                    f"stock parts: {STALL_SECONDS:g} 秒无进展 / no progress: ledgered {size} of {facts}; "
                    "看 stock-*.log / see stock-*.log"
                )
            time.sleep(LAST_SECONDS)


def run_stock(bench: Bench, classes: int) -> Stock:
    """Sends so many classes through the stock parts. Raises: NotFinished, StackError."""
    wait_drained(bench.local)
    built = bench.loader.build(NAME, first=0, classes=classes, day=FIRST_DAY)
    try:
        with ExitStack() as running:
            children = _started(running, bench)
            tables = {one.name.removeprefix(f"{NAME}-"): one.ask({"ready": True}) for one in children}
            stores = StockStores(running, bench, tables)
            opened = FACTS_OF_AN_APPLICATION * classes
            bench.loader.send_stock(NAME, [Stage.APPLY], in_flight=IN_FLIGHT, lag=0)
            stores.until(opened, 0)
            return _measured(bench, stores, children, built, opened)
    finally:
        bench.loader.forget(NAME)


def _started(running: ExitStack, bench: Bench) -> list[Child]:
    servers = bench.servers
    usccs = [one.uscc for one in bench.organisations]
    topics = [*map(stock_intake, SERVICES), *map(stock_facts, SERVICES), *map(stock_receipts, usccs)]
    running.enter_context(scratch_topics(servers.kafka, topics))
    names, state = (*SERVICES, LEDGER), servers.state
    for name in names:
        running.enter_context(scratch_database(servers.postgres, stock_database(name)))
    return [
        running.enter_context(
            child_process(state, f"{NAME}-{name}", "bench.stock", state.path.name, name, str(bench.seed))
        )
        for name in names
    ]


def _foreign(facts: int) -> int:
    """How many foreign facts are taken in for so many facts: completions by two services, certificates by one."""
    return facts // FACTS_OF_A_CLASS * TRAINEES * sum(map(len, FOLLOWED.values()))


def _measured(
    bench: Bench, stores: StockStores, children: Sequence[Child], built: Mapping[str, Any], opened: int
) -> Stock:
    looked = bench.look(stores.administration, children)
    sent = bench.loader.send_stock(NAME, STAGES, in_flight=IN_FLIGHT, lag=0)
    done = max(stores.until(opened + built["facts"], _foreign(built["facts"])), sent["last_receipt"])
    used = spent(looked, bench.look(stores.administration, children))
    memory = {child.name: round(memory_mb(child.pid)["peak"], 1) for child in children}
    facts, seconds = stores.facts() - opened, done - sent["first_sent"]
    wanted = (*(child.name for child in children), *bench.layout.brokers)
    cpu = {**{name: used.processes[name] for name in wanted}, POSTGRES: used.postgres}
    found = Stock(
        facts=facts,
        submissions=int(sent["submissions"]),
        seconds=round(seconds, 3),
        facts_per_s=round(facts / seconds, 1),
        cpu_per_100k=per_100k(cpu, facts),
        cpu_whole_per_100k=round(sum(cpu.values()) * 100_000 / facts, 1),
        peak_rss_mb=memory,
    )
    if sent["accepted"] != built["submissions"] or facts != built["facts"]:
        found.wrong.append(
            f"stock parts: {sent['accepted']} of {built['submissions']} accepted, {facts} of {built['facts']} facts"
        )
    return found
