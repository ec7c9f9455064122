"""How the ledger stands, for whoever watches it: its size, its newest checkpoint, what no published one covers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from sqlalchemy import Connection, func, select

from services.audit.ledger.reading import ledger_size, unpublished
from services.audit.ledger.tables import checkpoints, entries
from shared.contracts.fact import recorded_at
from shared.telemetry.metric import Metric
from shared.telemetry.seen import CHECKPOINT_AGE, LEDGER_AGE, LEDGER_SIZE, UNPUBLISHED_CHECKPOINTS


def ledger_gauges(connection: Connection) -> Mapping[Metric, float]:
    """The ledger's gauges; `LEDGER_AGE` as far as the ledger itself knows: facts that it lacks are not seen here."""
    now = datetime.now(UTC)
    signed_at = connection.scalar(select(checkpoints.c.made_at).order_by(checkpoints.c.size.desc()).limit(1))
    found: dict[Metric, float] = {
        LEDGER_SIZE: ledger_size(connection),
        UNPUBLISHED_CHECKPOINTS: unpublished(connection),
    }
    if signed_at is not None:
        found[CHECKPOINT_AGE] = (now - signed_at).total_seconds()
    uncovered = _first_uncovered(connection)
    if uncovered is None:
        found[LEDGER_AGE] = 0.0
    elif (at := recorded_at(uncovered)) is not None:
        found[LEDGER_AGE] = max((now - at).total_seconds(), 0.0)
    return found


def _first_uncovered(connection: Connection) -> bytes | None:
    """The first entry that no published checkpoint covers; None where all are covered."""
    covered = select(func.coalesce(func.max(checkpoints.c.size), 0)).where(checkpoints.c.published)
    return connection.scalar(select(entries.c.entry).where(entries.c.index == covered.scalar_subquery()))
