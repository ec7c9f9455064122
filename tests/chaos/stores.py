"""Reads the raw stores when a run is over: tables as the administrator, topics from first record to last."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition

from tests.chaos.plan import SERVICES
from tests.chaos.rows import BankLine, ClaimRow, Delivered, Leaf, Sent, Stored, Stores, Taken
from zeren.stack.local import Servers

DECIDING = ("enrolment", "certification", "payment")
PARTITIONS = 6
READ_SECONDS = 60.0
POLL_SECONDS = 0.5


def read_stores(servers: Servers, usccs: Sequence[str]) -> Stores:
    """Everything that the checker looks at, but for what was seen during the run."""
    stores = Stores()
    for service in SERVICES:
        stores.stored += _stored(servers, service)
        stores.sent += [
            _sent(service, one) for one in records(servers, f"zeren.{service}.facts.v1", PARTITIONS)
        ]
        stores.kept |= _kept(servers, service)
    for service in DECIDING:
        intake = records(servers, f"zeren.{service}.intake.v1", PARTITIONS)
        stores.taken += [_taken(service, one) for one in intake]
    for uscc in usccs:
        stores.delivered += [_delivered(one) for one in records(servers, receipts_topic(uscc), 1)]
    stores.leaves = _leaves(servers)
    stores.claims = _claims(servers)
    stores.bank = list(_bank_lines(servers.state.path / "bank-answers"))
    return stores


def receipts_topic(uscc: str) -> str:
    """Where an institution's receipts go."""
    return f"zeren.receipts.{uscc}.v1"


def _stored(servers: Servers, service: str) -> list[Stored]:
    with servers.postgres.connect(service) as connection:
        (incarnation,) = connection.execute("SELECT incarnation FROM store").fetchone() or ("",)
        rows = connection.execute(
            "SELECT notification_id, originator_id::text, originator_version, topic, state FROM events "
            "ORDER BY notification_id"
        ).fetchall()
    return [
        Stored(
            service=service, source=f"{service}@{incarnation}", position=position, stream=stream,
            version=version, type=kind, state=bytes(state),
        )
        for position, stream, version, kind, state in rows
    ]  # fmt: skip


def _kept(servers: Servers, service: str) -> dict[str, str]:
    """The bodies of the answers that are kept; `{"status", "body"}` is the form in which they are."""
    with servers.postgres.connect(service) as connection:
        rows = connection.execute("SELECT causation_id::text, answer FROM http_commands").fetchall()
    kept = {causation: json.loads(bytes(answer)) for causation, answer in rows}
    return {causation: json.dumps(row["body"], sort_keys=True) for causation, row in kept.items()}


def _leaves(servers: Servers) -> list[Leaf]:
    with servers.postgres.connect("audit") as connection:
        rows = connection.execute(
            "SELECT index, source, partition, position, entry FROM entries ORDER BY index"
        ).fetchall()
    return [
        Leaf(index=index, source=source, partition=partition, position=position, entry=bytes(entry))
        for index, source, partition, position, entry in rows
    ]


def _claims(servers: Servers) -> list[ClaimRow]:
    with servers.postgres.connect("payment") as connection:
        rows = connection.execute("SELECT claim_id, stage, paid_fen FROM claims_by_stage").fetchall()
    return [ClaimRow(claim_id=claim_id, stage=stage, paid_fen=paid) for claim_id, stage, paid in rows]


def _bank_lines(folder: Path) -> Iterator[BankLine]:
    """What the bank answered, from its own memory: a file an answered batch, each document as it was sent."""
    for path in sorted(folder.glob("*.sent")):
        for kept in json.loads(path.read_bytes()):
            document = json.loads(base64.b64decode(kept["value"]))
            for line in document["data"]["lines"]:
                yield BankLine(
                    document=document["id"],
                    batch_id=document["data"]["batch_id"],
                    claim_id=line["claim_id"],
                    amount_fen=line["amount_fen"],
                    result=line["result"],
                )


def records(servers: Servers, topic: str, partitions: int) -> list[Message]:
    """Every record of a topic, from the first offset to the end as it is now."""
    consumer = _consumer(servers)
    found: list[Message] = []
    try:
        places = [TopicPartition(topic, one) for one in range(partitions)]
        left = {}
        for place in places:
            _, left[place.partition] = consumer.get_watermark_offsets(place, timeout=READ_SECONDS)
        filled = {one: high for one, high in left.items() if high}
        if filled:
            consumer.assign([TopicPartition(topic, one, OFFSET_BEGINNING) for one in filled])
        while filled:
            record = consumer.poll(READ_SECONDS)
            if record is None or record.error() is not None:
                raise RuntimeError(f"无法读完 {topic} / {topic} can't be read to its end: {filled} left")
            found.append(record)
            if _at(record)[1] + 1 >= filled[_at(record)[0]]:
                del filled[_at(record)[0]]
    finally:
        consumer.close()
    return found


def _consumer(servers: Servers) -> Consumer:
    return Consumer({**servers.kafka.settings(), "group.id": "chaos", "enable.auto.commit": False})


def _at(record: Message) -> tuple[int, int]:
    partition, offset = record.partition(), record.offset()
    assert partition is not None
    assert offset is not None
    return partition, offset


def _sent(service: str, record: Message) -> Sent:
    headers: dict[str, Any] = dict(record.headers() or ())
    partition, offset = _at(record)
    return Sent(
        service=service,
        source=headers["source"].decode(),
        partition=partition,
        offset=offset,
        position=int(headers["position"]),
        previous=int(headers["prev"]),
        key=_bytes(record.key()),
        value=_bytes(record.value()),
    )


def _taken(service: str, record: Message) -> Taken:
    partition, offset = _at(record)
    value = _bytes(record.value())
    headers: dict[str, Any] = dict(record.headers() or ())
    whole = hashlib.sha256(value + b"\0" + _bytes(headers.get("jws"))).hexdigest()
    digest = hashlib.sha256(value).hexdigest()
    return Taken(service=service, partition=partition, offset=offset, digest=digest, whole=whole)


def _delivered(record: Message) -> Delivered:
    topic = record.topic() or ""
    return Delivered(institution=topic.split(".")[2], offset=_at(record)[1], value=_bytes(record.value()))


def _bytes(content: str | bytes | None) -> bytes:
    return content.encode() if isinstance(content, str) else content or b""


class ReceiptsSeen:
    """Reads every institution's receipts all through a run, as they come."""

    def __init__(self, servers: Servers, usccs: Sequence[str]) -> None:
        self.seen: list[Delivered] = []
        self._over = threading.Event()
        self._consumer = _consumer(servers)
        self._consumer.assign([TopicPartition(receipts_topic(one), 0, OFFSET_BEGINNING) for one in usccs])
        self._thread = threading.Thread(target=self._read, name="receipts", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        """An outage of the broker is the client's to wait out; what it says of it is no record."""
        while not self._over.is_set():
            record = self._consumer.poll(POLL_SECONDS)
            if record is not None and record.error() is None:
                self.seen.append(_delivered(record))

    def close(self) -> None:
        """Reads no more."""
        self._over.set()
        self._thread.join()
        self._consumer.close()
