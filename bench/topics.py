"""Names of the bench's own topics and databases: beside the product's, removed afterwards."""

from __future__ import annotations

RAW_TOPIC = "zeren.bench.raw.v1"
RAW_DATABASE, LEDGER_DATABASE = "bench_raw", "bench_ledger"
PREFIX = "zeren.bench.stock."
SERVICES = ("enrolment", "certification", "payment")
"""Those that decide; the fourth process keeps the ledger."""
LEDGER = "audit"


def stock_topic(topic: str) -> str:
    """Where the stock parts take what is meant for one of the product's topics."""
    return topic.replace("zeren.", PREFIX, 1)


def stock_receipts(uscc: str) -> str:
    """An institution's receipts."""
    return f"{PREFIX}receipts.{uscc}.v1"


def stock_intake(service: str) -> str:
    """A service's intake."""
    return f"{PREFIX}{service}.intake.v1"


def stock_facts(service: str) -> str:
    """A service's facts."""
    return f"{PREFIX}{service}.facts.v1"


def stock_database(name: str) -> str:
    """The database of one of the four processes."""
    return f"bench_stock_{name}"
