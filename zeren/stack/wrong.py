"""What is wrong with a running stack, the worst first; and what is not, yet should be known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from shared.telemetry.counted import RECEIPTS
from shared.telemetry.outages import FILES, VAULT
from shared.telemetry.seen import (
    LAG_SECONDS,
    LEDGER_AGE,
    MEMORY,
    PARKED_FACTS,
    PARKED_FACTS_AGE,
    PARKED_SUBMISSIONS,
    PROJECTION_LAG_SECONDS,
    RELAY_AGE,
    UNSENT_FACTS,
    WAITING,
)
from zeren.stack import thresholds
from zeren.stack.finding import Finding
from zeren.stack.scrape import Scrape
from zeren.stack.service_states import judge
from zeren.stack.ways_out import (
    AWAITING_OPERATOR,
    AWAY,
    LAGGING,
    LARGE,
    LEDGER_BEHIND,
    PARKED_STANDING,
    PROJECTION_BEHIND,
    QUARANTINED,
    RELAY_BEHIND,
    SUBMISSIONS_WAIT,
)

STOPPED, NOT_READY, OUTAGE, PARKED, LAG, AGE, ROOM = range(7)
"""How bad: what never goes on by itself before what waits, what waits before what is late, the future last."""


GOES_ON = ("fact", "key", "receipt")
"""What a parked submission waits for that comes without an operator, or else its deadline does."""


class Wrong(NamedTuple):
    """Something wrong; the lower its rank, the worse."""

    rank: int
    finding: Finding


def in_answer(name: str, ready: Mapping[str, Any], start: str) -> Iterator[Wrong]:
    """What a service's own answer to `/health/ready` says is wrong; `start` is the command that starts the stack."""
    for finding in judge(name, ready, start):
        if not finding.ok:
            yield Wrong(STOPPED if finding.check.startswith("partition") else NOT_READY, finding)


def in_metrics(name: str, scrape: Scrape) -> Iterator[Wrong]:
    """What a service's metrics say is wrong, against `thresholds`."""
    yield from _outages(name, scrape)
    yield from _parked(name, scrape)
    yield from _late(name, scrape)
    memory = scrape.most(MEMORY)
    if memory is not None and memory > thresholds.MEMORY_BYTES:
        yield Wrong(ROOM, LARGE.finding(f"memory {name}", name=name, megabytes=int(memory / 1e6)))


def worth_knowing(name: str, scrape: Scrape) -> Iterator[Finding]:
    """What goes on without an operator, though a sender waits or gets no answer: parked and quarantined submissions."""
    waiting = {kind: int(scrape.total(PARKED_SUBMISSIONS, kind=kind) or 0) for kind in GOES_ON}
    if any(waiting.values()):
        told: dict[str, Any] = {"count": sum(waiting.values()), **waiting}
        yield SUBMISSIONS_WAIT.finding(f"parked {name}", **told)
    quarantined = int(scrape.total(RECEIPTS, outcome="quarantined") or 0)
    if quarantined:
        yield QUARANTINED.finding(f"quarantine {name}", count=quarantined)


def _outages(name: str, scrape: Scrape) -> Iterator[Wrong]:
    """Of the vault and of files: the others are told by `/health/ready`."""
    for what in (VAULT, FILES):
        if scrape.total(WAITING, what=what):
            yield Wrong(OUTAGE, AWAY[what].finding(f"{what} {name}", name=name))


def _parked(name: str, scrape: Scrape) -> Iterator[Wrong]:
    failed = int(scrape.total(PARKED_FACTS, kind="failed") or 0)
    if failed > thresholds.PARKED_FACTS:
        behind = int(scrape.total(PARKED_FACTS, kind="behind") or 0)
        told: dict[str, Any] = {
            "count": failed,
            "behind": behind,
            "seconds": int(scrape.most(PARKED_FACTS_AGE) or 0),
        }
        yield Wrong(PARKED, PARKED_STANDING.finding(f"parked {name}", name=name, **told))
    awaited = int(scrape.total(PARKED_SUBMISSIONS, kind="operator") or 0)
    if awaited > thresholds.PARKED_FOR_OPERATORS:
        yield Wrong(PARKED, AWAITING_OPERATOR.finding(f"parked {name}", name=name, count=awaited))


def _late(name: str, scrape: Scrape) -> Iterator[Wrong]:
    for labels, seconds in scrape.rows(LAG_SECONDS):
        if seconds > thresholds.LAG_SECONDS:
            where = f"{labels['group']} {labels['topic']}/{labels['partition']}"
            yield Wrong(LAG, LAGGING.finding(f"lag {where}", name=name, seconds=int(seconds)))
    age = scrape.most(RELAY_AGE) or 0.0
    if age > thresholds.RELAY_AGE_SECONDS:
        unsent: dict[str, Any] = {"unsent": int(scrape.total(UNSENT_FACTS) or 0), "seconds": int(age)}
        yield Wrong(AGE, RELAY_BEHIND.finding(f"relay {name}", name=name, **unsent))
    for labels, seconds in scrape.rows(PROJECTION_LAG_SECONDS):
        if seconds > thresholds.PROJECTION_LAG_SECONDS:
            late: dict[str, Any] = {"model": labels["projection"], "seconds": int(seconds)}
            yield Wrong(AGE, PROJECTION_BEHIND.finding(f"read model {name}", name=name, **late))
    age = scrape.most(LEDGER_AGE) or 0.0
    if age > thresholds.LEDGER_AGE_SECONDS:
        yield Wrong(AGE, LEDGER_BEHIND.finding("ledger", name=name, seconds=int(age)))
