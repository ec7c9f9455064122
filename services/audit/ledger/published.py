"""What was published of the log: its checkpoints topic, which outlives the database.

A checkpoint is a promise about the order of all leaves before it. A database that was put back holds fewer leaves
than were promised, and must take the same ones in the same order again before it takes any other.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from aiokafka import TopicPartition
from sqlalchemy import Connection, Engine, select

from services.audit.ledger.runs import Run, decode_runs
from services.audit.ledger.tables import checkpoints, head
from shared.messaging.connect import KafkaAccess
from shared.messaging.relay import StoreBehindKafka
from shared.messaging.topics import CHECKPOINTS_TOPIC
from shared.tlog.checkpoint import open_checkpoint, parse_checkpoint
from shared.tlog.errors import TlogError
from shared.tlog.notes import VerifierKey

SIZE, RUNS = "size", "runs"
"""Headers of a checkpoint's record."""

TAIL_RECORDS = 1_000
"""How far back the topic is read for its largest checkpoint: more than a publisher's page sent twice."""


class Published(NamedTuple):
    """A checkpoint as it was published, its signature verified.

    Attributes:
        runs: where the leaves since the checkpoint before came from, in order.
    """

    size: int
    root: bytes
    note: str
    runs: tuple[Run, ...]


class LedgerContradicted(StoreBehindKafka):
    """What is published under this log's name can't be continued with this database and key."""

    def __init__(self, zh: str, en: str) -> None:
        RuntimeError.__init__(self, f"audit: {zh} / {en}")


def open_published(record: Any, vkey: VerifierKey) -> Published | None:
    """The checkpoint of a record; None where this key did not sign it."""
    try:
        found = open_checkpoint(record.value or b"", [vkey])
    except TlogError:
        return None
    headers = dict(record.headers or ())
    return Published(found.size, found.root, record.value.decode(), decode_runs(headers.get(RUNS)))


async def compare_with_published(engine: Engine, kafka: KafkaAccess, vkey: VerifierKey) -> None:
    """Raises: StoreBehindKafka: the log is smaller than what is published. LedgerContradicted: it is another."""
    records = await read_topic(kafka, last=TAIL_RECORDS)
    found = [one for record in records if (one := open_published(record, vkey)) is not None]
    if records and _names(records[-1], vkey.name) and open_published(records[-1], vkey) is None:
        raise LedgerContradicted(
            "已发布的检查点由另一密钥签署；请放回原账本密钥文件",
            "the published checkpoints were signed with another key: put the ledger's key file back",
        )
    if not found:
        return
    newest = max(found, key=lambda one: one.size)
    with engine.begin() as connection:
        size, root = ledger_state(connection, newest.size)
    if size < newest.size:
        raise StoreBehindKafka(
            "audit",
            f"账本有 {size} 条，已发布的检查点为 {newest.size} 条，数据库已恢复到较早时点",
            f"the ledger has {size} entries and {newest.size} are published: its database was put back",
        )
    if root != newest.root:
        raise LedgerContradicted(
            f"账本在 {newest.size} 条处与已发布的检查点不符；请保留两者并联系开发者",
            f"the ledger contradicts the checkpoint published at {newest.size} entries: keep both as evidence",
        )


def ledger_state(connection: Connection, at: int) -> tuple[int, bytes | None]:
    """The log's size, and its root at an earlier size that it signed."""
    size = connection.scalar(select(head.c.size)) or 0
    root = connection.scalar(select(checkpoints.c.root).where(checkpoints.c.size == at))
    return size, None if root is None else bytes(root)


def _names(record: Any, name: str) -> bool:
    try:
        return parse_checkpoint((record.value or b"").decode().partition("\n\n")[0] + "\n").origin == name
    except (TlogError, UnicodeDecodeError):
        return False


async def read_topic(kafka: KafkaAccess, *, last: int | None = None) -> list[Any]:
    """The records of the checkpoints topic, or the last so many, in order."""
    place = TopicPartition(CHECKPOINTS_TOPIC, 0)
    async with kafka.reading() as reader:
        first = (await reader.beginning_offsets([place]))[place]
        end = (await reader.end_offsets([place]))[place]
        at = first if last is None else max(first, end - last)
        reader.assign([place])
        reader.seek(place, at)
        found: list[Any] = []
        while at < end:
            for record in (await reader.getmany(place, timeout_ms=1_000)).get(place, ()):
                at = record.offset + 1
                found.append(record)
        return found
