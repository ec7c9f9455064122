"""Submissions as pydantic models: the same documents that the product takes, read the way FastStream shows."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

KIND = "zeren.submission."


class Document(BaseModel):
    """What every submission has."""

    specversion: str
    id: str
    source: str
    time: datetime
    nonce: str

    @property
    def institution(self) -> str:
        """The USCC that signs it."""
        return self.source.rpartition(":")[2]


class ClassPlan(BaseModel):
    """A class with its sessions."""

    class_ref: str
    region: str
    occupation_id: str
    level: str
    sessions: list[dict[str, Any]]


class Application(Document):
    """A class is applied for."""

    type: Literal["zeren.submission.ApplyClass.v1"]
    data: ClassPlan


class Trainee(BaseModel):
    """One person in one class."""

    enrolment_ref: str
    class_ref: str
    trainee: dict[str, str]
    groups: list[dict[str, Any]]


class Enrolling(Document):
    """A trainee is enrolled."""

    type: Literal["zeren.submission.EnrolTrainee.v1"]
    data: Trainee


class Presence(BaseModel):
    """A line of a sheet."""

    enrolment_ref: str
    minutes: int
    method: str


class Sheet(BaseModel):
    """Attendance of one session."""

    class_ref: str
    session_ref: str
    evidence: str
    lines: list[Presence]


class Attending(Document):
    """A sheet is handed in."""

    type: Literal["zeren.submission.RecordAttendanceSheet.v1"]
    data: Sheet


class Closing(BaseModel):
    """A class that has ended."""

    class_ref: str


class Completing(Document):
    """A class is completed."""

    type: Literal["zeren.submission.CompleteClass.v1"]
    data: Closing


class Candidate(BaseModel):
    """One person to be assessed."""

    candidate_ref: str
    institution: str
    enrolment_ref: str
    occupation_id: str
    level: str
    trainee: dict[str, str]


class Registering(Document):
    """A candidate is registered."""

    type: Literal["zeren.submission.RegisterCandidate.v1"]
    data: Candidate


class Mark(BaseModel):
    """A line of results."""

    candidate_ref: str
    theory: int
    practice: int


class Marks(BaseModel):
    """Results of one assessment."""

    assessed_on: date
    lines: list[Mark]


class Marking(Document):
    """Results are recorded."""

    type: Literal["zeren.submission.RecordResults.v1"]
    data: Marks


class Number(BaseModel):
    """A line of certificates."""

    candidate_ref: str
    certificate_no: str


class Numbers(BaseModel):
    """Certificates issued together."""

    issued_on: date
    certificate_kind: str
    norm: str
    lines: list[Number]


class Certifying(Document):
    """Results are approved and certificates issued."""

    type: Literal["zeren.submission.ApproveResults.v1"]
    data: Numbers


class Line(BaseModel):
    """A line of a list of claims."""

    line: int
    certificate_id: str


class Claims(BaseModel):
    """A list of claims."""

    application_ref: str
    lines: list[Line]


class Claiming(Document):
    """Subsidies are claimed."""

    type: Literal["zeren.submission.ApplySubsidy.v1"]
    data: Claims


Submission = Annotated[
    Application | Enrolling | Attending | Completing | Registering | Marking | Certifying | Claiming,
    Field(discriminator="type"),
]


class Fact(BaseModel):
    """A fact as it is published."""

    specversion: str = "1.0"
    id: str
    source: str
    type: str
    subject: str
    time: datetime
    streamversion: int
    data: dict[str, Any]
