"""Replay of one claim out of all that the store holds, as an auditor asks for it: every page, over HTTP.

Names are not asked for: reading them is a fact, and would change the store.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

from bench.figures import points
from bench.throughput import Bench
from bench.watch import Stores
from zeren.cli.audit import replayed
from zeren.stack.days import wait_drained

CLAIMS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What came of it.

    Attributes:
        facts_in_store: out of how many.
        facts: of one replay, the mean.
        ms: from asking to the whole answer, decoded.
    """

    facts_in_store: int
    claims: int
    facts: float
    ms: dict[str, float]

    def told(self) -> dict[str, Any]:
        """For the report."""
        return asdict(self)


def run_replay(bench: Bench, claims: int = CLAIMS) -> Replay:
    """Replays claims by chance, each once. Raises: StackError; without claims there is nothing to replay."""
    wait_drained(bench.local)
    with Stores.of(bench.servers) as stores:
        query = "SELECT claim_id FROM claims ORDER BY random() LIMIT %s"
        chosen = [row[0] for row in stores.connection("audit").execute(query, (claims,)).fetchall()]
        facts = stores.facts()
    spent, told = [], 0
    bench.local.as_duty("AUDITOR")
    for claim in chosen:
        began = time.perf_counter()
        answer = replayed(bench.local, str(claim), "")
        spent.append((time.perf_counter() - began) * 1_000)
        told += len(answer["facts"])
    return Replay(
        facts_in_store=facts,
        claims=len(chosen),
        facts=round(told / len(chosen), 1) if chosen else 0.0,
        ms=points(spent),
    )
