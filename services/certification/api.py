"""HTTP of certification: assessment bodies are approved here; candidates and certificates are looked up."""

import asyncio
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Engine

from services.certification.domain.assessment_body import ApproveBody, assessment_body
from services.certification.domain.refusals import CandidateUnknown, NotOwnRecord
from services.certification.projections import approved_bodies, candidates_by_body, certificates_by_person
from shared.access.actor import Actor
from shared.access.bearer import Authenticate
from shared.access.commands import (
    Commanded,
    DutyNotHeld,
    HttpCommand,
    IdempotencyKeyMissing,
    causation_id,
    record_refusal,
    refused_actions_id,
    run_command,
)
from shared.contracts.certification import SERVICE, Scope
from shared.eventstore.businessdate import business_date
from shared.eventstore.changes import Reads
from shared.eventstore.desk import Draft
from shared.eventstore.execute import Executor
from shared.identity import institution_id
from shared.policy.book import PolicyBook
from shared.runtime.web import refusal_body, status_of
from shared.telemetry.traceparent import HEADER, child_of

BODY = "BODY"
"""The duty of approving assessment bodies."""
PROVINCE = "350000"
"""A body is approved for the province, not for one authority."""
Limit = Annotated[int, Query(ge=1, le=100, description="本页至多多少条 / at most so many items")]
UsccText = Annotated[str, Field(pattern="^[0-9A-Z]{18}$", examples=["91350100MA2Y00001H"])]


class Error(BaseModel):
    """Why not: a permanent code with its texts, and the field at fault."""

    code: str = Field(examples=["action.duty_not_held"])
    zh: str = Field(examples=["您不承担该职责：请由责任人办理"])
    en: str = Field(examples=["You don't hold this duty: let its holder act"])
    field: str = Field(examples=[""])


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


_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": Error, "description": text}
    for status, text in (
        (401, "未登录 / not authenticated"),
        (403, "无此权限 / not entitled"),
        (404, "没有该对象 / no such thing"),
        (409, "与已有事实冲突 / in conflict with what stands"),
        (422, "请求不合规 / malformed or refused by a rule"),
    )
}


def router(executor: Executor, engine: Engine, book: PolicyBook, authenticate: Authenticate) -> APIRouter:
    """Every route of certification.

    Args:
        executor: the service's own.
        engine: of the database with the read models.
        book: the policy in force; its catalogue bounds scopes.
        authenticate: a FastAPI dependency that answers the `Actor`.
    """
    routes = APIRouter(responses=_ERRORS, tags=[SERVICE])
    _add_bodies(routes, executor, engine, book, authenticate)
    _add_candidates(routes, engine, authenticate)
    _add_certificates(routes, engine, authenticate)
    return routes


def _add_bodies(
    routes: APIRouter,
    executor: Executor,
    engine: Engine,
    book: PolicyBook,
    authenticate: Authenticate,
) -> None:
    catalogue = frozenset(occupation.id for occupation in book.occupations())

    @routes.post("/assessment-bodies", response_model=BodyOutcome)
    async def approve_body(
        request: Request,
        approval: BodyApproval,
        actor: Annotated[Actor, Depends(authenticate)],
        idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
    ) -> Response:
        """批准评价机构 / Approves an assessment body within a scope. Duty BODY; repeat with the same key."""
        if not idempotency_key:
            raise IdempotencyKeyMissing("Idempotency-Key")
        command = ApproveBody(
            uscc=approval.uscc,
            scope=[Scope(occupation_id=row.occupation_id, levels=list(row.levels)) for row in approval.scope],
            valid_from=approval.valid_from,
            valid_to=approval.valid_to,
            catalogue=catalogue,
        )
        commanded = Commanded(
            actor=actor,
            causation_id=causation_id(SERVICE, actor, idempotency_key),
            traceparent=child_of(request.headers.get(HEADER, "")),
            now=datetime.now(UTC),
        )
        work = _approval(command, commanded, await request.body())
        answer = await asyncio.to_thread(run_command, executor, work)
        outcome = msgspec.json.decode(answer)
        if outcome["outcome"] == "refused":
            return JSONResponse(refusal_body(outcome["code"], ""), status_of(outcome["code"]))
        return JSONResponse(outcome)

    @routes.get("/assessment-bodies")
    def list_bodies(
        _actor: Annotated[Actor, Depends(authenticate)],
        after: Annotated[str, Query(max_length=18)] = "",
        limit: Limit = 50,
    ) -> Bodies:
        """评价机构名录 / Approved bodies by USCC; all periods of a body on one page."""
        with engine.connect() as connection:
            rows = approved_bodies.bodies(connection, after=after, limit=limit)
        full = len({row["uscc"] for row in rows}) == limit
        return Bodies.model_validate({"items": rows, "next": rows[-1]["uscc"] if full else None})


