"""Three brokers: the loss of one is not noticed, that of two is waited for; nothing is lost, doubled or reordered."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Self

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from confluent_kafka.admin import ConfigResource, ResourceType

from shared.messaging.connect import CLOSE_SECONDS, KafkaAccess, let_go
from shared.messaging.consumer import BatchConsumer, Batches, Next
from tests.component.faults.outage import records_of
from zeren.cli.entry import main
from zeren.stack import doctor, kafka
from zeren.stack.errors import StateBroken
from zeren.stack.local import Servers, own_servers, reset, start_servers
from zeren.stack.state import StateFolder
from zeren.stack.supervisor import Supervisor

pytestmark = pytest.mark.timeout(400)

PARTITIONS = 6
FACTS = "zeren.payment.facts.v1"


@pytest.fixture(scope="module")
def cluster(fresh_state: Callable[[], StateFolder]) -> Iterator[Servers]:
    """Three brokers that the tests of this file may kill."""
    state = fresh_state()
    with state.locked():
        yield start_servers(state, brokers=3)
        reset(state)


def kill(servers: Servers, *nodes: int) -> None:
    """Kill -9 of these brokers."""
    pids = {one.name: one.pid for one in Supervisor(servers.state).status()}
    for node in nodes:
        os.kill(pids[f"kafka-{node}"], signal.SIGKILL)


def records(servers: Servers, topic: str) -> list[list[bytes]]:
    """Every value of a topic, by partition."""
    return [[one.value() for one in found] for found in records_of(servers.kafka, topic, PARTITIONS)]


def access(servers: Servers) -> KafkaAccess:
    """The cluster as a service reaches it."""
    return KafkaAccess(servers.kafka.bootstrap, servers.kafka.user, servers.kafka.password)


class Reader:
    """A worker that takes each record of a partition once, by its offset, as those with a database do."""

    def __init__(self) -> None:
        self.seen: dict[int, list[bytes]] = defaultdict(list)

    def count(self) -> int:
        """How many records it has."""
        return sum(map(len, self.seen.values()))

    def decide(self, batches: Batches) -> dict[TopicPartition, Next]:
        for partition, records in batches.items():
            taken = self.seen[partition.partition]
            taken += [one.value for one in records if one.offset >= len(taken)]
        return {partition: int(records[-1].offset) + 1 for partition, records in batches.items()}

    def forget(self) -> None:
        """It remembers nothing."""

    def resume(self, partition: TopicPartition) -> int:
        return len(self.seen[partition.partition])

    def overdue(self) -> tuple[()]:
        return ()

    def other_logs(self, _ends) -> tuple[()]:
        return ()


class Sending:
    """Records sent as a relay sends them: idempotent, to every partition, each acknowledged by two brokers."""

    def __init__(self, servers: Servers, topic: str) -> None:
        self._producer, self._topic = access(servers).producer(), topic
        self.futures: list[asyncio.Future[object]] = []

    async def __aenter__(self) -> Self:
        await self._producer.start()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._producer.stop()

    async def some(self, count: int, *, pause: float = 0.0) -> None:
        """Sends so many more."""
        for _ in range(count):
            number = len(self.futures)
            sent = await self._producer.send(self._topic, b"%d" % number, partition=number % PARTITIONS)
            self.futures.append(sent)
            await asyncio.sleep(pause)

    def expected(self) -> list[list[bytes]]:
        """What must lie in each partition, in order."""
        return [[b"%d" % n for n in range(p, len(self.futures), PARTITIONS)] for p in range(PARTITIONS)]


async def assert_it_can_be_closed(producer: AIOKafkaProducer) -> None:
    """Though it still holds what it can't send: a service that is told to stop must not wait for Kafka."""
    held = await producer.send("zeren.audit.facts.v1", b"held", partition=0)
    async with asyncio.timeout(CLOSE_SECONDS + 15):
        await let_go(producer)
    held.cancel()


