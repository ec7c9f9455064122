"""What comes and goes over HTTP, with bounds and examples."""

from datetime import date
from typing import Annotated, Literal

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from shared.access.fields import UsccText

Limit = Annotated[int, Query(ge=1, le=100, description="本页至多多少条 / at most so many items")]


class ScopeRow(BaseModel):
    """An occupation and the levels in which it may be assessed."""

    model_config = ConfigDict(extra="forbid")
    occupation_id: str = Field(min_length=1, max_length=64, examples=["elder-carer"])
    levels: list[Literal["5", "4", "3", "2", "1", "X"]] = Field(
        min_length=1, max_length=6, examples=[["5", "4"]]
    )


class BodyApproval(BaseModel):
    """What is approved: a body, its scope, and the days on which it may assess."""

    model_config = ConfigDict(extra="forbid")
    uscc: UsccText
    scope: list[ScopeRow] = Field(min_length=1, max_length=200)
    valid_from: date = Field(examples=["2024-01-01"])
    valid_to: date = Field(examples=["2026-12-31"])


class BodyOutcome(BaseModel):
    """`already`: exactly this approval stood before. `facts` names what was recorded."""

    uscc: UsccText
    outcome: Literal["done", "already"] = Field(examples=["done"])
    facts: list[str] = Field(examples=[["6d1f2f0e-4c39-5a52-9a26-3f0d0b3d8f11"]])


class ApprovedBody(BaseModel):
    """One period of approval."""

    uscc: UsccText
    scope: list[ScopeRow]
    valid_from: date = Field(examples=["2024-01-01"])
    valid_to: date = Field(examples=["2026-12-31"])
    approved_on: date = Field(examples=["2024-05-13"])
    approved_by: str = Field(examples=["handler:h-010"])


class Candidate(BaseModel):
    """A candidate and how far the assessment is. `position` tells how new this view is."""

    candidate_id: str = Field(examples=["0b6c7e5a-54f4-5a25-8f21-6f1a5be0a001"])
    candidate_ref: str = Field(examples=["KS-001"])
    assessment_body: UsccText
    institution: UsccText
    person_id: str
    enrolment_id: str
    occupation_id: str = Field(examples=["elder-carer"])
    level: str = Field(examples=["5"])
    region: str = Field(examples=["350100"])
    registered_on: date = Field(examples=["2024-05-28"])
    stage: str = Field(examples=["CERTIFIED"])
    assessed_on: date | None = Field(examples=["2024-05-29"])
    theory: int | None = Field(examples=[81])
    practice: int | None = Field(examples=[77])
    passed: bool | None = Field(examples=[True])
    certificate_id: str | None
    position: int = Field(examples=[1204])


class Certificate(BaseModel):
    """A certificate of the person who asks."""

    certificate_id: str = Field(examples=["3d5f6d5e-3f0e-5a1c-9a3f-1f7b8c0d2e11"])
    certificate_no: str = Field(examples=["S35010020240531001"])
    certificate_kind: str = Field(examples=["SKILL_LEVEL"])
    occupation_id: str = Field(examples=["elder-carer"])
    level: str = Field(examples=["5"])
    issued_on: date = Field(examples=["2024-05-31"])
    norm: str = Field(examples=["GZB-4-10-01-05"])
    assessment_body: UsccText
    institution: UsccText
    region: str = Field(examples=["350100"])
    enrolment_id: str
    position: int = Field(examples=[1204])


class Bodies(BaseModel):
    """A page; ask again with `after` = `next`, null on the last page."""

    items: list[ApprovedBody]
    next: str | None = Field(examples=[None])


class Candidates(BaseModel):
    """A page; ask again with `after` = `next`, null on the last page."""

    items: list[Candidate]
    next: str | None = Field(examples=[None])


class Certificates(BaseModel):
    """A page; ask again with `after` = `next`, null on the last page."""

    items: list[Certificate]
    next: int | None = Field(examples=[None])


class Worklist(BaseModel):
    """What waits for a handler. Nothing in certification does: results are confirmed by the bodies."""

    items: list[dict[str, str]] = Field(examples=[[]], max_length=100)
    next: str | None = Field(examples=[None])
