"""What is sent: records as they stand in a file, or documents of a file signed here."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from shared.contracts.checking import Checked, Preamble, Unreadable, check, complaints, preamble
from shared.contracts.codes.catalogue import text
from shared.contracts.fact import CONTENT_TYPE
from shared.contracts.intake import Reason
from zeren.institution.keys import signature_form

MAX_LINE_BYTES = 2 << 20
"""Of a line: what the broker takes at most, in base64."""
MAX_FILE_LINES = 1_000_000


class RecordsUnreadable(ValueError):
    """A line of a records file is not a record, or the file is over a bound; the message names the line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A record for an intake topic.

    Attributes:
        service: whose intake it goes to.
        key: the record key, or None.
        headers: names and values as they are sent.
        party: the USCC whose principal sends it; "" where the file doesn't say.
        day, phase: when it is sent, where the file says so; else "" and 0.
    """

    service: str
    key: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    value: bytes
    party: str = ""
    day: str = ""
    phase: int = 0

    @property
    def topic(self) -> str:
        """The intake topic of the service."""
        return f"zeren.{self.service}.intake.v1"

    @property
    def jws(self) -> bytes | None:
        """The `jws` header, if it has one."""
        return dict(self.headers).get("jws")


class _Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    service: str
    headers: dict[str, str]
    value_base64: str
    key: str | None = None
    party: str = ""
    day: str = ""
    phase: int = 0


_row = msgspec.json.Decoder(_Row)
SERVICES = ("enrolment", "certification", "payment")


def read_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines of a file that aren't blank, with their numbers; the exact bytes without the line feed.

    Raises: RecordsUnreadable, at the line that is too long or one too many; OSError.
    """
    with path.open("rb") as file:
        for number, whole in enumerate(iter(lambda: file.readline(MAX_LINE_BYTES + 1), b""), 1):
            line = whole.removesuffix(b"\n")
            if len(line) > MAX_LINE_BYTES:
                raise RecordsUnreadable(
                    f"{path}:{number} 超过 {MAX_LINE_BYTES} 字节：请检查换行 / over {MAX_LINE_BYTES} bytes: "
                    "does it lack line feeds?"
                )
            if number > MAX_FILE_LINES:
                raise RecordsUnreadable(
                    f"{path} 超过 {MAX_FILE_LINES} 行：请拆分 / over {MAX_FILE_LINES} lines: split it"
                )
            if line.strip():
                yield number, line


def parse_record(line: bytes) -> Record:
    """Raises: RecordsUnreadable."""
    try:
        row = _row.decode(line)
        value = base64.b64decode(row.value_base64, validate=True)
    except (msgspec.MsgspecError, UnicodeDecodeError, binascii.Error, RecursionError) as error:
        raise RecordsUnreadable(f"不是记录 / no record: {error}") from None
    if row.service not in SERVICES:
        raise RecordsUnreadable("service 须为 enrolment、certification、payment 之一 / no such service")
    return Record(
        service=row.service,
        key=None if row.key is None else row.key.encode(),
        headers=tuple((name, content.encode()) for name, content in row.headers.items()),
        value=value,
        party=row.party,
        day=row.day,
        phase=row.phase,
    )


def read_records(path: Path) -> list[Record]:
    """A records file, whole. Raises: RecordsUnreadable, OSError."""
    records = []
    for number, line in read_lines(path):
        try:
            records.append(parse_record(line))
        except RecordsUnreadable as error:
            raise RecordsUnreadable(f"{path}:{number} {error}") from None
    return records


@dataclass(frozen=True, slots=True)
class Judged:
    """What can be said of one line without any history.

    Attributes:
        found: None where the document can't be attributed.
        reasons: why a service would refuse it; empty when it would look further.
        said: what the decoder says of its form, a text a fault, in English; may quote it.
    """

    line: int
    found: Preamble | None
    reasons: tuple[Reason, ...]
    checked: Checked | None = None
    said: Sequence[str] = ()

    def told(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "line": self.line,
            "id": self.found.id if self.found else "",
            "type": self.found.type if self.found else "",
            "valid": not self.reasons,
            "reasons": [reason_told(reason) for reason in self.reasons],
            "said": "\n".join(self.said),
        }


def reason_told(reason: Reason) -> dict[str, Any]:
    """A reason with the text of its code, Chinese and English."""
    return {"code": reason.code, "field": reason.field, "line": reason.line, "text": text(reason.code)}


def reason_line(reason: Reason) -> str:
    """A reason for people: where, which code, and its text."""
    place = f"第 {reason.line} 行 / line {reason.line} " if reason.line else ""
    return f"{place}{reason.field + ' ' if reason.field else ''}{reason.code}：{text(reason.code)}"


def judge_document(number: int, value: bytes, service: str | None = None) -> Judged:
    """The services' own judgement of a document, as far as it needs no history."""
    try:
        found = preamble(value)
    except Unreadable as error:
        return Judged(number, None, (Reason(code=error.code),), said=complaints(value))
    outcome = check(value, found, service)
    if isinstance(outcome, list):
        return Judged(number, found, tuple(outcome), said=complaints(value))
    return Judged(number, found, (), outcome)


def judge_line(number: int, line: bytes) -> Judged:
    """A line of either file form: a submission document, or a record with its signature's form."""
    try:
        record = parse_record(line)
    except RecordsUnreadable:
        return judge_document(number, line)
    judged = judge_document(number, record.value, record.service)
    code = signature_form(record.jws)
    if not code or judged.found is None:
        return judged
    return Judged(number, judged.found, (Reason(code=code), *judged.reasons), said=judged.said)


def sign_document(judged: Judged, value: bytes, sign: Callable[[bytes], bytes]) -> Record:
    """The record of a document that was judged well: service and record key follow from its type."""
    assert judged.checked is not None
    assert judged.found is not None
    entry, document = judged.checked.entry, judged.checked.document
    return Record(
        service=entry.service,
        key=entry.case(judged.found.institution, document.data).encode(),
        headers=(("content-type", CONTENT_TYPE.encode()), ("jws", sign(value))),
        value=value,
        party=judged.found.institution,
    )