def test_a_cluster_of_three_is_made_of_three_copies_of_which_two_count(cluster: Servers) -> None:
    """Every declared topic; never is a copy that lacks records made leader."""
    admin = cluster.kafka.admin()
    topics = {name: one for name, one in admin.list_topics(timeout=30).topics.items() if name[:6] == "zeren."}
    copies = {len(one.replicas) for topic in topics.values() for one in topic.partitions.values()}
    asked = [ConfigResource(ResourceType.TOPIC, name) for name in topics]
    found = [one.result(30) for one in admin.describe_configs(asked).values()]
    assert copies == {3}
    assert {one["min.insync.replicas"].value for one in found} == {"2"}
    assert {one["unclean.leader.election.enable"].value for one in found} == {"false"}


def test_the_number_of_brokers_is_remembered_and_never_changes(
    cluster: Servers, capsys: pytest.CaptureFixture[str], fresh_state: Callable[[], StateFolder]
) -> None:
    """A later start without the option keeps it; another number is refused, with the way out; one stays the default."""
    assert start_servers(cluster.state).kafka == cluster.kafka
    assert own_servers(cluster.state) == ("postgres", "kafka-1", "kafka-2", "kafka-3")
    with pytest.raises(StateBroken, match="zeren reset"):
        start_servers(cluster.state, brokers=1)
    single = fresh_state()
    (single.path / "kafka" / "data").mkdir()
    assert main(["up", "--state", single.path.name, "--brokers", "3"]) != 0
    assert "zeren reset" in capsys.readouterr().err
    assert kafka.broker_names(single) == ("kafka",)


async def test_one_of_three_killed_under_load(cluster: Servers) -> None:
    """No send fails, nothing is lost, doubled or reordered, and the doctor names the loss until it is mended."""
    topic = "zeren.enrolment.facts.v1"
    reader, broker = Reader(), access(cluster).broker()
    BatchConsumer("enrolment.reader", [topic], reader).subscribe(broker)
    async with Sending(cluster, topic) as sending, broker:
        await broker.start()
        await sending.some(600)
        kill(cluster, 1)
        await sending.some(1_200, pause=0.005)
        async with asyncio.timeout(120):
            await asyncio.gather(*sending.futures)
        assert records(cluster, topic) == sending.expected()
        found = {one.check: one for one in doctor.examine(cluster.state.path.name)}
        assert not found["process kafka-1"].ok
        assert (found["kafka"].ok, "2/3" in found["kafka"].found) == (False, True)
        await asyncio.to_thread(start_servers, cluster.state)
        await sending.some(60)
        await asyncio.gather(*sending.futures)
        async with asyncio.timeout(120):
            while reader.count() < len(sending.futures):
                await asyncio.sleep(0.05)
    assert records(cluster, topic) == sending.expected()
    assert reader.seen == dict(enumerate(sending.expected()))


async def test_two_of_three_killed_under_load(cluster: Servers) -> None:
    """Sends wait: two copies can't be made. Both are started again: all of them arrive, once and in order."""
    async with Sending(cluster, FACTS) as sending:
        await sending.some(600)
        await asyncio.gather(*sending.futures)
        other = access(cluster).producer()
        await other.start()
        await other.send_and_wait("zeren.audit.facts.v1", b"sent", partition=0)
        kill(cluster, 2, 3)
        await sending.some(600)
        until = time.monotonic() + 6
        while time.monotonic() < until:
            await asyncio.sleep(0.1)
        await assert_it_can_be_closed(other)
        waiting = [one for one in sending.futures if not one.done()]
        assert [one for one in sending.futures if one.done() and one.exception()] == []
        assert waiting
        await asyncio.to_thread(start_servers, cluster.state)
        async with asyncio.timeout(120):
            await asyncio.gather(*sending.futures)
    assert records(cluster, FACTS) == sending.expected()
