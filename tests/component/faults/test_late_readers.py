"""Late readers: who comes when history is long already gets all of it, from its start, in order."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka import Producer
from sqlalchemy import Engine, select

from shared.contracts.enrolment import ClassApproved
from shared.contracts.intake import BusinessDayAdopted
from shared.eventstore.businessdate import STREAM, MoveDay, business_day, business_day_reads
from shared.eventstore.changes import Changes, Reads
from shared.eventstore.execute import Executor
from shared.eventstore.projector import OwnFacts, Projector
from shared.eventstore.sql import SqlStore, make_engine
from shared.eventstore.tables import foreign_facts
from shared.eventstore.verify import verify
from shared.messaging.connect import KafkaAccess
from shared.messaging.consumer import BatchConsumer
from shared.messaging.foreign import ForeignFacts
from shared.messaging.topics import PARTITIONS, FactHeaders, partition_of
from shared.runtime.migrate import create_kernel, migrate
from shared.testing.world import Doing
from tests.architecture.tree import ROOT
from tests.component.eventstore.approvals import approvals, approvals_count, metadata, projection
from tests.component.eventstore.conftest import GIVEN
from tests.component.eventstore.test_store_behaviours import fact
from zeren.stack.local import Servers

FACTS = 6_000
BATCH = 2_000
WAIT_SECONDS = 100


@pytest.fixture
def make_store(fresh_database: Callable[[], str]) -> Iterator[Callable[[], SqlStore]]:
    made: list[Engine] = []

    def make() -> SqlStore:
        engine = make_engine(fresh_database())
        with engine.begin() as connection:
            create_kernel(connection)
        made.append(engine)
        return SqlStore(engine)

    yield make
    for engine in made:
        engine.dispose()


@pytest.fixture
def history(make_store: Callable[[], SqlStore]) -> SqlStore:
    """A service with many facts."""
    store = make_store()
    for _ in range(FACTS // BATCH):
        store.commit(Changes(store.head(), Reads(), [fact(str(uuid4())) for _ in range(BATCH)]))
    return store


def publish(servers: Servers, store: SqlStore, topic: str) -> dict[int, list[str]]:
    """Everything in chain order, as the relay sends it; by partition, the subjects in that order."""
    producer = Producer({**servers.kafka.settings(), "linger.ms": 20})
    source, last = f"enrolment@{store.incarnation()}", dict.fromkeys(range(PARTITIONS), 0)
    sent: dict[int, list[str]] = {number: [] for number in range(PARTITIONS)}
    for row in store.page(0, FACTS):
        place = partition_of(row.stream)
        headers = FactHeaders(row.type, source, row.position, last[place])
        producer.produce(topic, row.state, row.stream.encode(), place, headers=headers.encode())
        producer.poll(0)
        last[place] = row.position
        sent[place].append(row.stream)
    assert producer.flush(WAIT_SECONDS) == 0
    return sent


async def test_a_new_group_on_an_old_topic_takes_everything_from_the_start_in_chain_order(
    servers, history, make_store, fresh_topic, unique
):
    """Six partitions of facts that were sent long before: none missing, none twice, each partition in its order."""
    topic = fresh_topic(partitions=PARTITIONS)
    sent = publish(servers, history, topic)
    store, took = make_store(), []

    def take(known) -> list:
        took.append(known.subject)
        return []

    executor = Executor("certification", store, lambda _fact: [], always=business_day_reads())
    day = MoveDay(BusinessDayAdopted(date=date(2024, 5, 14), working=True))
    executor.run([Doing(lambda draft: draft.execute(business_day, STREAM, day, GIVEN))])
    group = unique("certification.policies")
    reader = BatchConsumer(
        group, [topic], ForeignFacts(group, executor, {"enrolment": {ClassApproved: take}})
    )
    broker = KafkaAccess(servers.kafka.bootstrap, servers.kafka.user, servers.kafka.password).broker()
    reader.subscribe(broker)
    async with broker, asyncio.timeout(WAIT_SECONDS):
        await broker.start()
        while sum(at.kafka_offset + 1 for at in store.positions(group).values()) < FACTS:
            await asyncio.sleep(0.05)
    assert reader.stopped == {}
    assert {number: [one for one in took if partition_of(one) == number] for number in sent} == sent
    with store.engine.connect() as connection:
        kept = connection.execute(select(foreign_facts.c.subject, foreign_facts.c.state)).all()
    assert {str(subject): state for subject, state in kept} == {
        row.stream: row.state for row in history.page(0, FACTS)
    }


def test_a_read_model_added_to_a_service_with_history_catches_up_from_the_start(history):
    """Its tables are new and it has no cursor: everything is folded, once, and it equals one built apart."""
    metadata.create_all(history.engine)
    source = OwnFacts("enrolment", history)
    projector = Projector(history.engine, source, [projection])
    assert projector.behind() == {"approvals": FACTS}
    while projector.project_some():
        pass
    with history.engine.connect() as connection:
        folded = connection.scalars(select(approvals.c.position).order_by(approvals.c.position)).all()
        assert folded == list(range(1, FACTS + 1))
        assert connection.execute(select(approvals_count)).all() == [("approved", FACTS)]
    assert verify(history.engine, source, projection).different == 0


def settings(url: str, folder: Path) -> dict[str, str]:
    """What enrolment must be told; a task on read models uses the database alone."""
    values = {
        "DATABASE_URL": url, "VAULT_URL": url, "KAFKA_BOOTSTRAP": "127.0.0.1:1", "KAFKA_USER": "u",
        "KAFKA_PASSWORD": "p", "HTTP_PORT": "1", "MASTER_KEY_FILE": str(folder / "none"),
        "ISSUER_JWKS_FILE": str(folder / "none"), "POLICY_FOLDER": str(ROOT / "policy"),
    }  # fmt: skip
    return {"PATH": os.environ["PATH"], **{f"ENROLMENT_{name}": value for name, value in values.items()}}


def task(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "services.enrolment", "projection", *arguments)
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=WAIT_SECONDS, check=False
    )


def test_read_models_are_built_anew_while_their_service_is_stopped(fresh_database, tmp_path):
    """Neither Kafka nor vault is needed; the exit code tells a wrong name and a database out of reach."""
    url = fresh_database()
    engine = make_engine(url)
    migrate(engine, ROOT / "services" / "enrolment" / "migrations")
    engine.dispose()
    environment = settings(url, tmp_path)
    done = task(environment, "rebuild")
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(one["service"], one["name"], one["facts"]) for one in told] == [
        ("enrolment", "classes_by_state", 0),
        ("enrolment", "institutions", 0),
    ]
    wrong = task(environment, "rebuild", "classes")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "classes_by_state" in wrong.stderr
    away = task(
        {**environment, "ENROLMENT_DATABASE_URL": "postgresql+psycopg://u:p@127.0.0.1:1/none"}, "status"
    )
    assert (away.returncode, away.stdout) == (3, "")
    assert "out of reach" in away.stderr
