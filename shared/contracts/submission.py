"""Submissions: what organisations ask for, as imperative CloudEvents documents signed over their exact bytes.

`check` is the whole judgement that needs no history: shape, bounds, references, identifiers. Services answer
with it and `zeren validate` runs it offline, so both give the same codes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import Meta

from shared.contracts.intake import Reason
from shared.identity import (
    application_id,
    candidate_id,
    class_id,
    is_national_id,
    is_reference,
    is_uscc,
    looks_personal,
)

D = TypeVar("D")

MAX_SUBMISSION_BYTES = 262_144
MAX_LINES = 200
"""Lines of a list or sheet, and sessions of a class: so that a receipt stays a fact."""
NONCE_CHARACTERS = 22
"""A nonce of at least 128 bits in base64url."""

Reference = Annotated[str, Meta(min_length=1, max_length=64)]
UsccText = Annotated[str, Meta(min_length=18, max_length=18)]
Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
IdText = Annotated[str, Meta(pattern="^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
ClockTime = Annotated[str, Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Level = Annotated[str, Meta(pattern="^[1-5X]$")]
Minutes = Annotated[int, Meta(ge=1, le=720)]
LineNumber = Annotated[int, Meta(ge=1, le=MAX_LINES)]
Mark = Annotated[int, Meta(ge=0, le=100)]


class Submission(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """The `data` of a submission."""


class Document(msgspec.Struct, Generic[D], frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """A submission document.

    Attributes:
        id: chosen by the sender, unique for ever within the organisation and service.
        source: "urn:uscc:<USCC>" of the sender.
        type: "zeren.submission.EnrolTrainee.v1".
        time: the sender's clock; kept as said, judges nothing.
        nonce: random, at least 128 bits in base64url.
    """

    specversion: str
    id: Annotated[str, Meta(min_length=1, max_length=64)]
    source: Annotated[str, Meta(max_length=64)]
    type: Annotated[str, Meta(max_length=100)]
    time: datetime
    nonce: Annotated[str, Meta(max_length=64)]
    data: D
    datacontenttype: str = "application/json"


class Preamble(msgspec.Struct, frozen=True, gc=False):
    """What one must know of a document before its data is looked at."""

    id: str
    source: str
    type: str

    @property
    def institution(self) -> str:
        """The sender's USCC, or "" where the source names none."""
        return self.source.removeprefix("urn:uscc:") if self.source.startswith("urn:uscc:") else ""


class SessionPlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """A planned session; `held_on` and times are local (Asia/Shanghai)."""

    session_ref: Reference
    held_on: date
    starts_at: ClockTime
    ends_at: ClockTime
    teacher_ref: Reference


class ApplyClass(Submission, frozen=True):
    """开班申请: an institution asks to open a class.

    Attributes:
        occupation_id: of the occupation package.
        training_kind: PRE_JOB, SKILL_UPGRADE, TRANSFER, EMPLOYMENT_SKILL, ENTREPRENEURSHIP, NEW_OCCUPATION.
    """

    class_ref: Reference
    region: Annotated[str, Meta(pattern="^[0-9]{6}$")]
    occupation_id: Reference
    level: Level
    training_kind: Reference
    programme_tags: Annotated[list[Reference], Meta(max_length=8)]
    max_trainees: Annotated[int, Meta(ge=1, le=1000)]
    sessions: Annotated[list[SessionPlan], Meta(min_length=1, max_length=MAX_LINES)]


