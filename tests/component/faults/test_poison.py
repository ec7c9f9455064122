"""Poison: a foreign fact that can't be taken in is parked, its key waits behind it, and the partition flows on."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Annotated

import pytest
from aiokafka import TopicPartition
from confluent_kafka import Producer
from fastapi import Header
from fastapi.testclient import TestClient

from shared.access.actor import Actor
from shared.businessday.adopt import OPENED, adopt
from shared.contracts.enrolment import InstitutionRegistered
from shared.contracts.fact import Circumstances, decode, encode, type_of
from shared.contracts.intake import BusinessDayAdopted
from shared.eventstore.businessdate import STREAM, MoveDay, business_day, business_day_reads
from shared.eventstore.execute import Executor
from shared.eventstore.sql import SqlStore, make_engine
from shared.identity import derive_id
from shared.messaging.connect import KafkaAccess
from shared.messaging.consumer import BatchConsumer
from shared.messaging.foreign import ForeignFacts
from shared.messaging.parked_facts import discarded_effects, failed_facts
from shared.messaging.topics import FactHeaders
from shared.messaging.wakeup import WakeUp
from shared.runtime.migrate import create_kernel
from shared.runtime.parked_api import parked_router
from shared.testing.web import mounted
from tests.component.messaging.test_consumer import until
from tests.deciding import decide
from tests.domain.kernel.intake_world import Step

NAME = type_of("enrolment", InstitutionRegistered).name
SOURCE = "enrolment@00000000-0000-4000-8000-000000000001"
NOW = datetime(2026, 11, 24, 1, tzinfo=UTC)
CONSUMER = "certification.policies"
PARTITION = TopicPartition("poison", 0)


def given(day: date = date(2024, 5, 14)) -> Circumstances:
    return Circumstances(
        occurredat=NOW, businessdate=day, actor="system:enrolment", duty="SYSTEM", region="350000",
        correlationid="c", causationid="c", traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-01",
    )  # fmt: skip


def registered(name: str, *, version: int = 1) -> bytes:
    """A fact about the organisation of this name: its key in Kafka is the name."""
    fact = InstitutionRegistered(uscc="91350100MA3000011B", name=name, kind="TRAINING", region="350100")
    stream = derive_id("poison", name)
    return encode("enrolment", fact, stream=stream, version=version, given=given(), now=NOW).state


class Fault:
    """A policy with a fault of ours, until it is mended."""

    def __init__(self) -> None:
        self.mended = False
        self.took: list[tuple[str, int]] = []

    def __call__(self, fact) -> list:
        if not self.mended and fact.data.name == "poisoned" and fact.streamversion == 1:
            raise KeyError("no such region")
        self.took.append((fact.data.name, fact.streamversion))
        return []


@dataclass
class Service:
    """What a service has of the kernel, on real servers."""

    engine: object
    executor: Executor
    foreign: ForeignFacts
    fault: Fault

    def known(self) -> list[tuple[str, int]]:
        with self.engine.connect() as connection:
            rows = connection.exec_driver_sql(
                "SELECT subject::text, version FROM foreign_facts ORDER BY 1, 2"
            )
            return [tuple(row) for row in rows]

    def parked(self) -> list[tuple[str, int, bool]]:
        """(key, position, whether it failed itself), in the order of the line."""
        with self.engine.connect() as connection:
            query = "SELECT key, position, error <> '' FROM parked_facts ORDER BY seq"
            return [tuple(row) for row in connection.exec_driver_sql(query)]


@pytest.fixture
def url(fresh_database):
    made = fresh_database()
    engine = make_engine(made)
    with engine.begin() as connection:
        create_kernel(connection)
    engine.dispose()
    return made


@pytest.fixture
def make_service(url):
    made = []

    def make(*, before_lock=None, fault: Fault | None = None) -> Service:
        engine, policy = make_engine(url), fault or Fault()
        store = SqlStore(engine, before_lock=before_lock)
        executor = Executor("certification", store, discarded_effects, always=business_day_reads())
        policies = {"enrolment": {InstitutionRegistered: policy}}
        made.append(engine)
        return Service(engine, executor, ForeignFacts(CONSUMER, executor, policies, {OPENED: adopt}), policy)

    yield make
    for engine in made:
        engine.dispose()


@pytest.fixture
def service(make_service) -> Service:
    made = make_service()
    day = MoveDay(BusinessDayAdopted(date=date(2024, 5, 14), working=True))
    made.executor.run([Step(lambda draft: draft.execute(business_day, STREAM, day, given()))])
    return made


@pytest.fixture
def kafka(servers) -> KafkaAccess:
    return KafkaAccess(servers.kafka.bootstrap, servers.kafka.user, servers.kafka.password)


@pytest.fixture
def send(servers):
    """Sends facts in chain order: (key, value, type)."""
    producer, last = Producer(servers.kafka.settings()), 0

    def send(topic: str, *rows: tuple[str, bytes]) -> int:
        nonlocal last
        for key, value in rows:
            headers = FactHeaders(NAME, SOURCE, last + 1, last).encode()
            producer.produce(topic, value, key.encode(), 0, headers=headers)
            last += 1
        assert producer.flush(20) == 0
        return last

    return send


@contextlib.asynccontextmanager
async def consuming(kafka: KafkaAccess, group: str, topic: str, foreign: ForeignFacts):
    consumer, broker = BatchConsumer(group, [topic], foreign), kafka.broker()
    consumer.subscribe(broker)
    async with broker:
        await broker.start()
        yield consumer


def decided(service: Service) -> int:
    return max((at.position for at in service.executor.store.positions(CONSUMER).values()), default=0)


async def test_a_fact_that_fails_parks_with_its_error_and_its_key_waits_while_the_partition_flows_on(
    service, kafka, send, fresh_topic, unique
):
    """Bytes that are no fact and a fault of ours alike; of other keys everything is taken in, nothing stops."""
    topic = fresh_topic()
    last = send(
        topic,
        ("poisoned", registered("poisoned")),
        ("fine", registered("fine")),
        ("junk", b"{not a fact"),
        ("poisoned", registered("poisoned", version=2)),
        ("fine", registered("fine", version=2)),
        ("junk", registered("junk", version=2)),
    )
    async with consuming(kafka, unique("g"), topic, service.foreign) as consumer:
        await until(lambda: decided(service) == last)
        assert consumer.stopped == {}
    assert service.known() == [(derive_id("poison", "fine"), 1), (derive_id("poison", "fine"), 2)]
    assert service.parked() == [
        ("poisoned", 1, True), ("junk", 3, True), ("poisoned", 4, False), ("junk", 6, False),
    ]  # fmt: skip
    (poisoned, behind), (junk, _) = failed_facts(service.engine, 10)
    assert (poisoned.error, behind) == ("KeyError: 'no such region'", 1)
    assert "in __call__" in poisoned.trace
    assert poisoned.traceparent == given().traceparent
    assert junk.error.startswith("DecodeError")
    assert junk.state == b"{not a fact"


async def test_after_a_restart_later_facts_of_the_key_still_wait_and_a_retry_takes_all_in_order(
    service, make_service, kafka, send, fresh_topic, unique
):
    """The line stands in the database; mended, it goes in whole, in order, and the key is free again."""
    topic, group = fresh_topic(), unique("g")
    send(topic, ("poisoned", registered("poisoned")), ("poisoned", registered("poisoned", version=2)))
    async with consuming(kafka, group, topic, service.foreign):
        await until(lambda: decided(service) == 2)
    later = make_service()
    last = send(topic, ("poisoned", registered("poisoned", version=3)))
    async with consuming(kafka, group, topic, later.foreign):
        await until(lambda: decided(later) == last)
        assert len(later.parked()) == 3
        assert later.foreign.take_parked(later.engine, "poisoned") == 0
        assert later.parked()[0] == ("poisoned", 1, True)
        later.fault.mended = True
        assert later.foreign.take_parked(later.engine, "poisoned") == 3
        assert (later.parked(), later.fault.took) == ([], [("poisoned", n) for n in (1, 2, 3)])
        last = send(topic, ("poisoned", registered("poisoned", version=4)))
        await until(lambda: decided(later) == last)
    assert later.fault.took[-1] == ("poisoned", 4)
    assert [version for _, version in later.known()] == [1, 2, 3, 4]


def records(*versions: int) -> list:
    """Facts of the poisoned key as a consumer would read them."""
    return [
        SimpleNamespace(
            topic=PARTITION.topic, partition=0, offset=version - 1, key=b"poisoned",
            value=registered("poisoned", version=version),
            headers=FactHeaders(NAME, SOURCE, version, version - 1).encode(),
        )
        for version in versions
    ]  # fmt: skip


def test_a_fact_that_parks_while_the_line_is_taken_in_is_neither_lost_nor_overtakes(service, make_service):
    """Between deciding and the lock another worker parks one behind: the re-check sees it, it goes in last."""
    decide(service.foreign, PARTITION, records(1, 2))
    fault = Fault()
    fault.mended = True
    between = [lambda: decide(service.foreign, PARTITION, records(3))]
    retrying = make_service(before_lock=lambda: between and between.pop()(), fault=fault)
    assert retrying.foreign.take_parked(retrying.engine, "poisoned") == 3
    assert retrying.executor.conflicts == 1
    assert fault.took[-3:] == [("poisoned", 1), ("poisoned", 2), ("poisoned", 3)]
    assert service.parked() == []


def test_a_fact_that_is_about_to_wait_behind_goes_in_when_the_line_has_just_gone(service, make_service):
    """The other way round: the line is taken in between deciding to wait and the lock."""
    decide(service.foreign, PARTITION, records(1))
    service.fault.mended = True
    between = [lambda: service.foreign.take_parked(service.engine, "poisoned")]
    other = make_service(before_lock=lambda: between and between.pop()())
    decide(other.foreign, PARTITION, records(2))
    assert other.executor.conflicts == 1
    assert (service.parked(), other.fault.took) == ([], [("poisoned", 2)])


class Operators:
    """The routes that operators have, asked by one or another of them."""

    def __init__(self, service: Service) -> None:
        context = SimpleNamespace(
            authenticate=_bearer, engine=service.engine, executor=service.executor, foreign=service.foreign,
            consumers=[], wakeup=WakeUp(service.engine),
        )  # fmt: skip
        self._http = TestClient(mounted("certification", parked_router(context)))
        self._keys = iter(range(1_000))

    def get(self, path: str, who: str = "h-1"):
        return self._http.get(path, headers={"Authorization": who})

    def post(self, path: str, who: str, body: dict):
        headers = {"Authorization": who, "Idempotency-Key": f"k{next(self._keys)}"}
        return self._http.post(path, json=body, headers=headers)


def _bearer(authorization: Annotated[str, Header()] = "") -> Actor:
    duties = frozenset(("OPERATOR",)) if authorization.startswith("h-") else frozenset()
    return Actor("handler", authorization, duties)


def test_operators_see_why_since_when_and_what_waits_behind(service):
    """List and show: error, trace, the fact itself, the line; for operators alone."""
    decide(service.foreign, PARTITION, records(1, 2))
    operators = Operators(service)
    (item,) = operators.get("/parked-facts").json()["items"]
    assert (item["type"], item["position"], item["behind"]) == (NAME, 1, 1)
    assert item["error"] == "KeyError: 'no such region'"
    shown = operators.get(f"/parked-facts/{item['id']}").json()
    assert "KeyError" in shown["trace"]
    assert shown["fact"]["data"]["name"] == "poisoned"
    assert [one["position"] for one in shown["behind"]] == [2]
    assert operators.get("/parked-facts", "somebody").status_code == 403
    unknown = operators.get(f"/parked-facts/{derive_id('none')}")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "parked.unknown")


def test_a_retry_says_what_still_fails_and_what_went_in(service):
    """Before the fault is mended nothing moves; afterwards the whole line does."""
    decide(service.foreign, PARTITION, records(1, 2))
    operators = Operators(service)
    (item,) = operators.get("/parked-facts").json()["items"]
    path = f"/parked-facts/{item['id']}/retry"
    tried = operators.post(path, "h-1", {}).json()
    assert tried == {"taken": 0, "left": 2, "error": "KeyError: 'no such region'"}
    service.fault.mended = True
    assert operators.post(path, "h-1", {}).json() == {"taken": 2, "left": 0, "error": ""}
    assert service.parked() == []


def test_a_fact_is_given_up_by_two_people_and_what_waited_behind_goes_in(service, make_service):
    """One asks, the same one can't agree, a second does; both stand in facts, and it never parks again."""
    decide(service.foreign, PARTITION, records(1, 2))
    operators = Operators(service)
    (item,) = operators.get("/parked-facts").json()["items"]
    path, body = f"/parked-facts/{item['id']}/discard", {"reason": "wrong-region"}
    waiting = derive_id(CONSUMER, SOURCE, PARTITION.topic, "0", "2")
    behind = operators.post(f"/parked-facts/{waiting}/discard", "h-1", body)
    assert (behind.status_code, behind.json()["code"]) == (409, "parked.waits_behind")
    asked = operators.post(path, "h-1", body)
    assert (asked.status_code, asked.json()["discarded"]) == (200, False)
    alone = operators.post(path, "h-1", body)
    assert (alone.status_code, alone.json()["code"]) == (409, "parked.second_person_needed")
    assert len(service.parked()) == 2
    agreed = operators.post(path, "h-2", body).json()
    assert (agreed["discarded"], agreed["asked_by"]) == (True, "h-1")
    assert (service.parked(), service.known()) == ([], [(derive_id("poison", "poisoned"), 2)])
    told = [decode(row.state).data for row in service.executor.store.page(0, 100)][-2:]
    assert [type(fact).__name__ for fact in told] == ["ForeignFactDiscardRequested", "ForeignFactDiscarded"]
    assert [fact.handler_id for fact in told] == ["h-1", "h-2"]
    assert told[0].reason == "wrong-region"

    with service.engine.begin() as connection:  # as after a restore to before the fact was read
        connection.exec_driver_sql("DELETE FROM positions")
    again = make_service()
    decide(again.foreign, PARTITION, records(1, 2))
    assert again.parked() == []


async def test_partitions_that_stopped_are_read_again_when_an_operator_says_so(
    service, kafka, send, servers, fresh_topic, unique
):
    """A record without readable headers stops its partition; resumed, it stops again while the reason stands."""
    topic = fresh_topic()
    send(topic, ("fine", registered("fine")))
    producer = Producer(servers.kafka.settings())
    producer.produce(topic, b"no headers", b"k", 0)
    assert producer.flush(20) == 0
    async with consuming(kafka, unique("g"), topic, service.foreign) as consumer:
        await until(lambda: consumer.stopped)
        assert decided(service) == 1
        (stopped,) = await consumer.resume_stopped()
        assert stopped.topic == topic
        await until(lambda: consumer.stopped)
    assert decided(service) == 1
