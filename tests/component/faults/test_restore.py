"""A database that was put back: what it lacks comes back from Kafka, and nothing is decided twice."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import msgspec
import pytest
from confluent_kafka import Producer
from joserfc.jwk import OKPKey
from psycopg import sql

from services.enrolment.app import parts
from services.enrolment.domain.training_class import ApproveClass, training_class
from services.enrolment.settings import Settings
from shared.access.actor import Actor
from shared.access.commands import Commanded, HttpCommand, causation_id, run_command
from shared.contracts.enrolment import BusinessDayOpened
from shared.contracts.fact import decode, header
from shared.eventstore.businessdate import STREAM, MoveDay, business_day
from shared.eventstore.changes import Reads
from shared.eventstore.sql import make_engine
from shared.identity import class_id
from shared.messaging.connect import KafkaAccess
from shared.messaging.relay import Relay, StoreBehindKafka, relay_lock
from shared.messaging.topics import FactHeaders, facts_topic, partition_of
from shared.messaging.wakeup import WakeUp
from shared.runtime import recover as task
from shared.runtime.migrate import migrate
from shared.runtime.settings import read_settings
from shared.vault.keyfile import create_key_file
from tests.component.enrolment.test_interleavings import World
from tests.domain.kernel.intake_world import (
    CLOCK,
    TOPIC,
    USCC,
    DictVault,
    apply_class,
    enrol,
    given,
    sheet,
    sign,
)
from zeren.stack.paths import CHECKOUT

REFUSED = 1
MIGRATIONS = CHECKOUT / "services" / "enrolment" / "migrations"
TABLES = {
    "events": "notification_id",
    "reservations": "scope, key",
    "deadlines": "kind, key",
    "institution_keys": "key_id",
}


class Place:
    """Enrolment on a database of its own, its facts topic, and the way back to an earlier point."""

    def __init__(self, servers, fresh_database, folder: Path) -> None:
        self.servers = servers
        self._fresh = fresh_database
        create_key_file(folder / "master.key")
        public = OKPKey.generate_key("Ed25519", parameters={"kid": "k"}).as_dict(private=False)
        (folder / "jwks").write_text(json.dumps({"keys": [public]}))
        self.folder = folder
        self.vault = DictVault()
        self.kafka = KafkaAccess(servers.kafka.bootstrap, servers.kafka.user, servers.kafka.password)
        self.url = fresh_database(owner="enrolment")
        engine = make_engine(self.url)
        migrate(engine, MIGRATIONS)
        engine.dispose()
        self.world = World(self.url, vault=self.vault)

    def environment(self) -> dict[str, str]:
        extra = {
            "DATABASE_URL": self.url,
            "MASTER_KEY_FILE": str(self.folder / "master.key"),
            "ISSUER_JWKS_FILE": str(self.folder / "jwks"),
            "POLICY_FOLDER": str(CHECKOUT / "policy"),
        }
        return {"PATH": os.environ["PATH"], **self.servers.service_environment("enrolment", extra)}

    def recover(self, *arguments: str) -> int:
        """The operator's task."""
        settings = read_settings(Settings, "enrolment", self.environment())
        return task.recover("enrolment", settings, parts(settings), arguments)

    def relay(self) -> Relay:
        store = self.world.store
        return Relay("enrolment", store, store.engine, self.kafka, WakeUp(store.engine))

    def publish(self) -> None:
        """Everything, as the relay does it."""

        async def relayed() -> None:
            relay = self.relay()
            running = asyncio.create_task(relay.run())
            async with asyncio.timeout(30):
                while relay.cursor < self.world.store.head():
                    await asyncio.sleep(0.02)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

        asyncio.run(relayed())

    def publish_only(self, wanted: Callable[[str], bool], *, break_chain: bool = False) -> None:
        """Those of the unpublished facts whose type is wanted: the moment in which everything was lost."""
        store = self.world.store
        with store.engine.connect() as connection:
            cursor = connection.exec_driver_sql("SELECT coalesce(max(cursor), 0) FROM relay").scalar_one()
        tails = self.relay().tails_at(cursor)
        producer = Producer(self.servers.kafka.settings())
        for row in store.page(cursor, 1_000):
            if wanted(row.type):
                key = header(row.state).partitionkey
                partition = partition_of(key)
                previous = row.position - 1 if break_chain else tails[partition]
                tails[partition] = row.position
                source = f"enrolment@{store.incarnation()}"
                headers = FactHeaders(row.type, source, row.position, previous).encode()
                producer.produce(
                    facts_topic("enrolment"), row.state, key.encode(), partition, headers=headers
                )
        assert producer.flush(20) == 0

    def copy(self) -> str:
        """The database as it is now, whole, under another name."""
        self.world.engine.dispose()
        name = f"{self.url.rpartition('/')[2]}_copy"
        with self.servers.postgres.connect() as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER enrolment").format(
                    sql.Identifier(name), sql.Identifier(self.url.rpartition("/")[2])
                )
            )
        self._fresh._made.append(name)
        return f"{self.url.rpartition('/')[0]}/{name}"

    def put_back(self, url: str) -> World:
        """Goes on with a copy. Returns the world that was lost."""
        lost, self.url = self.world, url
        self.world = World(url, offset=lost.offset, vault=self.vault)
        return lost


