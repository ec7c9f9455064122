"""How a service runs: what it brings, and the roles in which a process may run it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from fastapi import APIRouter
from sqlalchemy import Connection, Engine

from shared.access.bearer import Authenticate, authenticator
from shared.access.rate import Rate
from shared.businessday.adopt import OPENED, adopt
from shared.eventstore.businessdate import business_day_reads
from shared.eventstore.cache import KEPT_BYTES
from shared.eventstore.desk import Effects
from shared.eventstore.execute import Executor
from shared.eventstore.follower import PAGE as FOLLOWED_AT_ONCE
from shared.eventstore.follower import Follower
from shared.eventstore.projection import Projection, Source
from shared.eventstore.projector import PAGE as FOLDED_AT_ONCE
from shared.eventstore.projector import OwnFacts, Projector
from shared.eventstore.sql import SqlStore, make_engine
from shared.intake.evidence import SealedIntake
from shared.intake.handling import Handlers
from shared.intake.work import ParkingDue
from shared.intake.worker import IntakeWorker, ParkingLot
from shared.messaging.connect import KafkaAccess
from shared.messaging.consumer import BatchConsumer, Decide
from shared.messaging.foreign import ForeignFacts, Policies, Reaction
from shared.messaging.receipts import ReceiptSender
from shared.messaging.relay import Relay
from shared.messaging.topics import facts_topic, intake_topic
from shared.messaging.wakeup import REST_SECONDS, WakeUp
from shared.runtime.database_look import DatabaseLook
from shared.runtime.drain import Drain, Readers
from shared.runtime.effects import beside_kernel
from shared.runtime.health import Servers, kept_up
from shared.runtime.kernel_api import kernel_router
from shared.runtime.migrate import migrate
from shared.runtime.parked_api import parked_router
from shared.runtime.reconcile_api import reconcile_router
from shared.runtime.serving import Served
from shared.runtime.settings import ServiceSettings
from shared.telemetry.export import exporting
from shared.telemetry.metric import Metric
from shared.telemetry.metrics import Metrics
from shared.telemetry.outages import Outages
from shared.telemetry.tracing import OFF, Tracing
from shared.vault.database import make_engine as make_vault_engine
from shared.vault.evidence import Evidence
from shared.vault.keyfile import read_key_file
from shared.vault.persons import PersonVault
from shared.vault.vault import Vault

log = logging.getLogger(__name__)

ROLES = ("api", "worker", "relay", "projector")
Loop = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Parts:
    """What is a service's own; everything else is alike in all four.

    Attributes:
        effects: what follows from its own facts, besides receipts.
        policies: by source service, by foreign fact: what follows from it.
        reactions: by the name of a foreign fact: what it makes the service decide itself.
        handlers: how it decides submissions; None for a service without intake.
        parking_due: how long a submission may wait; from the policy.
        projections: its read models.
        projected_from: where their facts come from, of service and store; its own event table if not told otherwise.
        routers: its HTTP routes.
        loops: further loops of the worker role, by name.
        consumers: further batch consumers: (group, topics, worker).
        reads_apart: whether its policies have a consumer of their own; else one of `consumers` hands them the facts.
        followers: consumers of its own event table besides its projections, for the drain state.
        migrations: its Alembic folder.
        unsent: what else is not with Kafka yet, besides facts and receipts, for the drain state.
        compare: what else must fit what is published, before any role starts. Raises: StoreBehindKafka.
        recover: puts back what else follows from published things, once its facts are; tells what it did.
        gauges: further gauges of its own, read from its database when it is looked at.
        at_least_lag_of: gauges in seconds that are never less than a consumer's lag, by its name.
        kept_bytes: what each process may keep of recent streams: as much as the streams that come in turn take.
    """

    effects: Effects
    policies: Mapping[str, Policies]
    handlers: Handlers | None
    parking_due: ParkingDue
    projections: Sequence[Projection]
    routers: Callable[[Context], Sequence[APIRouter]]
    migrations: Path
    loops: Callable[[Context], Mapping[str, Loop]] = lambda _context: {}
    consumers: Callable[[Context], Sequence[tuple[str, Sequence[str], Decide]]] = lambda _context: ()
    reads_apart: bool = True
    followers: Sequence[str] = ()
    projected_from: Callable[[str, SqlStore], Source] = OwnFacts
    reactions: Mapping[str, Reaction] = field(default_factory=dict)
    unsent: Callable[[Context], int] = lambda _context: 0
    compare: Callable[[Context], Coroutine[Any, Any, None]] | None = None
    recover: Callable[[Context, Callable[[str], None]], Awaitable[Mapping[str, Any]]] | None = None
    gauges: Callable[[Connection], Mapping[Metric, float]] = lambda _connection: {}
    at_least_lag_of: Mapping[Metric, str] = field(default_factory=dict)
    kept_bytes: int = KEPT_BYTES


@dataclass(slots=True)
class Context:
    """The adapters of a running service, built once from its settings."""

    service: str
    settings: ServiceSettings
    engine: Engine
    store: SqlStore
    executor: Executor
    effects: Effects
    kafka: KafkaAccess
    vault: Vault
    authenticate: Authenticate
    wakeup: WakeUp
    relay: Relay
    servers: Servers
    outages: Outages
    tracing: Tracing
    metrics: Metrics
    foreign: ForeignFacts | None = None
    consumers: list[BatchConsumer] = field(default_factory=list)


def build(
    service: str,
    settings: ServiceSettings,
    parts: Parts,
    outages: Outages | None = None,
    tracing: Tracing = OFF,
) -> Context:
    """Builds the adapters; opens no connection but to migrate the database."""
    outages, metrics = outages or Outages(), Metrics(service)
    engine = make_engine(settings.database_url, pool_size=6)
    migrate(engine, parts.migrations)
    store = SqlStore(engine)

    effects = beside_kernel(parts.effects)
    kafka = KafkaAccess(settings.kafka_bootstrap, settings.kafka_user, settings.kafka_password)
    wakeup = WakeUp(engine, outages)
    rate = Rate(settings.rate_per_second, settings.rate_burst)
    return Context(
        service=service,
        settings=settings,
        engine=engine,
        store=store,
        executor=Executor(
            service, store, effects, always=business_day_reads(), metrics=metrics, kept_bytes=parts.kept_bytes
        ),
        effects=effects,
        kafka=kafka,
        vault=Vault(make_vault_engine(settings.vault_url), read_key_file(settings.master_key_file)),
        authenticate=authenticator(settings.issuer_jwks_file, rate),
        wakeup=wakeup,
        relay=Relay(service, store, engine, kafka, wakeup, tracing=tracing, metrics=metrics),
        servers=Servers(engine, kafka, facts_topic(service), outages),
        outages=outages,
        tracing=tracing,
        metrics=metrics,
    )


async def run(service: str, settings: ServiceSettings, parts: Parts, roles: Sequence[str] = ROLES) -> None:
    """Runs a service in these roles until SIGTERM or SIGINT. A server that is away at the start is waited for."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    with exporting(service) as tracing:
        serving = asyncio.create_task(_serve(service, settings, parts, roles, tracing), name=service)
        stopping = asyncio.create_task(stop.wait(), name="stop")
        await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
        for task in (serving, stopping):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving
    log.info("service stopped")


