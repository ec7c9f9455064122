"""The checker: pure functions over plain rows of the raw stores. Each answers what is wrong, in words.

It trusts no service: only the bytes of facts, and how their ids follow from stream and version.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping

from shared.contracts.fact import decode, fact_id, header
from shared.contracts.intake import SubmissionAccepted, SubmissionRejected
from shared.identity import derive_id
from shared.messaging.topics import partition_of
from tests.chaos.money import bank_lines, batches, claim_rows, entitlements, payments
from tests.chaos.rows import Sent, Stored, Stores

Check = Callable[[Stores], Iterable[str]]
Receipt = SubmissionAccepted | SubmissionRejected
RECEIPTS = (".SubmissionAccepted.", ".SubmissionRejected.")


def check(stores: Stores) -> dict[str, list[str]]:
    """By check, what it found; empty lists where all is as it must be."""
    return {name: list(look(stores)) for name, look in CHECKS.items()}


def streams(stores: Stores) -> Iterator[str]:
    """Every stream's versions are 1, 2, 3 … in the order of positions; every id follows from them."""
    by_stream: dict[tuple[str, str], list[Stored]] = defaultdict(list)
    for row in stores.stored:
        by_stream[row.source, row.stream].append(row)
    for (source, stream), rows in by_stream.items():
        versions = [row.version for row in sorted(rows, key=lambda row: row.position)]
        if versions != list(range(1, len(rows) + 1)):
            yield f"流版本有缺口或重复 / stream {stream} of {source} has the versions {versions}"
    for row in stores.stored:
        told = header(row.state)
        if (told.id, told.subject, told.streamversion) != (
            fact_id(row.stream, row.version), row.stream, row.version
        ):  # fmt: skip
            yield f"事实与其行不符 / {row.source} position {row.position} holds another fact than its row says"


def positions(stores: Stores) -> Iterator[str]:
    """No position of a source stands twice, and none of its facts' ids."""
    places = Counter((row.source, row.position) for row in stores.stored)
    ids = Counter((row.source, header(row.state).id) for row in stores.stored)
    yield from (f"位置重复 / position {place} stands {n} times" for place, n in places.items() if n > 1)
    yield from (f"事实编号重复 / fact {one} stands {n} times" for one, n in ids.items() if n > 1)


def kafka_holds_the_table(stores: Stores) -> Iterator[str]:
    """Kafka's facts topics and the event tables hold the same facts, byte for byte, each at its key's partition."""
    table = {(row.source, row.position): row.state for row in stores.stored}
    sent: dict[tuple[str, int], Sent] = {}
    for record in stores.sent:
        place = record.source, record.position
        first = sent.setdefault(place, record)
        if (first.value, first.partition) != (record.value, record.partition):
            yield f"Kafka 中同一位置有两种内容 / {place} was sent twice in two ways"
    for place in sorted(table.keys() - sent.keys()):
        yield f"Kafka 缺失 / {place} is missing in Kafka"
    for place in sorted(sent.keys() - table.keys()):
        yield f"事件表缺失 / {place} is in Kafka only"
    for place in sorted(sent.keys() & table.keys()):
        record = sent[place]
        key = header(table[place]).partitionkey
        if record.value != table[place]:
            yield f"内容不同 / {place} has other bytes in Kafka"
        elif record.key != key.encode() or record.partition != partition_of(key):
            yield f"分区或键不符 / {place} lies under another key or partition than its own"


def kafka_chain(stores: Stores) -> Iterator[str]:
    """In each partition every record names the one before; first arrivals come in the order of positions."""
    for (source, partition), records in _first_arrivals(stores.sent).items():
        arrived = [record.position for record in records]
        if arrived != sorted(arrived):
            yield f"Kafka 次序不符 / partition {partition} of {source}: positions came out of order"
        before = 0
        for record in sorted(records, key=lambda one: one.position):
            if record.previous != before:
                yield (
                    f"链断开 / partition {partition} of {source}: position {record.position} names "
                    f"{record.previous} before it, not {before}"
                )
            before = record.position


def kafka_stream_order(stores: Stores) -> Iterator[str]:
    """Within a stream Kafka's order is the table's."""
    for (source, _), records in _first_arrivals(stores.sent).items():
        last: dict[str, int] = {}
        for record in records:
            told = header(record.value)
            if told.streamversion != last.get(told.subject, 0) + 1:
                yield f"流内次序不符 / stream {told.subject} of {source}: version {told.streamversion} out of turn"
            last[told.subject] = told.streamversion


def _first_arrivals(sent: Iterable[Sent]) -> dict[tuple[str, int], list[Sent]]:
    """By source and partition, in the order of offsets, without repeats."""
    found: dict[tuple[str, int], dict[int, Sent]] = defaultdict(dict)
    for record in sorted(sent, key=lambda one: (one.service, one.partition, one.offset)):
        found[record.source, record.partition].setdefault(record.position, record)
    return {place: list(records.values()) for place, records in found.items()}


