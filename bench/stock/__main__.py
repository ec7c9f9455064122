"""One process of the stock parts, see `zeren.stack.child`: `python -m bench.stock STATE NAME SEED`.

{"ready": true}         {"events": TABLE, "tracking": TABLE} of a deciding service, {"head": TABLE} of the ledger
"""

from __future__ import annotations

import asyncio
import logging
import sys
from contextlib import AbstractAsyncContextManager
from typing import Any

from bench.courses import Curriculum
from bench.stock.ledger import StockLedger
from bench.stock.service import StockService, broker_of, environment
from bench.topics import LEDGER, stock_database
from zeren.stack.child import answer_lines
from zeren.stack.local import Servers, running_servers
from zeren.stack.state import StateFolder


def _running(servers: Servers, name: str, seed: int) -> AbstractAsyncContextManager[dict[str, str]]:
    broker = broker_of(servers.kafka)
    database = stock_database(name)
    if name == LEDGER:
        return StockLedger(broker, servers.postgres.connect(database)).running()
    organisations = Curriculum(seed).organisations
    keys = {one.key_id: one.key.public_key() for one in (*organisations.schools, *organisations.bodies)}
    return StockService(name, broker, keys).running(environment(servers.postgres, database))


async def _serve(servers: Servers, name: str, seed: int) -> None:
    async with _running(servers, name, seed) as tables:

        async def answer(_asked: dict[str, Any]) -> dict[str, Any]:
            return tables

        await answer_lines(answer)


if __name__ == "__main__":
    logging.getLogger("aiokafka").setLevel(logging.ERROR)
    asyncio.run(_serve(running_servers(StateFolder.named(sys.argv[1])), sys.argv[2], int(sys.argv[3])))
