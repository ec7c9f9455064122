"""Putting a service's database back to where Kafka is: `python -m services.<service> recover`.

The database was restored to an earlier point. The service's facts topic is kept for ever and holds the same bytes:
what the event table lacks is inserted again, at its own positions, with all that follows from it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import psycopg
from aiokafka.errors import KafkaError
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from shared.contracts.fact import Encoded, UnknownFactType, decode, fact_type
from shared.eventstore.recorder import MAX_BYTES, MAX_FACTS
from shared.eventstore.recovered import COMMANDS, HALF_DECIDED, Recovered, put_back
from shared.eventstore.store import StoreError
from shared.messaging.chain import ChainBroken, Linked
from shared.messaging.relay import relay_lock, set_relay_cursor
from shared.messaging.replay import Known, OwnTopic, RecoverRefused
from shared.messaging.topics import facts_topic
from shared.runtime.service import Context, Parts, build
from shared.runtime.settings import ServiceSettings

DONE, REFUSED = 0, 1
TELL_SECONDS = 2.0

Progress = Callable[[str], None]

_RUNNING = text("""SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND query = 'LISTEN events' AND pid <> pg_backend_pid()""")
_DIGESTS = text("SELECT notification_id, sha256(state) FROM events WHERE notification_id = ANY(:wanted)")
_HELD = text("SELECT scope, count(*) FROM reservations WHERE scope = ANY(:scopes) GROUP BY scope")


@dataclass(slots=True)
class Summary:
    """What came of it.

    Attributes:
        before, head: highest position of the event table, before and after.
        compared: facts that both had, equal byte for byte.
        put_back: facts that the table lacked.
        half_decided: submissions of which not all reached Kafka: decided to their end when they come again.
        commands: HTTP commands whose effect is there and whose answer is gone.
        further: what the service itself put back.
    """

    service: str
    before: int
    head: int = 0
    compared: int = 0
    put_back: int = 0
    half_decided: int = 0
    commands: int = 0
    further: dict[str, Any] = field(default_factory=dict)


def recover(service: str, settings: ServiceSettings, parts: Parts, arguments: Sequence[str]) -> int:
    """Runs the task.

    Returns:
        0 done, or nothing to do; 1 refused, with why; 2 a wrong call.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m services.{service} recover",
        description="从 Kafka 补回数据库缺失的事实 / put facts that the database lacks back from Kafka",
    )
    parser.add_argument("--json", action="store_true", help="输出 JSON / print JSON")
    as_json = bool(parser.parse_args(list(arguments)).json)
    try:
        summary = asyncio.run(_recover(service, settings, parts, _say if not as_json else _say_aside))
    except (RecoverRefused, ChainBroken, UnknownFactType, msgspec.MsgspecError) as error:
        sys.stderr.write(f"{service}: {_why(error)}\n")
        return REFUSED
    except (KafkaError, StoreError, OperationalError, psycopg.OperationalError, OSError) as error:
        what = type(error).__name__
        sys.stderr.write(
            f"{service}: 服务器不可用（{what}），已补回的保留，可再次运行 / "
            f"a server is away ({what}); what was put back stays, run it again\n"
        )
        return REFUSED
    sys.stdout.write(_told(summary, as_json=as_json))
    return DONE


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _say_aside(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _why(error: Exception) -> str:
    if isinstance(error, ChainBroken):
        what = "位置链断裂" if error.why == "gap" else "同一位置有不同内容"
        return (
            f"Kafka 中{what}（位置 {error.position}），未补回该位置及其后的事实；请保留现场并联系开发者 / "
            f"Kafka's chain is broken ({error.why}) at position {error.position}; "
            "nothing from there on was put back; keep everything as it is"
        )
    if isinstance(error, UnknownFactType):
        return f"Kafka 中有本版本不认识的事实类型 {error}，请先升级 / a newer version wrote {error}: upgrade first"
    return str(error)


def _told(summary: Summary, *, as_json: bool) -> str:
    row = msgspec.to_builtins(summary)
    if as_json:
        return json.dumps(row, ensure_ascii=False) + "\n"
    before, head = summary.before, summary.head
    counted = f"已比对 {summary.compared} 条一致，补回 {summary.put_back} 条，位置 {before} → {head}"
    same = f"{summary.compared} facts equal, {summary.put_back} put back, positions {before} → {head}"
    lines = [f"{summary.service}: {counted} / {same}"]
    if summary.half_decided or summary.commands:
        half, lost = summary.half_decided, summary.commands
        lines.append(
            f"{half} 份报送只发布了一部分，重读时补齐；{lost} 个操作的原答复已失，重复提交时以事实编号答复 / "
            f"{half} submissions were published in part and are completed when read again; "
            f"the answers to {lost} commands are gone: a repetition is answered with the ids of their facts"
        )
    lines += [f"{name}: {value}" for name, value in summary.further.items()]
    lines.append("可以启动服务 / the service may start")
    return "\n".join(lines) + "\n"


async def _recover(service: str, settings: ServiceSettings, parts: Parts, progress: Progress) -> Summary:
    context = build(service, settings, parts)
    try:
        with relay_lock(context.engine, service) as locked:
            if not locked() or _others(context):
                raise RecoverRefused(
                    f"{service} 正在运行：请先停止它的全部进程（本地环境：zeren down）",
                    f"{service} runs: stop all of its processes first (of a local stack: zeren down)",
                )
            summary = await _Recovery(context, progress).run()
            if parts.recover is not None:
                summary.further = dict(await parts.recover(context, progress))
            return summary
    finally:
        context.engine.dispose()


def _others(context: Context) -> int:
    with context.engine.connect() as connection:
        return int(connection.scalar(_RUNNING) or 0)


class _Recovery:
    """One run. Nobody else writes to the database meanwhile."""

    def __init__(self, context: Context, progress: Progress) -> None:
        self._context = context
        self._progress = progress
        self._summary = Summary(context.service, context.store.head())
        self._told_at = time.monotonic()

    async def run(self) -> Summary:
        context, before = self._context, self._summary.before
        published = await context.relay.tails_in_kafka()
        highest = max(position for position, _ in published)
        self._reserve(highest)
        self._progress(
            f"{context.service}: 数据库位置 {before}，Kafka 位置 {highest} / "
            f"the table ends at position {before}, Kafka at {highest}"
        )
        topic = OwnTopic(context.kafka, context.service, f"{context.service}@{context.store.incarnation()}")
        batch: list[Recovered] = []
        size = 0
        async for link in topic.missing(before, context.relay.tails_at(before), self._compare):
            size += len(link.record)
            if len(batch) >= MAX_FACTS or (size > MAX_BYTES and batch):
                self._put_back(batch)
                batch, size = [], len(link.record)
            batch.append(_recovered(link))
            self._tell(topic)
        self._put_back(batch)
        self._compare(topic.repeated)
        self._finish()
        return self._summary

    def _reserve(self, through: int) -> None:
        if highest := max(through, self._summary.before):
            with self._context.store.appending() as cursor:
                self._context.store.recorder.reserve_positions(cursor, highest)

    def _put_back(self, batch: Sequence[Recovered]) -> None:
        if batch:
            effects = [effect for fact in batch for effect in self._context.effects(fact.encoded)]
            put_back(self._context.store, batch, effects)
            self._summary.put_back += len(batch)

    def _compare(self, wanted: Sequence[Known]) -> None:
        """What both have must be the same bytes, and up to its head the table must be whole."""
        if not wanted:
            return
        with self._context.engine.connect() as connection:
            rows = connection.execute(_DIGESTS, {"wanted": [position for position, _ in wanted]})
            stored: dict[int, bytes] = {row[0]: bytes(row[1]) for row in rows}
        for position, digest in wanted:
            if position not in stored:
                raise RecoverRefused(
                    f"数据库缺少其末尾之前的位置 {position}：这不是某一时点的完整备份，请恢复完整备份",
                    f"the table lacks position {position} below its end: restore a whole backup",
                )
            if stored[position] != digest:
                raise RecoverRefused(
                    f"位置 {position} 在数据库与 Kafka 中内容不同：请保留两者并联系开发者",
                    f"position {position} has other bytes in the table than in Kafka: keep both as evidence",
                )
        self._summary.compared += len(wanted)

    def _finish(self) -> None:
        """Everything up to the head is in Kafka: the relay compares the tails once more when it starts."""
        context, summary = self._context, self._summary
        summary.head = context.store.head()
        self._reserve(summary.head)
        with context.engine.begin() as connection:
            if summary.put_back:
                set_relay_cursor(connection, facts_topic(context.service), summary.head)
            held = connection.execute(_HELD, {"scopes": [HALF_DECIDED, COMMANDS]})
            counts: dict[str, int] = {row[0]: row[1] for row in held}
        summary.half_decided = counts.get(HALF_DECIDED, 0)
        summary.commands = counts.get(COMMANDS, 0)

    def _tell(self, topic: OwnTopic) -> None:
        if time.monotonic() - self._told_at >= TELL_SECONDS:
            self._told_at = time.monotonic()
            done = self._summary.put_back
            self._progress(f"已读 {topic.records} 条，补回 {done} 条 / {topic.records} read, {done} put back")


def _recovered(link: Linked[bytes]) -> Recovered:
    """Raises: UnknownFactType, msgspec.MsgspecError."""
    envelope = decode(link.record, link.headers.type)
    fact_type(envelope.type)
    encoded = Encoded(
        envelope.id,
        envelope.type,
        envelope.subject,
        envelope.streamversion,
        envelope.partitionkey,
        link.record,
        envelope.data,
    )
    return Recovered(link.headers.position, envelope, encoded)
