"""Event table, Kafka and ledger side by side, by position and digest: what differs, and where first.

Pure: three streams in, one report a partition out. Memory is bounded whatever the streams' length: one page a
stream, records that wait for a missing link, and the digests of the newest records for repeats.
"""

from __future__ import annotations

import heapq
import re
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

from shared.tlog.hashing import leaf_hash

NEWEST = 5_000
"""Digests kept a partition, for repeats: two relays at once repeat what was sent shortly before."""
MAX_HELD = 5_000
"""Records held while a missing link may still come; as many as readers of the topic hold."""
OLD_REPEATS = 10_000
"""Repeats of older records that are compared with the event table at once: a relay may send all again."""

EVENTS, KAFKA, LEDGER = "events", "kafka", "ledger"
PLACES = (EVENTS, KAFKA, LEDGER)
NAMES = {EVENTS: ("事件表", "the event table"), KAFKA: ("Kafka ", "Kafka"), LEDGER: ("账本", "the ledger")}

_SOURCE = re.compile(r"[\x21-\x7e]{1,128}", re.ASCII)


class Mark(NamedTuple):
    """A fact in one of the three places.

    Attributes:
        position: in its service's event table; streams of marks are ordered by position, then partition.
        partition: of the facts topic; -1 where the event table's bytes name none.
        digest: RFC 6962 leaf hash of its bytes, 32 bytes.
        at: Kafka's offset or the ledger's index; 0 in the event table.
    """

    position: int
    partition: int
    digest: bytes
    at: int = 0


class Record(NamedTuple):
    """A record as Kafka gave it."""

    offset: int
    headers: Sequence[tuple[str, bytes | None]]
    value: bytes | None


class Headers(NamedTuple):
    """What a fact's record says of its place: "<service>@<incarnation>", its position, the one before it."""

    source: str
    position: int
    previous: int


def read_headers(record: Record) -> Headers | None:
    """The headers of a fact's record; None where they, or the value, make no sense."""
    found = dict(record.headers)
    try:
        source = (found["source"] or b"").decode("ascii")
        headers = Headers(source, int(found["position"] or b""), int(found["prev"] or b""))
    except (KeyError, ValueError):
        return None
    makes_sense = 0 <= headers.previous < headers.position < 1 << 63 and _SOURCE.fullmatch(source)
    return headers if makes_sense and record.value is not None else None


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where the three don't agree.

    Attributes:
        kind: machine readable: missing_in_kafka, kafka_differs, repeat_differs, chain_broken …
        position: None where a record names none.
        zh, en: what is wrong, without the place.
    """

    service: str
    partition: int
    position: int | None
    kind: str
    zh: str
    en: str

    def __str__(self) -> str:
        """The place and what is wrong, in one line."""
        at = f"{self.service} 分区 {self.partition}"
        if self.position is not None:
            at = f"{at} 位置 {self.position}"
        return f"{at}: {self.zh} / {self.en}"


@dataclass(slots=True)
class Report:
    """What was compared on one partition of one service's facts.

    Attributes:
        counts: facts by place.
        repeats: records of Kafka that repeat an earlier one with the same bytes; no difference.
        kinds: differences by kind.
        firsts: the first difference of each kind, by position.
    """

    service: str
    partition: int
    counts: Counter[str] = field(default_factory=Counter)
    repeats: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    firsts: dict[str, Difference] = field(default_factory=dict)

    def add(self, kind: str, position: int | None, zh: str, en: str) -> None:
        """Counts a difference and keeps the first of its kind."""
        self.kinds[kind] += 1
        known = self.firsts.get(kind)
        if known is None or (position or 0) < (known.position or 0):
            self.firsts[kind] = Difference(self.service, self.partition, position, kind, zh, en)

    @property
    def differences(self) -> list[Difference]:
        """The first of each kind, those of the lowest position first."""
        return sorted(self.firsts.values(), key=lambda one: (one.position is None, one.position or 0))


class Reports:
    """One service's reports, by partition; those that nothing came for are there as well."""

    def __init__(self, service: str, partitions: int) -> None:
        self.service = service
        self._found = {one: Report(service, one) for one in range(partitions)}

    def __getitem__(self, partition: int) -> Report:
        return self._found.setdefault(partition, Report(self.service, partition))

    def all(self) -> list[Report]:
        """In the order of the partitions."""
        return [self._found[one] for one in sorted(self._found)]


Known = Callable[[Sequence[int]], Mapping[int, bytes]]
"""The event table's digests at these ascending positions."""


