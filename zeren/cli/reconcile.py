"""`zeren audit reconcile`: event tables, Kafka and the ledger side by side, by position and digest."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import click
from confluent_kafka import Message

from zeren.cli.output import fail, json_option, print_json, timed_progress
from zeren.cli.reconciled import Compared, as_answer, show_compared
from zeren.cli.states import NOT_RUNNING, running_state, state_option
from zeren.stack.client import Local, ServiceRefused
from zeren.stack.errors import ProcessFailed
from zeren.stack.facts import PARTITIONS, EventTable, FactsTopic, Place, facts_topic, ledgered, settle
from zeren.stack.kafka import KafkaEndpoint
from zeren.stack.local import SERVICES, running_servers
from zeren.stack.state import StateFolder
from zeren.stack.whole import ledger_vkey
from zeren.verify import ledger as verifier
from zeren.verify.files import SourceReader
from zeren.verify.leaf_hashes import LeafHashes
from zeren.verify.reconcile import (
    EVENTS,
    KAFKA,
    LEDGER,
    Mark,
    Record,
    Report,
    Reports,
    Topic,
    compare,
)
from zeren.verify.sources import open_source

READER = "svc-audit"
"""The principal that may read every facts topic."""
EVERY = 20_000
"""Positions, or leaves, between two lines of progress."""
DIFFERENT = 1
UNAVAILABLE = 500

Show = Callable[[str], None]


@click.command("reconcile")
@click.option("--service", type=click.Choice(SERVICES), help="只比较该服务 / this service alone")
@click.option(
    "--wait",
    type=click.FloatRange(0, 600),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="最多等多久，让在途事实到达 Kafka 与账本 / how long facts under way may take to arrive",
)
@state_option
@json_option
def reconcile(service: str | None, wait: float, state_name: str | None, *, as_json: bool) -> None:
    """对账：事件表、Kafka、账本逐位置比对摘要 / Compare event tables, Kafka and ledger by position and digest.

    比对开始时已决定的全部事实；此后的新事实不算差异。在途事实先等待到达，逾时仍缺的算差异。
    Compared is what was decided when the command began; what comes later is no difference. Facts under way are
    waited for first; what is still missing then is a difference.

    \b
    信任谁 / What is trusted:
    - Kafka 的记录与账本的条目在本机散列，账本根对照已签名的检查点。
      Kafka's records and the ledger's entries are hashed here, the ledger's root against its signed checkpoint.
    - 事件表的摘要由各服务计算；服务若谎报，与 Kafka 不符即暴露。
      The event tables' digests are the services' word; a false one differs from Kafka.
    - 叶的位置由审计服务告知；每片叶只能认领一次，多余与错位都会列出。
      Which leaf is which fact's is audit's word; each is claimed once, what is left over or moved is named.

    退出码 / exit codes: 0 一致 the same · 1 有差异 different · 3 无法连接 out of reach
    """  # noqa: D301 - click's mark for lines that keep their ends
    state = running_state(state_name)
    try:
        endpoint = running_servers(state).kafka_as(READER)
        found = compare_all(
            state,
            endpoint,
            (service,) if service else SERVICES,
            seconds=wait,
            show=timed_progress(to_stderr=True),
        )
    except (ProcessFailed, ServiceRefused) as error:
        if isinstance(error, ServiceRefused) and error.status < UNAVAILABLE:
            raise
        fail(NOT_RUNNING, str(error))
    if as_json:
        print_json(as_answer(found))
    else:
        show_compared(found)
    if not found.same:
        raise click.exceptions.Exit(DIFFERENT)


def compare_all(
    state: StateFolder, endpoint: KafkaEndpoint, services: Sequence[str], *, seconds: float, show: Show
) -> Compared:
    """Compares these services' facts. Raises: ServiceUnreachable, ServiceRefused, TlogError."""
    with Local(state) as stack:
        looks = {service: EventTable(stack, service).look() for service in services}
        heads = {service: head for service, (_, head) in looks.items()}
        topics = {service: FactsTopic(endpoint, facts_topic(service)) for service in services}
        show("等待在途事实 / waiting for facts under way")
        where, vkey = f"{stack.url('audit')}/log", ledger_vkey(state)
        settled = settle(
            stack,
            heads,
            lambda service: topics[service].places(),
            published=lambda: verifier.checkpoint(where, vkey).checkpoint.size,
            seconds=seconds,
        )
        places = {service: topics[service].places() for service in services}
        signed = verifier.checkpoint(where, vkey).checkpoint
        with open_source(where) as source, LeafHashes(signed.size) as hashes:
            hashes.read(SourceReader(source), signed, _telling(show, "账本 / ledger"))
            reports = []
            for service in services:
                one = _Comparison(stack, service, *looks[service], topics[service], hashes)
                # Looked at after Kafka's ends and the ledger's size: whatever lies there stands in it by now.
                reports += one.run(places[service], EventTable(stack, service).look()[1], show)
            unclaimed = hashes.unclaimed() if set(services) == set(SERVICES) else None
            whole = hashes.root_agrees, tuple(hashes.unreadable)
    return Compared(settled, heads, reports, signed.size, *whole, unclaimed)


@dataclass(frozen=True, slots=True)
class _Comparison:
    """One service's three places, streamed."""

    stack: Local
    service: str
    source: str
    head: int
    topic: FactsTopic
    hashes: LeafHashes

    def run(self, places: Sequence[Place], seen: int, show: Show) -> list[Report]:
        reports = Reports(self.service, PARTITIONS)
        table = EventTable(self.stack, self.service)
        rows = (Mark(*row) for row in table.rows(seen))
        sent = heapq.merge(*(self._sent(place, reports, table) for place in places))
        leaves = heapq.merge(*(self._leaves(one, reports) for one in range(PARTITIONS)))
        tell = _telling(show, self.service)
        streams = {EVENTS: rows, KAFKA: sent, LEDGER: leaves}
        for position in compare(streams, upto=self.head, reports=reports):
            tell(min(position, seen), seen)
        return reports.all()

    def _sent(self, place: Place, reports: Reports, table: EventTable) -> Iterator[Mark]:
        report = reports[place.partition]
        partition = Topic(place.partition, self.source, report, table.digests)
        return partition.marks(_record(message) for message in self.topic.records(place))

    def _leaves(self, partition: int, reports: Reports) -> Iterator[Mark]:
        for position, index in ledgered(self.stack, self.source, partition):
            if index >= self.hashes.size:
                return
            try:
                digest = self.hashes.claim(index)
            except ValueError:
                told = f"账本序号 {index} 被重复认领", f"the ledger's index {index} is claimed twice"
                reports[partition].add("leaf_claimed_twice", position, *told)
            else:
                yield Mark(position, partition, digest, index)


def _record(message: Message) -> Record:
    headers = message.headers()
    rows = list(headers.items()) if isinstance(headers, dict) else headers or []
    plain = [(name, value.encode() if isinstance(value, str) else value) for name, value in rows]
    value = message.value()
    return Record(message.offset() or 0, plain, value.encode() if isinstance(value, str) else value)


def _telling(show: Show, name: str) -> Callable[[int, int], None]:
    told = 0

    def tell(done: int, whole: int) -> None:
        nonlocal told
        if done != told and (done - told >= EVERY or done == whole):
            told = done
            show(f"{name} {done}/{whole}")

    return tell