@pytest.fixture
def place(servers, fresh_database, tmp_path) -> Iterator[Place]:
    made = Place(servers, fresh_database, tmp_path)
    yield made
    made.world.engine.dispose()


def rows(world: World, table: str) -> list[tuple]:
    with world.engine.connect() as connection:
        query = f"SELECT * FROM {table} ORDER BY {TABLES[table]}"  # noqa: S608 - our own table names
        return [tuple(row) for row in connection.exec_driver_sql(query)]


def outbox(world: World) -> list[tuple]:
    with world.engine.connect() as connection:
        query = "SELECT receipt_id, version FROM receipt_outbox ORDER BY seq"
        return [tuple(row) for row in connection.exec_driver_sql(query)]


def again(world: World, *documents: bytes, first: int) -> None:
    """The same records as before, at their own offsets, as a consumer reads them from its stored position."""
    records = [
        SimpleNamespace(
            topic=TOPIC.topic, partition=0, offset=first + n, key=b"k", value=value,
            timestamp=int(CLOCK.timestamp() * 1000), headers=(("jws", sign(value)),),
        )
        for n, value in enumerate(documents)
    ]  # fmt: skip
    world.worker.forget()
    world.deliver(*records)


def test_a_restored_database_refuses_to_start_and_is_recovered_byte_for_byte(place, capsys):
    """Exit code 4 names the command; afterwards every kernel table is as it was, and positions go on above."""
    world = place.world
    world.send(apply_class())
    world.approve("c1")
    place.publish()
    backup = place.copy()
    before = world.offset
    later = [sheet("sheet-1", "e1"), enrol(), apply_class("apply-2", "c2"), apply_class("apply-2", "c3")]
    world.send(*later)
    world.wake()
    with world.engine.begin() as connection:  # A transaction that failed: its positions are a gap.
        connection.exec_driver_sql("SELECT nextval(pg_get_serial_sequence('events', 'notification_id'))")
    open_next_day(world)
    place.publish()
    assert len(rows(world, "events")) > 8

    lost = place.put_back(backup)
    with pytest.raises(StoreBehindKafka, match="zeren recover enrolment"):
        asyncio.run(place.relay().compare_with_kafka())
    assert place.recover("--json") == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["half_decided"], summary["commands"]) == (0, 1)  # The day was opened by a handler.
    asyncio.run(place.relay().compare_with_kafka())
    for table in TABLES:
        if table != "reservations":
            assert rows(place.world, table) == rows(lost, table), table
    held = [row for row in rows(place.world, "reservations") if row[0] != "recovered.commands"]
    assert held == rows(lost, "reservations")
    assert set(outbox(place.world)) == set(outbox(lost))

    highest = rows(lost, "events")[-1][-1]
    facts = len(rows(place.world, "events"))
    again(place.world, *later, first=before + 1)
    place.world.wake()
    assert len(rows(place.world, "events")) == facts
    place.world.send(apply_class("apply-4", "c4"))
    assert all(row[-1] > highest for row in rows(place.world, "events")[facts:])
    place.publish()
    assert place.recover("--json") == 0
    assert json.loads(capsys.readouterr().out)["put_back"] == 0
    lost.engine.dispose()


