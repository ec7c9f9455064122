"""The whole judgement of a submission that needs no history: shape, bounds, references, identifiers.

Services answer with it and `zeren validate` runs it offline, so both give the same codes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from itertools import islice
from typing import Any

import msgspec

from shared.contracts.intake import Reason
from shared.contracts.shape import Fault, faults
from shared.contracts.submission import (
    MAX_LINES,
    MAX_SUBMISSION_BYTES,
    NONCE_CHARACTERS,
    SUBMISSIONS,
    ApplyClass,
    ApplySubsidy,
    ApproveResults,
    ConfirmPayments,
    Document,
    EnrolTrainee,
    RecordAttendanceSheet,
    RecordResults,
    RegisterCandidate,
    SessionPlan,
    Submission,
    SubmissionType,
)
from shared.identity import is_national_id, is_reference, is_uscc, looks_personal, uscc_check_character

CLOCK_AHEAD = timedelta(hours=24)
"""How far the sender's clock may be ahead of the broker's: any zone mistaken for another, and no more."""
DATA_CONTENT_TYPE = "application/json"


class Preamble(msgspec.Struct, frozen=True, gc=False):
    """What one must know of a document before its data is looked at; what it lacks is ""."""

    id: str = ""
    source: str = ""
    type: str = ""

    @property
    def institution(self) -> str:
        """The sender's USCC, or "" where the source names none."""
        return self.source.removeprefix("urn:uscc:") if self.source.startswith("urn:uscc:") else ""


_preamble = msgspec.json.Decoder(Preamble)
_documents: dict[str, msgspec.json.Decoder[Document[Any]]] = {
    name: msgspec.json.Decoder(Document[entry.cls])  # type: ignore[name-defined]
    for name, entry in SUBMISSIONS.items()
}


