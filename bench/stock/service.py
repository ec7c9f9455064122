"""A deciding service of stock parts: one FastStream handler call, one `Application.save`, one `publish` a fact.

The libraries' defaults hold, also where the product could not live with them (a record is acknowledged before it is
handled, facts are published after they are saved): they are the cheaper ones.
"""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from faststream.kafka import KafkaBroker
from faststream.kafka.annotations import KafkaMessage
from faststream.security import SASLScram512
from psycopg.sql import SQL, Identifier

from bench.stock.domain import APPLICATIONS, Deciding, Receipt
from bench.stock.submissions import Fact, Submission
from bench.topics import stock_facts, stock_intake, stock_receipts
from zeren.stack.kafka import KafkaEndpoint
from zeren.stack.postgres import PostgresEndpoint

log = logging.getLogger(__name__)
log.setLevel(logging.ERROR)

FOLLOWED: Mapping[str, Sequence[tuple[str, str]]] = {
    "enrolment": (),
    "certification": (("enrolment", "TrainingCompleted"),),
    "payment": (("enrolment", "TrainingCompleted"), ("certification", "CertificateIssued")),
}
"""By service, the foreign facts that it keeps: of which service, and which."""


class Streams(PostgresTrackingRecorder):
    """The read model: how far each stream is."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.sql_create_statements.append(
            SQL(
                "CREATE TABLE IF NOT EXISTS {}.streams (stream uuid PRIMARY KEY, kind text, version bigint)"
            ).format(Identifier(self.datastore.schema))
        )

    def put(self, stream: Any, kind: str, version: int, tracking: Tracking) -> None:
        """One event, with its tracking, in one transaction."""
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(
                """INSERT INTO streams VALUES (%s, %s, %s)
                   ON CONFLICT (stream) DO UPDATE SET kind = excluded.kind, version = excluded.version""",
                (stream, kind, version),
                prepare=True,
            )


class StreamsProjection(Projection[Streams]):
    """Folds one event at a time."""

    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        """See the library."""
        kind = type(domain_event).__name__
        self.view.put(domain_event.originator_id, kind, domain_event.originator_version, tracking)


def environment(postgres: PostgresEndpoint, database: str) -> dict[str, str]:
    """The library's settings; all else is its default."""
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": database,
        "POSTGRES_HOST": postgres.host,
        "POSTGRES_PORT": str(postgres.port),
        "POSTGRES_USER": postgres.user,
        "POSTGRES_PASSWORD": postgres.password,
    }


def broker_of(kafka: KafkaEndpoint) -> KafkaBroker:
    """FastStream's broker; it tells of faults alone, not of every message."""
    return KafkaBroker(
        kafka.bootstrap.split(","),
        security=SASLScram512(kafka.user, kafka.password, use_ssl=False),
        acks="all",
        enable_idempotence=True,
        logger=log,
    )


class StockService:
    """One of the three deciding services."""

    def __init__(self, service: str, broker: KafkaBroker, keys: Mapping[str, Ed25519PublicKey]) -> None:
        """Decides what comes to the service's intake.

        Args:
            service: its name.
            broker: of `broker_of`, not started yet.
            keys: of the institutions, by key id.
        """
        self._service = service
        self._broker = broker
        self._keys = keys
        self._application: Deciding | None = None

    @asynccontextmanager
    async def running(self, settings: Mapping[str, str]) -> AsyncIterator[dict[str, str]]:
        """Runs for as long as the body does; yields the tables by which one sees how far it is."""
        runner = ProjectionRunner(
            application_class=APPLICATIONS[self._service],
            projection_class=StreamsProjection,
            view_class=Streams,
            env=dict(settings),
        )
        with runner, APPLICATIONS[self._service](dict(settings)) as application:
            self._application = application
            with application.factory.datastore.transaction(commit=True) as cursor:  # type: ignore[attr-defined]
                cursor.execute(
                    "CREATE TABLE IF NOT EXISTS known (id uuid PRIMARY KEY, kind text, data jsonb)"
                )
            self._subscribe()
            await self._broker.start()
            try:
                yield {
                    "events": application.recorder.events_table_name,  # type: ignore[attr-defined]
                    "tracking": runner.view.tracking_table_name,
                }
            finally:
                await self._broker.stop()

    def _subscribe(self) -> None:
        @self._broker.subscriber(
            stock_intake(self._service), group_id=f"bench.stock.{self._service}", auto_offset_reset="earliest"
        )
        async def take(submission: Submission, message: KafkaMessage) -> None:
            self._verify(message)
            await self._decide(submission)

        for source, kind in FOLLOWED[self._service]:
            self._follow(source, kind)

    def _follow(self, source: str, kind: str) -> None:
        subscriber = self._broker.subscriber(
            stock_facts(source),
            group_id=f"bench.stock.{self._service}.{source}",
            auto_offset_reset="earliest",
        )

        @subscriber(filter=lambda message: f".{kind}." in str(message.headers.get("type", "")))
        async def keep(fact: Fact) -> None:
            self._keep(fact)

        @subscriber
        async def pass_over(message: KafkaMessage) -> None:
            """Of another type."""

    def _verify(self, message: KafkaMessage) -> None:
        """Detached JWS over the exact bytes (RFC 7797). Raises: InvalidSignature."""
        protected, _, signature = str(message.headers["jws"]).split(".")
        key = self._keys[json.loads(_unpadded(protected))["kid"]]
        key.verify(_unpadded(signature), protected.encode() + b"." + message.body)

    async def _decide(self, submission: Any) -> None:
        assert self._application is not None
        for found in self._application.decide(submission):
            fact = self._fact(found)
            key = str(found.originator_id).encode()
            await self._broker.publish(fact, stock_facts(self._service), key=key, headers={"type": fact.type})
            if isinstance(found, Receipt.Event):
                topic = stock_receipts(submission.institution)
                await self._broker.publish(fact, topic, key=key, partition=0)

    def _fact(self, found: Any) -> Fact:
        own = ("originator_id", "originator_version", "timestamp", "originator_topic")
        return Fact(
            id=f"{found.originator_id}-{found.originator_version}",
            source=f"urn:stock:{self._service}",
            type=f"stock.{self._service}.{type(found).__name__}.v1",
            subject=str(found.originator_id),
            time=found.timestamp,
            streamversion=found.originator_version,
            data={name: value for name, value in found.__dict__.items() if name not in own},
        )

    def _keep(self, fact: Fact) -> None:
        assert self._application is not None
        with self._application.factory.datastore.transaction(commit=True) as cursor:  # type: ignore[attr-defined]
            cursor.execute(
                "INSERT INTO known VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
                (fact.subject, fact.type, json.dumps(fact.data)),
                prepare=True,
            )


def _unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
