"""Facts of enrolment: organisations and their keys, classes, enrolments, attendance, completion, erasure."""

from __future__ import annotations

from datetime import date, datetime

from shared.contracts.fact import Fact, fact
from shared.contracts.trace import DecisionTrace

SERVICE = "enrolment"


@fact(SERVICE)
class BusinessDayOpened(Fact, frozen=True):
    """The business date (业务日期) moves, as by a bank's day roll (日切): one day after the other."""

    date: date
    working: bool


@fact(SERVICE)
class InstitutionRegistered(Fact, frozen=True):
    """An organisation may send submissions: a training institution, an assessment body or a bank.

    Attributes:
        kind: TRAINING, ASSESSMENT or BANK.
        name: the registered name of the organisation; public, not personal.
        region: the authority that registered it.
    """

    uscc: str
    name: str
    kind: str
    region: str


@fact(SERVICE)
class InstitutionKeyRegistered(Fact, frozen=True):
    """A signing key of an organisation, valid in [valid_from, valid_until) by the broker's clock.

    Attributes:
        key_id: the JWS `kid`, unique in the province.
        public_key: Ed25519, 32 bytes, base64url without padding.
        valid_from: may lie before the registration.
        kind: the organisation's kind, as in `InstitutionRegistered`: other services need no second look.
    """

    uscc: str
    kind: str
    region: str
    key_id: str
    public_key: str
    valid_from: datetime
    valid_until: datetime | None


@fact(SERVICE)
class InstitutionKeyRevoked(Fact, frozen=True):
    """A signing key ends earlier than it was registered for: what was logged before `valid_until` stays good.

    Attributes:
        valid_until: the key's new end by the broker's clock, UTC; may lie before this fact.
        reason: COMPROMISED, LOST, SUPERSEDED or CLOSED.
    """

    uscc: str
    key_id: str
    valid_until: datetime
    reason: str


@fact(SERVICE)
class PayeeAccountRegistered(Fact, frozen=True):
    """The account to which the organisation's own claims are paid. The number lies in the vault.

    Attributes:
        account_id: the vault's random id of the account.
        commitment: HMAC-SHA256(salt, account number), hex.
    """

    uscc: str
    account_id: str
    commitment: str


class PlannedSession(Fact, frozen=True):
    """A planned session (课次) of a class.

    Attributes:
        starts_at: local time, "HH:MM".
        teacher_ref: the institution's reference of the teacher.
    """

    session_id: str
    session_ref: str
    held_on: date
    starts_at: str
    ends_at: str
    minutes: int
    teacher_ref: str


@fact(SERVICE, key="class_id", correlation="class_id")
class ClassApplied(Fact, frozen=True):
    """An institution applied to open a class (开班申请)."""

    class_id: str
    class_ref: str
    institution: str
    region: str
    occupation_id: str
    level: str
    training_kind: str
    programme_tags: list[str]
    max_trainees: int
    first_day: date
    last_day: date
    planned_minutes: int
    sessions: list[PlannedSession]


@fact(SERVICE, key="class_id", correlation="class_id")
class ClassApproved(Fact, frozen=True):
    """A handler approved the class: its plan is fixed and trainees may enrol."""

    class_id: str
    decision_jws: str | None


class GroupCommitment(Fact, frozen=True):
    """A group that the trainee belongs to: the evidence is committed, value and salt lie in the vault.

    Attributes:
        commitment: HMAC-SHA256(salt, group code), hex.
    """

    commitment: str
    evidence: str
    as_of: date


@fact(SERVICE, key="class_id", correlation="enrolment_id")
class TraineeEnrolled(Fact, frozen=True):
    """A trainee (学员) joined a class under their real name (实名制).

    Attributes:
        age: whole years at the class's first day, as the policy judged it.
        trace: the rule that judged the age.
    """

    enrolment_id: str
    enrolment_ref: str
    class_id: str
    person_id: str
    institution: str
    region: str
    occupation_id: str
    level: str
    age: int
    groups: list[GroupCommitment]
    trace: DecisionTrace


@fact(SERVICE, key="class_id", correlation="class_id")
class AttendanceSheetRecorded(Fact, frozen=True):
    """The one signed sheet (考勤表) of a session; without lines it says that the session fell out.

    Attributes:
        evidence: SHA-256 of the scan or device log that the institution keeps, hex.
    """

    class_id: str
    session_id: str
    lines: int
    evidence: str


@fact(SERVICE, key="class_id", correlation="enrolment_id")
class SessionAttended(Fact, frozen=True):
    """A trainee was there.

    Attributes:
        minutes: attended, at most the session's.
        method: FACE, QR, SIGN or ONLINE.
    """

    enrolment_id: str
    class_id: str
    session_id: str
    minutes: int
    method: str


@fact(SERVICE, key="class_id", correlation="class_id")
class ClassCompleted(Fact, frozen=True):
    """The class closed (结业): every planned session has a sheet and each trainee a verdict."""

    class_id: str
    completed: int
    not_completed: int


@fact(SERVICE, key="class_id", correlation="enrolment_id")
class TrainingCompleted(Fact, frozen=True):
    """The trainee completed the training (结业); differs from being certified (取证)."""

    enrolment_id: str
    class_id: str
    person_id: str
    institution: str
    region: str
    attended_minutes: int
    planned_minutes: int
    completed_on: date
    trace: DecisionTrace


@fact(SERVICE, key="class_id", correlation="enrolment_id")
class TrainingNotCompleted(Fact, frozen=True):
    """The trainee did not complete the training; `code` says why."""

    enrolment_id: str
    class_id: str
    person_id: str
    institution: str
    region: str
    attended_minutes: int
    planned_minutes: int
    code: str
    trace: DecisionTrace


@fact(SERVICE, key="person_id")
class ErasureOrdered(Fact, frozen=True):
    """A person's personal data is to be erased (删除); another handler must confirm it.

    Payment answers with `ErasureAnswered` whether money is still on its way to the person's own account.

    Attributes:
        order_no: 1, 2, 3…: a person who enrols anew may be erased again.
        handler_id: who ordered it.
        reason: the ground, as in 个人信息保护法 第四十七条: PURPOSE_FULFILLED, RETENTION_OVER, CONSENT_WITHDRAWN,
            UNLAWFUL_PROCESSING or OTHER_LAW.
    """

    person_id: str
    order_no: int
    handler_id: str
    reason: str


@fact(SERVICE, key="person_id")
class ErasureConfirmed(Fact, frozen=True):
    """A second handler confirmed the order: the vault deletes from here on, and nothing takes it back."""

    person_id: str
    order_no: int
    handler_id: str


@fact(SERVICE, key="person_id")
class ErasureWithdrawn(Fact, frozen=True):
    """The order was taken back before it was confirmed: nothing was deleted."""

    person_id: str
    order_no: int
    handler_id: str


@fact(SERVICE, key="person_id")
class SubjectErased(Fact, frozen=True):
    """The person's personal data is gone (已删除). Every fact and proof stands as it was.

    What is kept is the blind index of the ID number alone: the person has the same id for ever, so the no-repeat
    rule (R50) still holds. A later enrolment is a new consent: it gets a new data key, which opens nothing old.

    Attributes:
        data_keys: 1, or 0 where the person had been erased already.
        values: name, ID number, phone.
        commitments: values and salts behind commitments; the commitments in facts stay.
        submissions: raw submissions kept as evidence.
        accounts: payee accounts.
    """

    person_id: str
    order_no: int
    data_keys: int
    values: int
    commitments: int
    submissions: int
    accounts: int