def _approval(command: ApproveBody, commanded: Commanded, body: bytes) -> HttpCommand:
    """A refusal for want of the duty is an answer, not an exception: it is recorded (R63) and repeated."""
    stream = institution_id(command.uscc)
    entitled = commanded.actor.kind == "handler" and BODY in commanded.actor.duties

    def needs(draft: Draft) -> Reads:
        if entitled:
            return Reads(streams=frozenset((stream,)))
        day = business_date(draft).isoformat()
        return Reads(streams=frozenset((refused_actions_id(SERVICE, commanded.actor, day),)))

    def decide(draft: Draft, commanded: Commanded) -> dict[str, Any]:
        if not entitled:
            refusal = DutyNotHeld()
            record_refusal(draft, commanded, refusal, action="ApproveBody", duty=BODY, subject=stream)
            return {"uscc": command.uscc, "outcome": "refused", "code": refusal.code}
        given = commanded.given(draft, region=PROVINCE, correlation=stream, duty=BODY)
        facts = draft.execute(assessment_body, stream, command, given)
        return {"uscc": command.uscc, "outcome": "done" if facts else "already", "facts": facts}

    return HttpCommand(commanded=commanded, body=body, needs=needs, decide=decide)


def _add_candidates(routes: APIRouter, engine: Engine, authenticate: Authenticate) -> None:
    @routes.get("/candidates")
    def list_candidates(
        body: Annotated[str, Query(pattern="^[0-9A-Z]{18}$")],
        actor: Annotated[Actor, Depends(authenticate)],
        after: Annotated[str, Query(max_length=64)] = "",
        limit: Limit = 50,
    ) -> Candidates:
        """评价机构的考生 / A body's candidates by reference. For handlers."""
        _require_handler(actor)
        with engine.connect() as connection:
            rows = candidates_by_body.candidates_of(connection, body, after=after, limit=limit)
        following = rows[-1]["candidate_ref"] if len(rows) == limit else None
        return Candidates.model_validate({"items": rows, "next": following})

    @routes.get("/candidates/{candidate_id}")
    def find_candidate(
        candidate_id: Annotated[str, Path(pattern="^[0-9a-f-]{36}$")],
        actor: Annotated[Actor, Depends(authenticate)],
    ) -> Candidate:
        """考生进度 / One candidate. For handlers, and for the person themselves."""
        with engine.connect() as connection:
            row = candidates_by_body.candidate(connection, candidate_id)
        if row is None or (actor.kind != "handler" and row["person_id"] != actor.id):
            raise CandidateUnknown("candidate_id")
        return Candidate.model_validate(row)

    @routes.get("/worklist")
    def list_work(
        actor: Annotated[Actor, Depends(authenticate)],
        _after: Annotated[str, Query(alias="after", max_length=64)] = "",
        _limit: Limit = 50,
    ) -> Worklist:
        """待办 / What waits for the handler: nothing in certification."""
        _require_handler(actor)
        return Worklist(items=[], next=None)


def _add_certificates(routes: APIRouter, engine: Engine, authenticate: Authenticate) -> None:
    @routes.get("/certificates")
    def list_certificates(
        actor: Annotated[Actor, Depends(authenticate)],
        person: Annotated[str, Query(min_length=1, max_length=64)],
        after: Annotated[int, Query(ge=0)] = 0,
        limit: Limit = 50,
    ) -> Certificates:
        """本人证书 / A person's certificates in the order of issue: only with that person's own token."""
        if actor.kind != "person" or actor.id != person:
            raise NotOwnRecord("person")
        with engine.connect() as connection:
            rows = certificates_by_person.certificates_of(connection, person, after=after, limit=limit)
        following = rows[-1]["position"] if len(rows) == limit else None
        return Certificates.model_validate({"items": rows, "next": following})


def _require_handler(actor: Actor) -> None:
    if actor.kind != "handler":
        raise DutyNotHeld
