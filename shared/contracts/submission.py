"""Submissions: what organisations ask for, as imperative CloudEvents documents signed over their exact bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec
from msgspec import Meta

from shared.identity import (
    UUID_FORM,
    application_id,
    candidate_id,
    class_id,
)

D = TypeVar("D")

MAX_SUBMISSION_BYTES = 262_144
MAX_LINES = 200
"""Lines of a list or sheet, and sessions of a class: so that a receipt stays a fact."""
NONCE_CHARACTERS = 22
"""A nonce of at least 128 bits in base64url."""

Reference = Annotated[str, Meta(min_length=1, max_length=64)]
UsccText = Annotated[str, Meta(min_length=18, max_length=18)]
# A pattern's $ lets a line feed stand at the end: the length shuts it out.
Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", max_length=64)]
IdText = Annotated[str, Meta(pattern=f"^{UUID_FORM}$", max_length=36)]
ClockTime = Annotated[str, Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$", max_length=5)]
Level = Annotated[str, Meta(pattern="^[1-5X]$", max_length=1)]
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
    datacontenttype: Annotated[str, Meta(max_length=64)] = "application/json"


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
        training_kind: of the policy package: EMPLOYMENT_SKILL, PRE_JOB, POST_SKILL, TRANSFER, APPRENTICESHIP,
            HIGH_SKILL, ENTREPRENEURSHIP, NEW_OCCUPATION, SHORT_SKILL.
    """

    class_ref: Reference
    region: Annotated[str, Meta(pattern="^[0-9]{6}$", max_length=6)]
    occupation_id: Reference
    level: Level
    training_kind: Reference
    programme_tags: Annotated[list[Reference], Meta(max_length=8)]
    max_trainees: Annotated[int, Meta(ge=1, le=1000)]
    sessions: Annotated[list[SessionPlan], Meta(min_length=1, max_length=MAX_LINES)]


class Group(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """A group that the trainee belongs to, with its evidence: DATA_MATCH or DOCUMENT."""

    group: Reference
    evidence: Literal["DATA_MATCH", "DOCUMENT"]
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
    method: Literal["FACE", "QR", "SIGN", "ONLINE"]


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
    certificate_kind: Literal["QUALIFICATION", "SKILL_LEVEL", "SPECIAL_ABILITY", "COMPLETION"]
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
    result: Literal["PAID", "FAILED"]
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