async def _serve(
    service: str, settings: ServiceSettings, parts: Parts, roles: Sequence[str], tracing: Tracing
) -> None:
    """Runs until it is cancelled."""
    outages = Outages()
    making = partial(asyncio.to_thread, build, service, settings, parts, outages, tracing)
    context = await kept_up("start", making, outages)
    # Before any role may append: a database that was put back would use its positions twice.
    await kept_up("comparison with Kafka", context.relay.compare_with_kafka, outages)
    if parts.compare is not None:
        await kept_up("comparison with what is published", partial(parts.compare, context), outages)
    preparing = partial(asyncio.to_thread, _prepared, context, parts, roles)
    served, loops = await kept_up("preparation", preparing, outages)
    log.info("service starts", extra={"roles": ",".join(roles), "port": settings.http_port})
    try:
        async with asyncio.TaskGroup() as group:
            for name, each in loops.items():
                group.create_task(kept_up(name, each, outages), name=name)
    finally:
        await served.close()
        context.engine.dispose()


def _prepared(context: Context, parts: Parts, roles: Sequence[str]) -> tuple[Served, dict[str, Loop]]:
    """The loops of these roles, by name. Blocks; may be called again after an outage."""
    context.foreign = _foreign(context, parts)
    further = [Further(*each) for each in parts.consumers(context)]
    projector = _projector(context, parts)
    readers = _readers(context, projector, parts, further)
    drain = Drain(context.service, context.engine, context.kafka, readers)
    url = context.settings.database_url
    look = DatabaseLook(url, context.service, projector, readers.followers, parts.gauges)
    served = Served(context, roles, projector, drain, look, parts.at_least_lag_of)
    loops = _loops(context, parts, served)
    if "worker" in roles:
        loops |= _worker_loops(context, parts, further)
    return served, loops


class Further(NamedTuple):
    """A batch consumer of the service's own, besides intake and foreign facts; its group names its position rows."""

    group: str
    topics: Sequence[str]
    worker: Decide


