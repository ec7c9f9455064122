"""Audit put together: the only file that names concrete adapters."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path

from fastapi import APIRouter

from services.audit.api import directory, router
from services.audit.api.names import ERASED, Directory
from services.audit.api.spans import SpanStore
from services.audit.consumers import LEDGERED, PROJECTIONS, SOURCES
from services.audit.ledger import reading
from services.audit.ledger.append import open_ledger
from services.audit.ledger.key import create_ledger_key, read_ledger_key
from services.audit.ledger.published import compare_with_published
from services.audit.ledger.publisher import CheckpointPublisher
from services.audit.ledger.recover import recover_ledger
from services.audit.ledger.standing import ledger_gauges
from services.audit.ledger.worker import CONSUMER, LedgerWorker
from services.audit.policies import effects
from services.audit.projections.projector import LedgerFacts
from services.audit.settings import Settings
from services.audit.spans.store import Sweeper
from shared.contracts.audit import SERVICE
from shared.messaging.consumer import Decide
from shared.messaging.in_turn import InTurn
from shared.messaging.topics import facts_topic
from shared.policy.book import PolicyBook
from shared.policy.loading import load_packages
from shared.runtime.process import main_of, parking_due_by
from shared.runtime.service import Context, Loop, Parts
from shared.telemetry.seen import LEDGER_AGE
from shared.tlog.notes import Signer
from shared.vault.directory import Directory as Handlers
from shared.vault.evidence import Evidence
from shared.vault.names import PersonNames

log = logging.getLogger(__name__)


def parts(settings: Settings) -> Parts:
    """What is audit's own."""
    book = load_packages(settings.policy_folder)
    signer = _signer(settings)

    def loops(context: Context) -> Mapping[str, Loop]:
        publisher = CheckpointPublisher(context.engine, context.kafka, context.wakeup)
        return {
            "checkpoints": publisher.run,
            "span sweeper": Sweeper(context.engine, settings.trace_days).run,
        }

    async def compare(context: Context) -> None:
        await compare_with_published(context.engine, context.kafka, signer.vkey)

    async def recover(context: Context, progress: Callable[[str], None]) -> Mapping[str, int]:
        before, after = await recover_ledger(context.engine, context.kafka, signer, LEDGERED, progress)
        return {"ledger_before": before, "ledger": after}

    return Parts(
        effects=effects,
        policies=SOURCES,
        handlers=None,
        parking_due=parking_due_by(book),
        projections=PROJECTIONS,
        projected_from=lambda _service, _store: LedgerFacts(reading),
        routers=partial(_routers, settings, book, signer),
        loops=loops,
        consumers=partial(_consumers, signer),
        reads_apart=False,
        unsent=_unpublished,
        compare=compare,
        recover=recover,
        migrations=Path(__file__).parent / "migrations",
        gauges=ledger_gauges,
        at_least_lag_of={LEDGER_AGE: CONSUMER},
    )


def _consumers(signer: Signer, context: Context) -> Sequence[tuple[str, Sequence[str], Decide]]:
    """The ledger's consumer; what it has ledgered of enrolment's facts goes to the policies."""
    size = open_ledger(context.engine, signer)
    log.info("ledger opened", extra={"log": signer.vkey.name, "vkey": str(signer.vkey), "size": size})
    worker = LedgerWorker(
        context.engine, signer, context.store.positions, tracing=context.tracing, metrics=context.metrics
    )
    assert context.foreign is not None, "it follows enrolment's facts"
    followed = [facts_topic(source) for source in SOURCES]
    return [(CONSUMER, LEDGERED, InTurn(worker, context.foreign, followed))]


def _routers(settings: Settings, book: PolicyBook, signer: Signer, context: Context) -> Sequence[APIRouter]:
    handlers = Handlers(context.vault)
    return [
        router.router(
            context.executor,
            context.engine,
            book=book,
            authenticate=context.authenticate,
            directory=_names(context, handlers),
            open_evidence=lambda service, digest: Evidence(context.vault, service).open(digest),
            vkey=str(signer.vkey),
            spans=SpanStore(settings.trace_token, settings.trace_days),
        ),
        directory.router(context.authenticate, handlers.find),
    ]


def _signer(settings: Settings) -> Signer:
    if not settings.ledger_key_file.exists():
        create_ledger_key(settings.ledger_key_file)
    return read_ledger_key(settings.ledger_key_file, settings.log_name)


def _unpublished(context: Context) -> int:
    with context.engine.connect() as connection:
        return reading.unpublished(connection)


def _names(context: Context, handlers: Handlers) -> Directory:
    persons = PersonNames(context.vault)

    def people(ids: Collection[str]) -> Mapping[str, tuple[str, str, str]]:
        found = handlers.find(ids)
        return {key: (row.name, row.post, row.organisation) for key, row in found.items()}

    def masked(ids: Collection[str]) -> Mapping[str, str]:
        erased = dict.fromkeys(persons.erased(ids), ERASED)
        return erased | {key: row.masked_name for key, row in persons.read(ids).items()}

    return Directory(people=people, persons=masked)


def main(arguments: Sequence[str]) -> int:
    """Runs the service. See `--help`."""
    return main_of(SERVICE, Settings, parts, arguments)
