"""No personal value of a whole demo lies anywhere but in the vault and on the intake topics.

The same scan finds an ID number that is planted in each of the places, so that it can't be blind to one.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans
from psycopg import sql

from tests.stories.bundles import bundled
from tests.stories.running import Demo
from zeren.stack.client import Local

SERVICES = ("enrolment", "certification", "payment", "audit")
PLACES = ("topics", "receipts", "databases", "ledger", "logs", "folders", "terminal")
READ_SECONDS = 60.0
FOLDERS_LEFT_OUT = ("dataset/", "kafka/data/zeren.enrolment.intake.", "kafka/data/zeren.certification.intake.",
                    "kafka/data/zeren.payment.intake.")  # fmt: skip
"""What institutions and people have and send; the scan is about what becomes of it."""
PLANTED = "35020019900307123X"

Found = tuple[str, bytes]
"""A place, and what lies there."""


def test_nothing_personal_lies_outside_the_vault(demo: Demo) -> None:
    """No ID number, name, phone or account number of the run is found in any place."""
    values = _personal(demo)
    assert len(values) > 100
    assert _hits(demo, _pattern(values)) == {}


def test_the_scan_finds_what_is_planted_in_each_place(demo: Demo) -> None:
    """An ID number that is put into each place is found in each of them."""
    with _planted(demo):
        hits = _hits(demo, _pattern([PLANTED]))
    assert set(hits) == set(PLACES) - {"terminal"}
    assert {f"{service}.planted.{kind}" for service in SERVICES for kind in ("text", "bytes")} <= {
        *hits["databases"]
    }
    assert "audit.spans.spans" in hits["databases"]


def test_no_span_tells_whom_it_is_about(demo: Demo) -> None:
    """Neither persons, by their random ids, nor organisations, nor record keys: the demo has left many spans."""
    with demo.servers.postgres.connect("audit") as connection:
        rows = connection.execute("SELECT spans FROM spans").fetchall()
    spans = [
        span.SerializeToString() for row in rows for span in ScopeSpans.FromString(_inflated(row[0])).spans
    ]
    with demo.servers.postgres.connect("vault") as connection:
        persons = [str(row[0]) for row in connection.execute("SELECT person_id FROM persons").fetchall()]
    organisations = [path.stem for path in demo.dataset.joinpath("keys").glob("*.jwk")]
    keys = {row["key"] for row in map(json.loads, _records(demo)) if row.get("key")}
    assert min(len(spans) // 100, len(persons), len(organisations), len(keys)) > 2
    pattern = _pattern([*persons, *organisations, *keys])
    assert [span for span in spans if pattern.search(span)] == []


def _records(demo: Demo) -> list[str]:
    return (demo.dataset / "records.jsonl").read_text("utf-8").splitlines()


def _personal(demo: Demo) -> list[str]:
    lines = (demo.dataset / "personal.jsonl").read_text("utf-8").splitlines()
    return sorted({json.loads(line)["value"] for line in lines})


def _pattern(values: list[str]) -> re.Pattern[bytes]:
    """Each value as UTF-8, as UTF-16, and as JSON's ASCII form writes it."""
    forms = {form for value in values for form in (
        value.encode(), value.encode("utf-16-le"), json.dumps(value)[1:-1].encode(),
    )}  # fmt: skip
    return re.compile(b"|".join(re.escape(form) for form in sorted(forms)))


def _hits(demo: Demo, pattern: re.Pattern[bytes]) -> dict[str, list[str]]:
    """By place, where something was found; what was found is not told."""
    hits: dict[str, list[str]] = {}
    for place, rows in {
        "topics": _topics(demo, receipts=False),
        "receipts": _topics(demo, receipts=True),
        "databases": _databases(demo),
        "ledger": _ledger(demo),
        "logs": _files(demo.state.path, "logs/"),
        "folders": _files(demo.state.path, ""),
        "terminal": iter([("terminal", demo.terminal.shown.encode())]),
    }.items():
        found = sorted({where for where, content in rows if pattern.search(content)})
        if found:
            hits[place] = found
    return hits