def _readers(context: Context, projector: Projector, parts: Parts, further: Sequence[Further]) -> Readers:
    """Who must have read what before nothing is under way."""
    service = context.service
    topics = {each.group: list(each.topics) for each in further}
    if parts.handlers is not None:
        topics[f"{service}.intake"] = [intake_topic(service)]
    if sources := _sources(parts, service):
        topics[f"{service}.policies"] = [facts_topic(source) for source in sorted(sources)]
    return Readers(
        topics,
        parts.followers,
        lag=lambda: max(projector.behind().values(), default=0),
        unsent=lambda: parts.unsent(context),
    )


def _sources(parts: Parts, service: str) -> set[str]:
    """The services whose facts it follows: every other service follows enrolment's business day."""
    return set(parts.policies) | ({"enrolment"} - {service})


def _foreign(context: Context, parts: Parts) -> ForeignFacts | None:
    """What takes in other services' facts: in the worker role new ones, in the api role what was parked."""
    if not _sources(parts, context.service):
        return None
    reactions = {**parts.reactions, **({} if context.service == "enrolment" else {OPENED: adopt})}
    return ForeignFacts(
        f"{context.service}.policies", context.executor, parts.policies, reactions, tracing=context.tracing
    )


def _loops(context: Context, parts: Parts, served: Served) -> dict[str, Loop]:
    loops: dict[str, Loop] = {"wakeup": context.wakeup.run, "servers": context.servers.watch}
    if "relay" in served.roles:
        receipts = ReceiptSender(
            context.service,
            context.engine,
            context.kafka,
            context.wakeup,
            tracing=context.tracing,
            metrics=context.metrics,
        )
        loops |= {"relay": context.relay.run, "receipts": receipts.run}
    if "projector" in served.roles and parts.projections:
        loops["projector"] = _projector_loop(served.projector, context.wakeup)
    if "api" in served.roles:
        loops["api"] = served.loop(context, context.settings.http_port, lambda: _routers(context, parts))
    elif context.settings.metrics_port:
        loops["metrics"] = served.loop(context, context.settings.metrics_port, lambda: ())
    return loops


def _routers(context: Context, parts: Parts) -> Sequence[APIRouter]:
    kernel = (kernel_router(context), parked_router(context), reconcile_router(context))
    return [*kernel, *parts.routers(context)]


def _worker_loops(context: Context, parts: Parts, further: Sequence[Further]) -> dict[str, Loop]:
    loops = dict(parts.loops(context))
    service = context.service

    def consumer(group: str, topics: Sequence[str], worker: Decide, rest: float = 0.0) -> BatchConsumer:
        return BatchConsumer(
            group, topics, worker, rest=rest, outages=context.outages, metrics=context.metrics
        )

    # Institutions wait for what intake decides; nobody waits for other services' facts to be taken in at once.
    consumers = [consumer(*each, rest=REST_SECONDS) for each in further]
    if parts.handlers is not None:
        sealed = SealedIntake(PersonVault(context.vault), Evidence(context.vault, service))
        intake = IntakeWorker(
            context.executor, parts.handlers, sealed, parts.parking_due, tracing=context.tracing
        )
        topics = [intake_topic(service)]
        consumers.append(consumer(f"{service}.intake", topics, intake))
        loops["parking"] = ParkingLot(context.engine, intake, context.wakeup).run
    if context.foreign is not None:
        if parts.reads_apart:
            topics = [facts_topic(source) for source in sorted(_sources(parts, service))]
            consumers.append(consumer(f"{service}.policies", topics, context.foreign, REST_SECONDS))
        loops["parked facts"] = partial(context.foreign.run_parked, context.engine, context.wakeup)
    context.consumers = consumers
    loops["consumers"] = _consumer_loop(context, consumers)
    return loops


def _consumer_loop(context: Context, consumers: Sequence[BatchConsumer]) -> Loop:
    async def consume() -> None:
        broker = context.kafka.broker()
        for consumer in consumers:
            consumer.subscribe(broker)
        async with broker:
            await broker.start()
            for consumer in consumers:
                consumer.wait_in_polls()
            await asyncio.gather(*(consumer.watch() for consumer in consumers))

    return consume


def _projector(context: Context, parts: Parts) -> Projector:
    source = parts.projected_from(context.service, context.store)
    return Projector(
        context.engine, source, parts.projections, tracing=context.tracing, metrics=context.metrics
    )


def following(context: Context, made: Callable[[], Follower]) -> Loop:
    """The loop of a follower of the own event table, made in a thread when the loop begins."""

    async def follow() -> None:
        follower = await asyncio.to_thread(made)

        async def look() -> bool:
            return await asyncio.to_thread(follower.follow_some) >= FOLLOWED_AT_ONCE

        await context.wakeup.keep_looking(look, rest=REST_SECONDS)

    return follow


def _projector_loop(projector: Projector, wakeup: WakeUp) -> Loop:
    async def look() -> bool:
        return await asyncio.to_thread(projector.project_some) >= FOLDED_AT_ONCE

    return partial(wakeup.keep_looking, look)