def test_a_recover_that_is_killed_goes_on_where_it_was(place, monkeypatch, capsys):
    """Small transactions in position order: whatever is there is whole, the rest comes with the next run."""
    place.world.send(apply_class())
    backup = place.copy()
    place.world.send(*(apply_class(f"later-{n}", f"k{n}") for n in range(6)))
    place.publish()
    lost = place.put_back(backup)
    monkeypatch.setattr(task, "MAX_FACTS", 3)
    real, calls = task.put_back, []

    def killed_at_the_third(*arguments):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        real(*arguments)

    monkeypatch.setattr(task, "put_back", killed_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        place.recover()
    there = rows(place.world, "events")
    assert there == rows(lost, "events")[: len(there)]
    assert 0 < len(there) < len(rows(lost, "events"))
    monkeypatch.setattr(task, "put_back", real)
    assert place.recover() == 0
    for table in TABLES:
        assert rows(place.world, table) == rows(lost, table), table
    assert "补回" in capsys.readouterr().out
    lost.engine.dispose()


def test_a_service_that_runs_is_not_recovered(place, capsys):
    """Its relay holds the lock: the refusal says what to do, nothing is touched."""
    with relay_lock(place.world.engine, "enrolment") as locked:
        assert locked()
        assert place.recover() == REFUSED
    told = capsys.readouterr().err
    assert "正在运行" in told
    assert "zeren down" in told


def test_other_bytes_at_a_position_that_both_have_are_refused_by_name(place, capsys):
    """The database was altered, not put back: nothing is written over."""
    place.world.send(apply_class())
    place.publish()
    with place.world.engine.begin() as connection:
        altered = "convert_to(replace(convert_from(state, 'UTF8'), '350100', '350200'), 'UTF8')"
        connection.exec_driver_sql(f"UPDATE events SET state = {altered} WHERE notification_id = 2")  # noqa: S608
    assert place.recover() == REFUSED
    assert "position 2 has other bytes" in capsys.readouterr().err


def test_a_chain_with_a_hole_is_refused_by_name_and_nothing_behind_it_is_put_back(place, capsys):
    """Kafka lacks a fact that another one follows: copying only what is there would hide the loss."""
    place.world.send(apply_class())
    place.publish()
    backup = place.copy()
    before = len(rows(place.world, "events"))
    place.world.send(apply_class("apply-2", "c2"))
    place.publish_only(lambda name: "SubmissionAccepted" in name, break_chain=True)
    lost = place.put_back(backup)
    assert place.recover() == REFUSED
    assert f"position {before + 2}" in capsys.readouterr().err
    assert len(rows(place.world, "events")) == before
    lost.engine.dispose()


@pytest.mark.parametrize("reached", ["TraineeEnrolled", "SubmissionAccepted"])
def test_a_submission_of_which_half_reached_kafka_is_decided_to_its_end_once(place, reached):
    """Its fact without its receipt, or its receipt without its fact: read again, it has both, each once."""
    world = place.world
    world.send(apply_class())
    world.approve("c1")
    place.publish()
    backup, before = place.copy(), world.offset
    world.send(enrol())
    place.publish_only(lambda name: reached in name)
    lost = place.put_back(backup)
    assert place.recover() == 0
    assert [type(fact).__name__ for fact in place.world.facts("TraineeEnrolled", "SubmissionAccepted")][
        -1
    ] == reached
    again(place.world, enrol(), first=before + 1)
    enrolled = place.world.facts("TraineeEnrolled")
    accepted = [fact for fact in place.world.facts("SubmissionAccepted") if fact.submission_id == "enrol-1"]
    assert (len(enrolled), len(accepted)) == (1, 1)
    named = [decode(row.state).id for row in place.world.store.page(0, 100) if "TraineeEnrolled" in row.type]
    assert accepted[0].facts == named
    again(place.world, enrol(), first=before + 1)
    assert len(place.world.facts("TraineeEnrolled", "SubmissionAccepted")) == 3
    with place.world.engine.connect() as connection:
        query = "SELECT count(*) FROM reservations WHERE scope = 'recovered.submissions'"
        assert connection.exec_driver_sql(query).scalar_one() == 0
    lost.engine.dispose()


def test_a_repeated_command_whose_answer_was_lost_is_answered_with_its_facts(place):
    """The handler sends the same Idempotency-Key again: it took effect before, and is not decided again."""
    world = place.world
    world.send(apply_class())
    place.publish()
    backup = place.copy()
    answers = [approve(world)]
    place.publish()
    lost = place.put_back(backup)
    assert place.recover() == 0
    facts = len(rows(place.world, "events"))
    answers += [approve(place.world), approve(place.world)]
    approved = [decode(row.state).id for row in place.world.store.page(0, 100) if "ClassApproved" in row.type]
    assert answers[0]["body"] == {"approved": True}
    assert [answer["body"]["facts"] for answer in answers[1:]] == [approved, approved]
    assert answers[1]["body"]["code"] == "action.recovered"
    assert len(rows(place.world, "events")) == facts
    lost.engine.dispose()


def open_next_day(world: World) -> None:
    """As a handler does."""
    day = date(2024, 5, 15)
    circumstances = msgspec.structs.replace(given(day=day), causationid=str(uuid4()))
    move = MoveDay(BusinessDayOpened(date=day, working=True))
    world.run(lambda draft: draft.execute(business_day, STREAM, move, circumstances))


def approve(world: World) -> dict:
    """Approves the class as a handler does over HTTP."""
    actor = Actor("handler", "h-class-1", frozenset(("D3",)))
    stream = class_id(USCC, "c1")

    def decide(draft, commanded: Commanded) -> dict:
        circumstances = commanded.given(draft, region="350100", correlation=stream, duty="D3")
        draft.execute(training_class, stream, ApproveClass(class_id=stream), circumstances)
        return {"body": {"approved": True}, "status": 200}

    causation = causation_id("enrolment", actor, "one key")
    command = HttpCommand(Commanded(actor, causation, "", CLOCK), b"{}", lambda _draft: Reads(), decide)
    return json.loads(run_command(world.executor, command))