def _topics(demo: Demo, *, receipts: bool) -> Iterator[Found]:
    """Keys, headers and values of every record, intake aside."""
    settings = {**demo.servers.kafka.settings(), "group.id": "scan", "enable.auto.commit": False}
    consumer = Consumer({**settings, "enable.partition.eof": False})
    try:
        topics = consumer.list_topics(timeout=READ_SECONDS).topics
        left = {}
        for name, topic in topics.items():
            if ".intake." in name or name.startswith("zeren.receipts.") != receipts:
                continue
            for partition in topic.partitions:
                low, high = consumer.get_watermark_offsets(TopicPartition(name, partition), READ_SECONDS)
                left[name, partition] = high if high > low else 0
        consumer.assign([TopicPartition(*one, OFFSET_BEGINNING) for one, high in left.items() if high])
        while any(left.values()):
            record = consumer.poll(5.0)
            if record is None:
                break  # what is left are transaction markers and compacted gaps
            topic, partition, offset = record.topic(), record.partition(), record.offset()
            assert topic is not None
            assert partition is not None
            assert offset is not None
            if offset + 1 >= left[topic, partition]:
                left[topic, partition] = 0
            headers: Any = record.headers() or ()
            parts = [record.key(), record.value(), *(value for _, value in headers)]
            yield f"{topic}/{partition}", b"\n".join(_bytes(part) for part in parts)
    finally:
        consumer.close()


def _bytes(part: Any) -> bytes:
    return part.encode() if isinstance(part, str) else part or b""


def _databases(demo: Demo) -> Iterator[Found]:
    """Every column of every table of the services' databases."""
    for service in SERVICES:
        with demo.servers.postgres.connect(service) as connection:
            columns = connection.execute(
                """SELECT table_schema, table_name, column_name, data_type FROM information_schema.columns
                   WHERE table_schema NOT IN ('pg_catalog', 'information_schema')"""
            ).fetchall()
            assert len(columns) > 50
            for schema, table, column, kind in columns:
                cast = sql.SQL("{}") if kind == "bytea" else sql.SQL("{}::text")
                query = sql.SQL("SELECT {} FROM {}").format(
                    cast.format(sql.Identifier(column)), sql.Identifier(schema, table)
                )
                for (value,) in connection.execute(query):
                    if value is not None:
                        content = value.encode() if isinstance(value, str) else bytes(value)
                        packed = (table, column) == ("spans", "spans")
                        yield f"{service}.{table}.{column}", _inflated(content) if packed else content


def _inflated(content: bytes) -> bytes:
    """Spans lie compressed: what they say is what counts."""
    return zlib.decompress(content)


def _ledger(demo: Demo) -> Iterator[Found]:
    with Local(demo.state) as local:
        entries = bundled(f"{local.url('audit')}/log")
    return ((f"entry {index}", entry) for index, entry in enumerate(entries))


def _files(folder: Path, under: str) -> Iterator[Found]:
    for path in sorted((folder / under).rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_file() and not name.startswith(FOLDERS_LEFT_OUT):
            yield name, path.read_bytes()


@contextmanager
def _planted(demo: Demo) -> Iterator[None]:
    """Puts the number into every place; out of the databases it is taken again, for the sake of other tests."""
    number = PLANTED.encode()
    producer = Producer(demo.servers.kafka.settings())
    receipts = next(demo.dataset.joinpath("keys").glob("*.jwk")).stem
    for topic in ("zeren.audit.checkpoints.v1", f"zeren.receipts.{receipts}.v1"):
        producer.produce(topic, value=b"planted " + number)
    assert producer.flush(READ_SECONDS) == 0
    with demo.state.log("payment").open("ab") as log:
        log.write(number)
    (demo.state.path / "bank" / "planted").write_bytes(number)
    for service in SERVICES:
        with demo.servers.postgres.connect(service) as connection:
            connection.execute("CREATE TABLE planted (text text, bytes bytea)")
            connection.execute("INSERT INTO planted VALUES (%s, %s)", (PLANTED, number))
    with demo.servers.postgres.connect("audit") as connection:
        planted = "INSERT INTO spans (service, count, traces, spans) VALUES ('planted', 1, '{0}', %s)"
        connection.execute(planted, (zlib.compress(b"n" + number),))
        (entry,) = connection.execute("SELECT entry FROM entries WHERE index = 0").fetchone() or (b"",)
        replace = "UPDATE entries SET entry = %s WHERE index = 0"
        connection.execute(replace, (bytes(entry) + number,))
        yield
        connection.execute(replace, (entry,))
        connection.execute("DELETE FROM spans WHERE service = 'planted'")
    for service in SERVICES:
        with demo.servers.postgres.connect(service) as connection:
            connection.execute("DROP TABLE planted")


@pytest.mark.parametrize("form", ["utf-8", "utf-16-le", "ascii-json"])
def test_the_scan_knows_the_forms_of_a_name(form: str) -> None:
    """A Chinese name is found as UTF-8, as UTF-16 and as JSON's escapes."""
    name = "某某某"
    content = json.dumps(name).encode() if form == "ascii-json" else name.encode(form)
    assert _pattern([name]).search(b"\x00" + content + b"\x00")
