"""Facts that every service writes: receipts, quarantine, the adopted business day, refused actions."""

from __future__ import annotations

from datetime import date, datetime

from shared.contracts.fact import SERVICES, Fact, fact

DECIDING = ("enrolment", "certification", "payment")
FOLLOWING = ("certification", "payment", "audit")
"""Those that adopt the business day that enrolment opens."""


class Reason(Fact, frozen=True):
    """Why not. The texts stand once a code in `shared.contracts.codes`; no value is echoed.

    Attributes:
        code: permanent, machine readable.
        field: JSON path of the field at fault, or "" for the whole.
        line: the line of a list or sheet, counted from 1; 0 for the whole.
    """

    code: str
    field: str = ""
    line: int = 0


class Origin(Fact, frozen=True):
    """Where the service read the submission: non-repudiation, and key validity that replays.

    Attributes:
        digest: SHA-256 of the value's bytes, hex.
        jws: the detached signature as sent; "" where it is none.
        logged_at: the broker's LogAppendTime, UTC. It judges key validity, never the sender's clock.
    """

    digest: str
    jws: str
    topic: str
    partition: int
    offset: int
    logged_at: datetime


@fact(*DECIDING)
class SubmissionAccepted(Fact, frozen=True):
    """A submission was decided. Lines that were refused are named; the others took effect.

    Attributes:
        institution: the sender's USCC.
        facts: ids of the facts that it led to, at most 200; `fact_count` tells how many there were.
    """

    submission_id: str
    submission_type: str
    institution: str
    origin: Origin
    lines: int
    refused_lines: list[Reason]
    fact_count: int
    facts: list[str]


@fact(*DECIDING)
class SubmissionRejected(Fact, frozen=True):
    """A submission took no effect.

    Attributes:
        submission_type: "" where the type is unknown: what a sender writes there is not repeated.
        reasons: at least one.
        awaited: what a parked submission waited for until its deadline ("enrolment:<id>"), else "".
    """

    submission_id: str
    submission_type: str
    institution: str
    origin: Origin
    reasons: list[Reason]
    awaited: str = ""


@fact(*DECIDING)
class SubmissionQuarantined(Fact, frozen=True):
    """A record on the intake topic that can't be attributed: junk, no readable id, no valid signature.

    Attributes:
        claimed_key: the key id that it names (at most 64 plain characters), or "".
        size: bytes of the value.
    """

    origin: Origin
    reasons: list[Reason]
    claimed_key: str
    size: int


@fact(*DECIDING)
class SubmissionIdReused(Fact, frozen=True):
    """A risk: another body came under a submission id that was used already.

    Attributes:
        first_digest: the digest that holds the id.
    """

    submission_id: str
    institution: str
    first_digest: str
    other_digest: str


@fact(*SERVICES)
class ActionRefused(Fact, frozen=True):
    """An authenticated person tried what they may not do (R63). Never on the claim's own stream.

    Attributes:
        action: the command's name.
        subject: the id of what they tried it on.
    """

    handler_id: str
    action: str
    duty: str
    code: str
    subject: str


@fact(*SERVICES)
class ForeignFactDiscardRequested(Fact, frozen=True):
    """A person asks that a parked foreign fact be given up: it stays parked until a second one agrees.

    Attributes:
        parked_fact: its id among the parked ones.
        source: "<service>@<incarnation>" whose fact it is, at `position` of its event table.
        digest: SHA-256 of its bytes, hex.
        error: the class of the error with which it failed.
        reason: why, a plain code of 1–64 characters.
        handler_id: who asks.
    """

    parked_fact: str
    consumer: str
    source: str
    topic: str
    partition: int
    position: int
    digest: str
    error: str
    reason: str
    handler_id: str


@fact(*SERVICES)
class ForeignFactDiscarded(Fact, frozen=True):
    """A second person agreed: this service goes on without that foreign fact. The ledger keeps it.

    Attributes:
        key: the case whose later facts waited behind it.
        handler_id: who agreed; never who asked.
    """

    parked_fact: str
    consumer: str
    key: str
    digest: str
    handler_id: str


@fact(*FOLLOWING)
class BusinessDayAdopted(Fact, frozen=True):
    """This service's business date moves: every later fact of its event table is of this day."""

    date: date
    working: bool
