"""A ledger of stock parts: one FastStream handler call, one transaction an entry."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
from faststream.kafka import KafkaBroker
from faststream.kafka.annotations import KafkaMessage

from bench.stock.submissions import Fact
from bench.topics import LEDGER, SERVICES, stock_facts
from shared.tlog.hashing import leaf_hash
from shared.tlog.tree import Edge

TABLES = """
    CREATE TABLE entries (index bigint PRIMARY KEY, fact_id text NOT NULL, type text NOT NULL, entry bytea NOT NULL);
    CREATE TABLE tiles (level int, index bigint, hashes bytea NOT NULL, PRIMARY KEY (level, index));
    CREATE TABLE head (one boolean PRIMARY KEY, size bigint NOT NULL, root bytea NOT NULL);
    INSERT INTO head VALUES (true, 0, '');
"""


class StockLedger:
    """Appends every fact, in the order in which it comes. The one process that does; it begins with nothing."""

    def __init__(self, broker: KafkaBroker, connection: psycopg.Connection) -> None:
        """Reads with this broker, not started yet, and writes over this connection, in autocommit mode."""
        self._broker = broker
        self._connection = connection
        self._edge = Edge()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[dict[str, str]]:
        """Runs for as long as the body does; yields the table by which one sees how far it is."""
        self._connection.execute(TABLES)

        @self._broker.subscriber(
            *map(stock_facts, SERVICES), group_id=f"bench.stock.{LEDGER}", auto_offset_reset="earliest"
        )
        async def take(fact: Fact, message: KafkaMessage) -> None:
            self._append(fact, message.body)

        await self._broker.start()
        try:
            yield {"head": "head"}
        finally:
            await self._broker.stop()

    def _append(self, fact: Fact, entry: bytes) -> None:
        growth = self._edge.append([leaf_hash(entry)])
        with self._connection.transaction():
            self._connection.execute(
                "INSERT INTO entries VALUES (%s, %s, %s, %s)",
                (self._edge.size, fact.id, fact.type, entry),
                prepare=True,
            )
            for tile in growth.tiles:
                self._connection.execute(
                    "INSERT INTO tiles VALUES (%s, %s, %s)", (tile.level, tile.index, tile.hashes)
                )
            self._connection.execute(
                "UPDATE head SET size = %s, root = %s", (growth.edge.size, growth.edge.root()), prepare=True
            )
        self._edge = growth.edge