def ledger(stores: Stores) -> Iterator[str]:
    """The ledger is the union of the event tables: each fact one leaf, in order per source and partition."""
    indexes = sorted(leaf.index for leaf in stores.leaves)
    if indexes != list(range(len(indexes))):
        yield "账本序号有缺口或重复 / the ledger's indexes are not 0, 1, 2 …"
    table = {(row.source, row.position): row.state for row in stores.stored}
    leaves = Counter((leaf.source, leaf.position) for leaf in stores.leaves)
    for place in sorted(table.keys() - leaves.keys()):
        yield f"账本缺失 / {place} is not in the ledger"
    for place, count in sorted(leaves.items()):
        if count > 1:
            yield f"账本重复 / {place} stands {count} times in the ledger"
    last: dict[tuple[str, int], int] = {}
    for leaf in sorted(stores.leaves, key=lambda one: one.index):
        place = leaf.source, leaf.partition
        if leaf.position <= last.get(place, 0):
            yield f"账本次序不符 / position {leaf.position} of {place} stands after a later one"
        last[place] = leaf.position
        if table.get((leaf.source, leaf.position)) != leaf.entry:
            yield f"账本内容不同 / leaf {leaf.index} is not what the event table holds"


def submissions(stores: Stores) -> Iterator[str]:
    """What Kafka acknowledged is there; every record has one outcome: a receipt, or a quarantine fact."""
    taken = {(one.service, one.partition, one.offset): one.digest for one in stores.taken}
    for one in stores.acknowledged:
        if taken.get((one.service, one.partition, one.offset)) != one.digest:
            place = f"{one.service} {one.partition}/{one.offset}"
            yield f"已确认的报送丢失 / the acknowledged submission {one.digest[:12]} is not at {place}"
    given = Counter(
        (row.service, receipt.origin.digest) for row, receipt in _receipts(stores.stored).values()
    )
    quarantined = Counter(
        (row.service, row.stream) for row in stores.stored if ".SubmissionQuarantined." in row.type
    )
    signed = Counter((service, digest) for service, digest, _ in _distinct(stores))
    for service, digest, whole in sorted(_distinct(stores)):
        junk = quarantined[service, derive_id(service, "quarantine", whole)]
        outcomes = given[service, digest] + junk
        # One body under two signatures may be answered under the good one and be in quarantine under the other.
        if outcomes == 0 or junk > 1 or (outcomes > 1 and signed[service, digest] == 1):
            yield f"报送应有一个结果 / the submission {digest[:12]} to {service} has {outcomes} outcomes, not one"


def _distinct(stores: Stores) -> set[tuple[str, str, str]]:
    return {(one.service, one.digest, one.whole) for one in stores.taken}


def _receipts(stored: Iterable[Stored]) -> dict[bytes, tuple[Stored, Receipt]]:
    return {
        row.state: (row, decode(row.state, row.type).data)
        for row in stored
        if any(name in row.type for name in RECEIPTS)
    }


def receipts(stores: Stores) -> Iterator[str]:
    """Each submission's receipt is one byte string, delivered to its institution, and nothing else is."""
    known = _receipts(stores.stored)
    delivered: Mapping[str, set[bytes]] = defaultdict(set)
    for one in stores.delivered:
        delivered[one.institution].add(one.value)
    answers: Counter[tuple[str, str, str, str]] = Counter()
    for state, (row, receipt) in known.items():
        answers[row.service, receipt.institution, receipt.submission_id, receipt.origin.digest] += 1
        if state not in delivered[receipt.institution]:
            yield f"回执未送达 / the receipt of {receipt.submission_id} never reached {receipt.institution}"
    for (service, institution, submission, digest), count in answers.items():
        if count > 1:
            yield (
                f"回执重复 / {institution} has {count} receipts of {service} for {submission} ({digest[:12]})"
            )
    for institution, values in delivered.items():
        for value in values:
            if value not in known or known[value][1].institution != institution:
                yield f"回执无据 / {institution} holds a receipt that no event table has for it"


def receipts_stay(stores: Stores) -> Iterator[str]:
    """What an institution has seen is still there, at its offset, with its bytes."""
    there = {(one.institution, one.offset): one.value for one in stores.delivered}
    for one in stores.seen:
        if there.get((one.institution, one.offset)) != one.value:
            yield f"见过的回执变了 / a receipt seen by {one.institution} at {one.offset} is gone or another"


def commands(stores: Stores) -> Iterator[str]:
    """Whoever was answered was answered what the service keeps: nothing acknowledged is lost."""
    for one in stores.answered:
        if stores.kept.get(one.causation) != one.answer:
            yield f"已答复的命令丢失 / {one.service} does not keep what it answered to {one.causation}"


CHECKS: dict[str, Check] = {
    "streams": streams,
    "positions": positions,
    "kafka_holds_the_table": kafka_holds_the_table,
    "kafka_chain": kafka_chain,
    "kafka_stream_order": kafka_stream_order,
    "ledger": ledger,
    "submissions": submissions,
    "receipts": receipts,
    "receipts_stay": receipts_stay,
    "commands": commands,
    "payments": payments,
    "bank_lines": bank_lines,
    "batches": batches,
    "claim_rows": claim_rows,
    "entitlements": entitlements,
}
"""By name, what must hold when a run is over."""