class Group(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """A group that the trainee belongs to, with its evidence: DATA_MATCH or DOCUMENT."""

    group: Reference
    evidence: Annotated[str, Meta(pattern="^(DATA_MATCH|DOCUMENT)$")]
    as_of: date


class Trainee(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """Personal data of one person: goes to the vault and nowhere else."""

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    national_id: Annotated[str, Meta(min_length=1, max_length=32)]
    phone: Annotated[str, Meta(max_length=20)]

    def __repr__(self) -> str:
        """Nothing of it: a traceback or a log must not hold a person."""
        return "Trainee(…)"


class EnrolTrainee(Submission, frozen=True):
    """报名: one trainee joins a class under their real name."""

    enrolment_ref: Reference
    class_ref: Reference
    trainee: Trainee
    groups: Annotated[list[Group], Meta(max_length=8)]


class AttendanceLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """One trainee of a sheet. Method: FACE, QR, SIGN or ONLINE."""

    enrolment_ref: Reference
    minutes: Minutes
    method: Annotated[str, Meta(pattern="^(FACE|QR|SIGN|ONLINE)$")]


class RecordAttendanceSheet(Submission, frozen=True):
    """考勤表: the one sheet of a session. Without lines it says that the session fell out.

    Attributes:
        evidence: SHA-256 of the scan or device log that the institution keeps.
    """

    class_ref: Reference
    session_ref: Reference
    evidence: Digest
    lines: Annotated[list[AttendanceLine], Meta(max_length=MAX_LINES)]


class CompleteClass(Submission, frozen=True):
    """结业: the institution closes the class."""

    class_ref: Reference


class RegisterCandidate(Submission, frozen=True):
    """考核报名: an assessment body registers one person who completed a training.

    Attributes:
        institution: the training institution's USCC, with its own `enrolment_ref`.
    """

    candidate_ref: Reference
    institution: UsccText
    enrolment_ref: Reference
    occupation_id: Reference
    level: Level
    trainee: Trainee


class ResultLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """The marks of one candidate, in points of 100."""

    candidate_ref: Reference
    theory: Mark
    practice: Mark


class RecordResults(Submission, frozen=True):
    """考核成绩: marks of candidates assessed on one day."""

    assessed_on: date
    lines: Annotated[list[ResultLine], Meta(min_length=1, max_length=MAX_LINES)]


class ApprovalLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """One result approved; the certificate's number where the candidate passed, else ""."""

    candidate_ref: Reference
    certificate_no: Annotated[str, Meta(max_length=64)]


class ApproveResults(Submission, frozen=True):
    """成绩确认与发证: the body's approver confirms results; certificates are issued to those who passed.

    Attributes:
        certificate_kind: QUALIFICATION, SKILL_LEVEL, SPECIAL_ABILITY or COMPLETION.
        norm: the standard assessed against (R44).
    """

    issued_on: date
    certificate_kind: Annotated[str, Meta(pattern="^(QUALIFICATION|SKILL_LEVEL|SPECIAL_ABILITY|COMPLETION)$")]
    norm: Reference
    lines: Annotated[list[ApprovalLine], Meta(min_length=1, max_length=MAX_LINES)]


class ClaimLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """One claim of a list; `line` counts from 1 and is part of the claim's id."""

    line: LineNumber
    certificate_id: IdText


class ApplySubsidy(Submission, frozen=True):
    """补贴申领名册: an institution claims for its trainees, to be paid to its registered account."""

    application_ref: Reference
    lines: Annotated[list[ClaimLine], Meta(min_length=1, max_length=MAX_LINES)]


class PaymentLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """The bank's answer for one claim: PAID, or FAILED with a code."""

    claim_id: IdText
    amount_fen: Annotated[int, Meta(ge=1, le=100_000_000)]
    result: Annotated[str, Meta(pattern="^(PAID|FAILED)$")]
    code: Annotated[str, Meta(max_length=32)]
    bank_ref: Reference


class ConfirmPayments(Submission, frozen=True):
    """支付回单: the bank's signed receipt for lines of a payment batch."""

    batch_id: IdText
    paid_on: date
    lines: Annotated[list[PaymentLine], Meta(min_length=1, max_length=MAX_LINES)]


@dataclass(frozen=True, slots=True)
class SubmissionType:
    """A submission version's entry in the registry.

    Attributes:
        sender: the kind of organisation that may send it: TRAINING, ASSESSMENT or BANK.
        case: the record key, from the sender's USCC and the data. Never trusted for correctness.
        personal: whether it carries one person's data, so that its raw body can be shredded for them.
    """

    name: str
    service: str
    cls: type[Submission]
    sender: str
    case: Callable[[str, Any], str]
    personal: bool = False


def _of_class(uscc: str, data: Any) -> str:
    return class_id(uscc, data.class_ref)


def _of_candidate(uscc: str, data: Any) -> str:
    return candidate_id(uscc, data.candidate_ref)


def _of_body(uscc: str, _data: Any) -> str:
    return uscc


_TYPES = (
    ("enrolment", ApplyClass, "TRAINING", _of_class, False),
    ("enrolment", EnrolTrainee, "TRAINING", _of_class, True),
    ("enrolment", RecordAttendanceSheet, "TRAINING", _of_class, False),
    ("enrolment", CompleteClass, "TRAINING", _of_class, False),
    ("certification", RegisterCandidate, "ASSESSMENT", _of_candidate, True),
    ("certification", RecordResults, "ASSESSMENT", _of_body, False),
    ("certification", ApproveResults, "ASSESSMENT", _of_body, False),
    (
        "payment",
        ApplySubsidy,
        "TRAINING",
        lambda uscc, data: application_id(uscc, data.application_ref),
        False,
    ),
    ("payment", ConfirmPayments, "BANK", lambda _uscc, data: str(data.batch_id), False),
)
SUBMISSIONS: dict[str, SubmissionType] = {
    f"zeren.submission.{cls.__name__}.v1": SubmissionType(
        f"zeren.submission.{cls.__name__}.v1", service, cls, sender, case, personal
    )
    for service, cls, sender, case, personal in _TYPES
}

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


def check(value: bytes, found: Preamble, service: str | None = None) -> Checked | list[Reason]:
    """Judges a document's shape, bounds, references and identifiers.

    Args:
        value: the document's bytes.
        found: its preamble.
        service: the owner of the topic it came by; None takes any service's.
    """
    entry = SUBMISSIONS.get(found.type)
    if entry is None:
        return [Reason(code="submission.unknown_type", field="type")]
    if service is not None and entry.service != service:
        return [Reason(code="submission.wrong_topic", field="type")]
    try:
        document = _documents[found.type].decode(value)
    except msgspec.ValidationError as error:
        return [Reason(code="submission.invalid_field", field=_path(str(error)))]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return [Reason(code="submission.unreadable")]
    reasons = [*_check_envelope(document), *_check_references(document.data), *_check_data(document.data)]
    return reasons or Checked(entry, document)


def _path(message: str) -> str:
    """The JSON path at the end of a msgspec message; never the value."""
    _, found, path = message.rpartition(" - at `$")
    return path.removeprefix(".").removesuffix("`").replace("...", "") if found else ""


def _check_envelope(document: Document[Any]) -> list[Reason]:
    reasons = []
    if document.specversion != "1.0":
        reasons.append(Reason(code="submission.invalid_field", field="specversion"))
    if len(document.nonce) < NONCE_CHARACTERS:
        reasons.append(Reason(code="submission.nonce_too_short", field="nonce"))
    if document.time.tzinfo is None:
        reasons.append(Reason(code="submission.time_without_zone", field="time"))
    return reasons


def _check_references(data: Submission) -> list[Reason]:
    """Every field named `…_ref`, `…_no`, `norm` or `…_id` that its sender chose, down to the lines."""
    reasons = []
    for path, line, text in _own_names(data):
        if looks_personal(text):
            reasons.append(Reason(code="reference.looks_personal", field=path, line=line))
        elif text and not is_reference(text):
            reasons.append(Reason(code="reference.malformed", field=path, line=line))
    return reasons


_NAMED = ("_ref", "_no", "norm", "occupation_id", "training_kind")


def _own_names(data: msgspec.Struct) -> list[tuple[str, int, str]]:
    found: list[tuple[str, int, str]] = []
    for name in data.__struct_fields__:
        value = getattr(data, name)
        if isinstance(value, str) and name.endswith(_NAMED):
            found.append((name, 0, value))
        elif isinstance(value, list):
            for number, row in enumerate(value, 1):
                if isinstance(row, msgspec.Struct):
                    found += [(f"{name}.{field}", number, text) for field, _, text in _own_names(row)]
                elif isinstance(row, str):
                    found.append((name, number, row))
    return found


def _check_data(data: Submission) -> list[Reason]:
    match data:
        case EnrolTrainee(trainee=trainee) | RegisterCandidate(trainee=trainee):
            return [] if is_national_id(trainee.national_id) else [_bad_id()]
        case ApplyClass(sessions=sessions):
            return _check_sessions(sessions)
        case RecordAttendanceSheet(lines=lines):
            return _doubled([line.enrolment_ref for line in lines])
        case RecordResults(lines=lines):
            return _doubled([line.candidate_ref for line in lines])
        case ApproveResults(lines=lines):
            return _doubled([line.candidate_ref for line in lines])
        case ApplySubsidy(lines=lines):
            return _doubled([str(line.line) for line in lines]) + _doubled(
                [ln.certificate_id for ln in lines]
            )
        case ConfirmPayments(lines=lines):
            return _doubled([line.claim_id for line in lines])
        case _:
            return []


def _bad_id() -> Reason:
    return Reason(code="trainee.id_number_invalid", field="data.trainee.national_id")


def _check_sessions(sessions: list[SessionPlan]) -> list[Reason]:
    reasons = _doubled([session.session_ref for session in sessions])
    for number, session in enumerate(sessions, 1):
        if session.ends_at <= session.starts_at:
            reasons.append(
                Reason(code="class.session_ends_before_start", field="sessions.ends_at", line=number)
            )
    return reasons


def _doubled(names: list[str]) -> list[Reason]:
    seen: set[str] = set()
    reasons = []
    for number, name in enumerate(names, 1):
        if name in seen:
            reasons.append(Reason(code="submission.line_doubled", field="lines", line=number))
        seen.add(name)
    return reasons