class Unreadable(ValueError):
    """A value without a readable id, source and type: it can't be attributed. `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def preamble(value: bytes) -> Preamble:
    """The id, source and type of a document. Raises: Unreadable."""
    if not value:
        raise Unreadable("submission.empty")
    if len(value) > MAX_SUBMISSION_BYTES:
        raise Unreadable("submission.too_large")
    try:
        found = _preamble.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Unreadable("submission.unreadable") from None
    if not is_reference(found.id):
        raise Unreadable("submission.id_unreadable")
    if not is_uscc(found.institution):
        raise Unreadable("submission.source_unreadable")
    return found


@dataclass(frozen=True, slots=True)
class Checked:
    """A document that passed every check that needs no history."""

    entry: SubmissionType
    document: Document[Any]


def check(
    value: bytes, found: Preamble, service: str | None = None, *, logged_at: datetime | None = None
) -> Checked | list[Reason]:
    """Judges a document's shape, bounds, references and identifiers.

    Args:
        value: the document's bytes.
        found: its preamble.
        service: the owner of the topic it came by; None takes any service's.
        logged_at: the broker's time, which the sender's clock may not be far ahead of; None judges no clock.
    """
    entry = SUBMISSIONS.get(found.type)
    if entry is None:
        return [Reason(code="submission.unknown_type", field="type")]
    if service is not None and entry.service != service:
        return [Reason(code="submission.wrong_topic", field="type")]
    try:
        document = _documents[found.type].decode(value)
    except msgspec.ValidationError:
        return _check_shape(value, found.type)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return [Reason(code="submission.unreadable")]
    reasons = [
        *_check_envelope(document, logged_at),
        *_check_references(document.data),
        *_check_data(document.data),
    ]
    if names_doubled(value):
        reasons.insert(0, Reason(code="submission.field_doubled"))
    return reasons or Checked(entry, document)


MAX_FAULTS = MAX_LINES
"""Fields at fault that are told of one document: so that a receipt stays a fact."""


def _check_shape(value: bytes, kind: str) -> list[Reason]:
    """Each field at fault once."""
    try:
        paths = [fault.path for fault in _faults(value, kind)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return [Reason(code="submission.unreadable")]
    return [Reason(code="submission.invalid_field", field=path) for path in dict.fromkeys(paths)]


def _faults(value: bytes, kind: str) -> Iterator[Fault]:
    return islice(faults(value, _documents[kind].type), MAX_FAULTS)


def complaints(value: bytes) -> list[str]:
    """What the decoder says of a document that is refused for its form, a text a fault; none where it takes it.

    They may quote what stands there: for the sender's own eyes, never for a receipt or a log.
    """
    try:
        found = _preamble.decode(value)
        _generic.decode(value)
        told = [fault.said for fault in _faults(value, found.type)] if found.type in SUBMISSIONS else []
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return [str(error)]
    return [*_complaint_of_source(found.institution), *told]


def _complaint_of_source(uscc: str) -> Iterator[str]:
    expected = uscc_check_character(uscc[:-1])
    if expected and not is_uscc(uscc):
        yield (
            f"source 中统一社会信用代码的末位是校验码，按前 17 位应为 {expected}：请核对 18 位 / "
            "the last character of the USCC in source checks the others, and after these 17 it would be "
            f"{expected}: compare all 18"
        )


_generic = msgspec.json.Decoder()
_encoder = msgspec.json.Encoder()


class _Doubled(ValueError):
    """An object names a field twice."""


def names_doubled(value: bytes) -> bool:
    """Whether an object of a JSON text names a field twice: parsers differ in which of the two they take.

    A pair that a decoder drops takes at least its colon along; without escapes no other colon comes or goes.
    Raises: msgspec.DecodeError, RecursionError: no JSON, or too deep.
    """
    if b"\\" not in value:
        return value.count(b":") != _encoder.encode(_generic.decode(value)).count(b":")
    try:
        json.loads(value, object_pairs_hook=_each_once)
    except _Doubled:
        return True
    return False


def _each_once(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        raise _Doubled


def _check_envelope(document: Document[Any], logged_at: datetime | None) -> list[Reason]:
    reasons = []
    if document.specversion != "1.0":
        reasons.append(Reason(code="submission.invalid_field", field="specversion"))
    if len(document.nonce) < NONCE_CHARACTERS:
        reasons.append(Reason(code="submission.nonce_too_short", field="nonce"))
    if document.time.tzinfo is None:
        reasons.append(Reason(code="submission.time_without_zone", field="time"))
    elif logged_at is not None and document.time > logged_at + CLOCK_AHEAD:
        reasons.append(Reason(code="submission.time_in_future", field="time"))
    if document.datacontenttype != DATA_CONTENT_TYPE:
        reasons.append(Reason(code="submission.wrong_content_type", field="datacontenttype"))
    return reasons


def _check_references(data: Submission) -> list[Reason]:
    """Every field named `…_ref`, `…_no`, `norm` or `…_id` that its sender chose, down to the lines."""
    reasons = []
    for path, line, text in _own_names(data):
        if is_reference(text) or not text:
            continue
        code = "reference.looks_personal" if looks_personal(text) else "reference.malformed"
        reasons.append(Reason(code=code, field=path, line=line))
    return reasons


OWN_NAMES = ("_ref", "_no", "norm", "occupation_id", "training_kind")
"""How fields end whose text its sender chose; every text in a list is such a one too."""


def _own_names(data: msgspec.Struct) -> Iterator[tuple[str, int, str]]:
    for name in data.__struct_fields__:
        value = getattr(data, name)
        if isinstance(value, list):
            yield from _own_names_of_rows(name, value)
        elif isinstance(value, str) and name.endswith(OWN_NAMES):
            yield f"data.{name}", 0, value


def _own_names_of_rows(name: str, rows: list[Any]) -> Iterator[tuple[str, int, str]]:
    """The rows of a list are of one kind."""
    if rows and isinstance(rows[0], str):
        yield from ((f"data.{name}", number, text) for number, text in enumerate(rows, 1))
    elif rows:
        kind: type = type(rows[0])
        fields = [(f"data.{name}.{field}", field) for field in _own_fields(kind)]
        for number, row in enumerate(rows, 1):
            yield from ((path, number, getattr(row, field)) for path, field in fields)


@cache
def _own_fields(cls: type) -> tuple[str, ...]:
    """The fields of a row whose text its sender chose."""
    kinds = {field.name: field.type for field in msgspec.inspect.type_info(cls).fields}  # type: ignore[attr-defined]
    return tuple(
        name
        for name, kind in kinds.items()
        if isinstance(kind, msgspec.inspect.StrType) and name.endswith(OWN_NAMES)
    )


LINES = "data.lines"


def _check_data(data: Submission) -> list[Reason]:
    match data:
        case EnrolTrainee(trainee=trainee) | RegisterCandidate(trainee=trainee):
            return [] if is_national_id(trainee.national_id) else [_bad_id()]
        case ApplyClass(sessions=sessions):
            return _check_sessions(sessions)
        case RecordAttendanceSheet(lines=lines):
            return _doubled(LINES, [line.enrolment_ref for line in lines])
        case RecordResults(lines=lines):
            return _doubled(LINES, [line.candidate_ref for line in lines])
        case ApproveResults(lines=lines):
            return _doubled(LINES, [line.candidate_ref for line in lines])
        case ApplySubsidy(lines=lines):
            return [
                *_doubled(LINES, [str(line.line) for line in lines]),
                *_doubled(LINES, [line.certificate_id for line in lines]),
            ]
        case ConfirmPayments(lines=lines):
            return _doubled(LINES, [line.claim_id for line in lines])
        case _:
            return []


def _bad_id() -> Reason:
    return Reason(code="trainee.id_number_invalid", field="data.trainee.national_id")


def _check_sessions(sessions: list[SessionPlan]) -> list[Reason]:
    """A reference that is none is told as such, and not as doubled, too: all reasons must fit one receipt."""
    doubled = _doubled("data.sessions", [session.session_ref for session in sessions])
    reasons = [reason for reason in doubled if is_reference(sessions[reason.line - 1].session_ref)]
    for number, session in enumerate(sessions, 1):
        if session.ends_at <= session.starts_at:
            reasons.append(
                Reason(code="class.session_ends_before_start", field="data.sessions.ends_at", line=number)
            )
    return reasons


def _doubled(field: str, names: list[str]) -> list[Reason]:
    seen: set[str] = set()
    reasons = []
    for number, name in enumerate(names, 1):
        if name in seen:
            reasons.append(Reason(code="submission.line_doubled", field=field, line=number))
        seen.add(name)
    return reasons
