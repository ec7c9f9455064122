"""The institutions, as a process of their own: `python -m zeren.demo.institutions PROFILES RECORDS [SENT]`.

It sends their records under their own principals and collects their receipts; nothing else of the stack is known
to it. Asked by JSON lines on standard input, it answers each with one on standard output:

{"connect": [USCC, …]}                     {"connected": n}   opens the connections
{"publish": {"day": …, "phase": …}}        {"sent": n}        sends the records of a phase, acknowledged by Kafka
{"receipts": FILE}                         {"receipts": n}    writes what every institution has received

Into the file SENT goes a JSON line for each record that Kafka has acknowledged, as soon as it has: service, partition,
offset, and the SHA-256 of the value.

It answers {"error": …} where Kafka does not let it, and ends with its standard input.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shared.telemetry.export import exporting
from shared.telemetry.tracing import Tracing
from zeren.institution.client import Acknowledged, KafkaUnreachable, Publisher, kept_receipts
from zeren.institution.profile import ProfileUnusable, read_profiles
from zeren.institution.records import Record, read_records
from zeren.stack.child import answer_lines
from zeren.stack.traces import INSTITUTION


class Institutions:
    """All of them, each with its own profile."""

    def __init__(
        self, profiles: Path, records: Sequence[Record], tracing: Tracing, sent: Acknowledged | None = None
    ) -> None:
        self._profiles = read_profiles(profiles)
        self._records = records
        self.publisher = Publisher(self._profiles, acknowledged=sent, tracing=tracing)

    async def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Does what is asked."""
        match asked:
            case {"connect": [*usccs]}:
                await self.publisher.connect(usccs)
                return {"connected": len(usccs)}
            case {"publish": {"day": day, "phase": phase}}:
                due = [one for one in self._records if (one.day, one.phase) == (day, phase)]
                return {"sent": await self.publisher.send(due)}
            case {"receipts": file}:
                return {"receipts": await self._collect(Path(file))}
        return {"error": "无此请求 / no such request"}

    async def _collect(self, file: Path) -> int:
        receipts = await kept_receipts(self._profiles.values())
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as lines:
            for receipt in receipts:
                lines.write(json.dumps(receipt.told(), ensure_ascii=False) + "\n")
        return len(receipts)


def noting(file: Path) -> Acknowledged:
    """Writes each acknowledgement down at once: what a killed process had been told is known."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def note(record: Record, partition: int, offset: int) -> None:
        digest = hashlib.sha256(record.value).hexdigest()
        row = {"service": record.service, "partition": partition, "offset": offset, "digest": digest}
        os.write(descriptor, json.dumps(row).encode() + b"\n")

    return note


async def serve(profiles: Path, records_file: Path, sent: Acknowledged | None = None) -> None:
    """Answers until standard input ends. The profiles are read at the first request: they are written meanwhile."""
    institutions: Institutions | None = None

    async def answer(asked: dict[str, Any]) -> dict[str, Any]:
        nonlocal institutions
        institutions = institutions or Institutions(profiles, read_records(records_file), tracing, sent)
        return await institutions.answer(asked)

    with exporting(INSTITUTION) as tracing:
        await answer_lines(answer, KafkaUnreachable, ProfileUnusable)
        if institutions is not None:
            await institutions.publisher.__aexit__()


if __name__ == "__main__":
    logging.getLogger("aiokafka").setLevel(logging.ERROR)
    asyncio.run(serve(Path(sys.argv[1]), Path(sys.argv[2]), *(noting(Path(file)) for file in sys.argv[3:])))