@dataclass(slots=True)
class Topic:
    """One partition of a facts topic, read as its chain says: unique, in position order, nothing passed over.

    Attributes:
        source: whose facts belong here, "<service>@<incarnation>".
        report: takes repeats and what is wrong with the chain.
        known: asked about repeats that are older than the digests kept.
    """

    partition: int
    source: str
    report: Report
    known: Known
    _last: int = 0
    _held: dict[int, Mark] = field(default_factory=dict)
    _newest: OrderedDict[int, bytes] = field(default_factory=OrderedDict)
    _old: list[Mark] = field(default_factory=list)

    def marks(self, records: Iterable[Record]) -> Iterator[Mark]:
        """The facts of these records, ascending."""
        for record in records:
            headers = read_headers(record)
            at = record.offset
            if headers is None or record.value is None:
                self.report.add(
                    "unreadable_record",
                    None,
                    f"Kafka 偏移 {at} 的记录头或内容无法读取",
                    f"Kafka's record at offset {at} has unreadable headers or no value",
                )
            elif headers.source != self.source:
                self.report.add(
                    "other_source",
                    headers.position,
                    f"Kafka 偏移 {at} 来自另一事件表 {headers.source}",
                    f"Kafka's record at offset {at} comes from another event table, {headers.source}",
                )
            else:
                mark = Mark(headers.position, self.partition, leaf_hash(record.value), at)
                yield from self._offer(mark, headers.previous)
        while self._held:
            yield from self._go_on_behind_a_gap()
        self._compare_old()

    def _offer(self, mark: Mark, previous: int) -> Iterator[Mark]:
        if mark.position <= self._last:
            self._repeat(mark)
        elif previous == self._last:
            yield from self._take(mark)
        elif previous in self._held and self._held[previous].position == mark.position:
            self._judge_repeat(mark, self._held[previous].digest)
        else:
            self._held[previous] = mark
            if len(self._held) >= MAX_HELD:
                yield from self._go_on_behind_a_gap()

    def _take(self, mark: Mark | None) -> Iterator[Mark]:
        while mark is not None:
            self._last = mark.position
            self._newest[mark.position] = mark.digest
            if len(self._newest) > NEWEST:
                self._newest.popitem(last=False)
            yield mark
            mark = self._held.pop(mark.position, None)

    def _go_on_behind_a_gap(self) -> Iterator[Mark]:
        """What is missing did not come: the gap is named, and reading goes on behind it."""
        previous, mark = min(self._held.items(), key=lambda held: held[1].position)
        del self._held[previous]
        if mark.position <= self._last:
            self._repeat(mark)
            return
        self.report.add(
            "chain_broken",
            mark.position,
            f"链断开：Kafka 偏移 {mark.at} 写明前一位置为 {previous}，实为 {self._last}",
            f"the chain is broken: offset {mark.at} in Kafka names {previous} before it, there is {self._last}",
        )
        yield from self._take(mark)

    def _repeat(self, mark: Mark) -> None:
        digest = self._newest.get(mark.position)
        if digest is not None:
            self._judge_repeat(mark, digest)
            return
        self._old.append(mark)
        if len(self._old) >= OLD_REPEATS:
            self._compare_old()

    def _compare_old(self) -> None:
        if self._old:
            known = self.known(sorted({mark.position for mark in self._old}))
            for mark in self._old:
                self._judge_repeat(mark, known.get(mark.position))
            self._old.clear()

    def _judge_repeat(self, mark: Mark, digest: bytes | None) -> None:
        if mark.digest == digest:
            self.report.repeats += 1
            return
        self.report.add(
            "repeat_differs",
            mark.position,
            f"Kafka 偏移 {mark.at} 重复了该位置，但内容不同",
            f"repeated in Kafka at offset {mark.at} with other bytes",
        )


def compare(places: Mapping[str, Iterable[Mark]], *, upto: int, reports: Reports) -> Iterator[int]:
    """Compares the three; yields each position, for progress. What differs goes into the reports.

    Args:
        places: by place, its marks in order. The event table must be looked at last: what is elsewhere and not
            in it was never decided there.
        upto: positions above are newer than the look; they may be under way, and are not counted.
        reports: of the service.
    """
    tagged = [_tagged(place, marks) for place, marks in places.items()]
    for (position, partition), group in groupby(heapq.merge(*tagged), key=lambda row: row[0]):
        found = {place: mark for _, place, mark in group}
        due = tuple(places) if position <= upto else (EVENTS,)
        _judge(reports[partition], position, found, due)
        yield position


def _tagged(place: str, marks: Iterable[Mark]) -> Iterator[tuple[tuple[int, int], str, Mark]]:
    return ((mark[:2], place, mark) for mark in marks)


def _judge(report: Report, position: int, found: Mapping[str, Mark], due: Sequence[str]) -> None:
    if len(due) > 1:
        report.counts.update(found.keys())
    missing = [place for place in due if place not in found]
    if missing:
        zh = "、".join(f"{NAMES[place][0]}缺失" for place in missing)
        en = "missing in " + " and ".join(NAMES[place][1] for place in missing)
        report.add("missing_in_" + "_and_".join(missing), position, zh, en)
    if len({mark.digest for mark in found.values()}) > 1:
        _add_differing(report, position, found)


def _add_differing(report: Report, position: int, found: Mapping[str, Mark]) -> None:
    often = Counter(mark.digest for mark in found.values())
    odd = [place for place, mark in found.items() if often[mark.digest] == 1]
    at = _where(found)
    if len(odd) == 1:
        zh, en = NAMES[odd[0]]
        told = f"{zh}的内容与另两处不同（{at}）", f"other bytes in {en} than in the other two ({at})"
        report.add(f"{odd[0]}_differs", position, *told)
        return
    zh, en = (" ≠ ".join(NAMES[place][language].strip() for place in odd) for language in (0, 1))
    report.add(
        "_and_".join(odd) + "_differ", position, f"内容不同：{zh}（{at}）", f"other bytes: {en} ({at})"
    )


def _where(found: Mapping[str, Mark]) -> str:
    where = [(KAFKA, "offset"), (LEDGER, "index")]
    return ", ".join(f"{name} {found[place].at}" for place, name in where if place in found)
