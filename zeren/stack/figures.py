"""The figures of one service that people watch, from its metrics."""

from __future__ import annotations

from dataclasses import dataclass

from shared.telemetry.counted import FACTS, OUTCOMES, RECEIPTS, TRANSACTION_SECONDS
from shared.telemetry.seen import (
    HEAD,
    LAG_OFFSETS,
    LAG_SECONDS,
    LEDGER_AGE,
    LEDGER_SIZE,
    MEMORY,
    PARKED_FACTS,
    PARKED_SUBMISSIONS,
    PROJECTION_LAG_FACTS,
    PROJECTION_LAG_SECONDS,
    RELAY_AGE,
    UNSENT_FACTS,
)
from zeren.stack.scrape import Scrape

MEDIAN, LATE = 0.5, 0.99
DECIDE, LEDGER = "decide", "ledger"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """None where a figure isn't known: its source is away, nothing was counted, or there was no look before.

    Attributes:
        facts: in its event table.
        facts_per_second: that this process wrote since the look before.
        lag_records, lag_seconds: over all partitions, and of the one that waits longest.
        unsent_facts, relay_age_seconds: what Kafka lacks.
        projection_lag_facts, projection_lag_seconds: of the read model that is furthest behind.
        parked_submissions, parked_facts: that wait.
        receipts: by outcome, since the process started.
        transaction_p50_ms, transaction_p99_ms: of its writing transactions; of the ledger's where it keeps one.
        memory_bytes: resident.
        ledger_size, ledger_age_seconds: where it keeps the ledger.
    """

    facts: int | None
    facts_per_second: float | None
    lag_records: int | None
    lag_seconds: float | None
    unsent_facts: int | None
    relay_age_seconds: float | None
    projection_lag_facts: int | None
    projection_lag_seconds: float | None
    parked_submissions: int | None
    parked_facts: int | None
    receipts: dict[str, int]
    transaction_p50_ms: float | None
    transaction_p99_ms: float | None
    memory_bytes: int | None
    ledger_size: int | None
    ledger_age_seconds: float | None


def figures(now: Scrape, before: Scrape | None = None) -> Figures:
    """What a scrape tells; rates and times since the one before, where there is one."""
    kind = LEDGER if now.total(LEDGER_SIZE) is not None else DECIDE
    receipts = now.by(RECEIPTS, "outcome")
    return Figures(
        facts=_whole(now.total(HEAD)),
        facts_per_second=now.per_second(FACTS, before),
        lag_records=_whole(now.total(LAG_OFFSETS)),
        lag_seconds=now.most(LAG_SECONDS),
        unsent_facts=_whole(now.total(UNSENT_FACTS)),
        relay_age_seconds=now.most(RELAY_AGE),
        projection_lag_facts=_whole(now.most(PROJECTION_LAG_FACTS)),
        projection_lag_seconds=now.most(PROJECTION_LAG_SECONDS),
        parked_submissions=_whole(now.total(PARKED_SUBMISSIONS)),
        parked_facts=_whole(now.total(PARKED_FACTS)),
        receipts={outcome: int(receipts.get(outcome, 0)) for outcome in OUTCOMES},
        transaction_p50_ms=_thousandths(now.quantile(TRANSACTION_SECONDS, MEDIAN, before, kind=kind)),
        transaction_p99_ms=_thousandths(now.quantile(TRANSACTION_SECONDS, LATE, before, kind=kind)),
        memory_bytes=_whole(now.most(MEMORY)),
        ledger_size=_whole(now.total(LEDGER_SIZE)),
        ledger_age_seconds=now.most(LEDGER_AGE),
    )


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _thousandths(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1_000
