"""Audit's database, its ledger's key, and a worker on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, create_engine, update

from services.audit.ledger import reading
from services.audit.ledger.append import open_ledger
from services.audit.ledger.key import create_ledger_key, read_ledger_key
from services.audit.ledger.tables import checkpoints
from services.audit.ledger.tables import metadata as ledger_tables
from services.audit.ledger.worker import LedgerWorker
from services.audit.projections.catalogue import PROJECTIONS
from services.audit.projections.projector import LedgerFacts
from services.audit.projections.schema import metadata as read_models
from services.audit.spans.tables import metadata as span_tables
from shared.eventstore.projector import Projector
from shared.eventstore.sql import SqlStore, make_engine
from shared.eventstore.tables import metadata as kernel_tables
from shared.eventstore.tables import store as store_table
from shared.tlog.notes import Signer
from tests.component.audit.story import Record, partition
from tests.deciding import decide

LOG_NAME = "zeren.test.example/ledger"


def _create(url: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        for tables in (kernel_tables, ledger_tables, read_models, span_tables):
            tables.create_all(connection)
        connection.execute(store_table.insert().values(incarnation=uuid4()))
    engine.dispose()


@pytest.fixture
def engine(fresh_database: Any) -> Iterator[Engine]:
    """A fresh audit database."""
    fresh_database.define("audit", _create)
    engine = make_engine(fresh_database(template="audit"))
    yield engine
    engine.dispose()


def publish(engine: Engine) -> None:
    """Marks every checkpoint as published, as the publisher does."""
    with engine.begin() as connection:
        connection.execute(update(checkpoints).values(published=True))


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    """The log's key, from a file."""
    create_ledger_key(tmp_path / "ledger.key")
    return read_ledger_key(tmp_path / "ledger.key", LOG_NAME)


@pytest.fixture
def worker(engine: Engine, signer: Signer) -> Callable[[], LedgerWorker]:
    """Makes workers on the same database, as after a restart or in a second process."""
    open_ledger(engine, signer)
    return lambda: LedgerWorker(engine, signer, SqlStore(engine).positions)


@pytest.fixture
def ledgered(
    engine: Engine, worker: Callable[[], LedgerWorker]
) -> Callable[[Iterable[Sequence[Record]]], None]:
    """Takes batches of records, each of one partition, into the ledger; its checkpoints count as published."""
    one = worker()

    def take(cut: Iterable[Sequence[Record]]) -> None:
        for batch in cut:
            decide(one, partition(batch[0]), batch)
        publish(engine)

    return take


@pytest.fixture
def facts() -> LedgerFacts:
    """The ledger as a source of facts."""
    return LedgerFacts(reading)


@pytest.fixture
def projector(engine: Engine, facts: LedgerFacts) -> Projector:
    """All projections over the ledger."""
    return Projector(engine, facts, PROJECTIONS)
