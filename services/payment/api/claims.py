"""Claims: filed by persons, looked at by those entitled to."""

import asyncio
from collections.abc import Callable
from datetime import date
from functools import partial
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Response

from services.payment.api.models import (
    ActView,
    ClaimDetail,
    ClaimFiled,
    ClaimPage,
    ClaimView,
    Limit,
    NewAccount,
    NewClaim,
    WaitingClaim,
    WantedClaimant,
    WantedRegion,
    WantedStage,
    Worklist,
)
from services.payment.domain.claim import ALREADY_USED
from services.payment.domain.erasure import erasure_answers, must_take_claims
from services.payment.domain.refusals import UnknownClaim
from services.payment.domain.rules import DUTY, SEPARATED, next_step
from services.payment.projections import claims_by_stage
from services.payment.projections.claims_by_stage import Awaiting, Wanted
from services.payment.submissions import Application, Filed, evidence_of, evidence_reads, file_claim
from shared.access.actor import Actor
from shared.access.commands import Commanded, DutyNotHeld
from shared.access.edge import Asked, Dependency, Edge, Reply, refused
from shared.access.fields import After
from shared.contracts.enrolment import SERVICE as ENROLMENT
from shared.contracts.enrolment import ErasureWithdrawn, SubjectErased
from shared.contracts.fact import decode
from shared.contracts.payment import SERVICE
from shared.eventstore.changes import Reads
from shared.eventstore.desk import Draft, as_far_as_known
from shared.eventstore.upsert import Row
from shared.identity import application_id, claim_id, erasure_id
from shared.money import yuan
from shared.policy.book import PolicyBook
from shared.policy.describe import marks
from shared.refusal import Refusal

RegisterAccount = Callable[[str, NewAccount], str]
"""(person id, account) → the vault's account id; the same for the same person and number, or a repetition of
the request would be another request. Blocks; called in a thread before the claim is decided."""

LINE = 1
"""A person's application has one line."""
_WAITING = (
    "CLAIMED",
    "ACCEPTED",
    "FIRST_REVIEWED",
    "RE_REVIEWED",
    "PUBLICISED",
    "APPROVED",
    "PAYMENT_FAILED",
)


class CertificateUnknown(Refusal):
    """No such certificate, or its facts have not reached payment."""

    code = "claim.certificate_unknown"


def add_commands(
    routes: APIRouter, edge: Edge, asked_by: Dependency, register_account: RegisterAccount
) -> None:
    """A person's own claim."""

    @routes.post(
        "/claims", status_code=201, response_model=ClaimFiled, responses={200: {"model": ClaimFiled}}
    )
    async def claim_subsidy(body: NewClaim, asked: Annotated[Asked, Depends(asked_by)]) -> Response:
        """个人申领 / A person claims on their own certificate. Person's token; repeat with the same key.

        Where the entitlement to this occupation and level is used already the claim is filed, refused and
        answered with 409 `entitlement.already_used`; by whom it was used is not told.
        """
        if asked.actor.kind != "person":
            raise DutyNotHeld
        account = await asyncio.to_thread(register_account, asked.actor.id, body.account)
        # The account's number may stand nowhere but in the vault, not even hashed with the request.
        plain = body.model_dump_json(exclude={"account"}).encode()
        application = Application(
            application_id=application_id(asked.actor.id, body.application_ref),
            line=LINE,
            payee="PERSON",
            claimant=asked.actor.id,
            account_id=account,
        )
        certificate = str(body.certificate_id)
        return await edge.run(
            asked,
            partial(_file, edge.book, application, certificate),
            partial(_needs, application, certificate),
            body=plain + account.encode(),
        )


def _needs(application: Application, certificate: str, draft: Draft) -> Reads:
    own = Reads(streams=frozenset((claim_id(application.application_id, LINE),)))
    return as_far_as_known(own, lambda: evidence_reads(draft, [certificate]))


def _file(
    book: PolicyBook, application: Application, certificate: str, draft: Draft, commanded: Commanded
) -> Reply:
    _must_not_be_erased(draft, application.claimant)
    evidence = evidence_of(draft, certificate)
    if isinstance(evidence, str):
        raise CertificateUnknown("certificate_id")
    filed = file_claim(draft, book, application, evidence, partial(commanded.given, draft))
    if filed.taken:
        return refused(ALREADY_USED, "certificate_id", claim_id=filed.claim_id)
    return Reply(_filed(filed), 201 if filed.facts else 200)


def _must_not_be_erased(draft: Draft, person_id: str) -> None:
    """Raises: PersonErased."""
    about = erasure_id(ENROLMENT, person_id)
    erased = draft.foreign(ENROLMENT, SubjectErased, about)
    withdrawn = draft.foreign(ENROLMENT, ErasureWithdrawn, about)
    ended = max(erased.data.order_no if erased else 0, withdrawn.data.order_no if withdrawn else 0)
    must_take_claims(draft.state(erasure_answers, erasure_id(SERVICE, person_id)), ended)


def _filed(filed: Filed) -> dict[str, Any]:
    standard = filed.standard
    return {
        "claim_id": filed.claim_id,
        "outcome": "done" if filed.facts else "already",
        "computed_fen": standard.amount_fen,
        "computed": yuan(standard.amount_fen),
        "marks": marks(demo=standard.trace.demo, verified=standard.trace.verified),
        "facts": filed.facts,
    }


def add_list(routes: APIRouter, edge: Edge, authenticate: Dependency) -> None:
    """Looking through claims: a person through their own, a handler through all."""

    @routes.get("/claims")
    async def list_claims(
        actor: Annotated[Actor, Depends(authenticate)],
        stage: WantedStage = None,
        region: WantedRegion = "",
        claimant: WantedClaimant = "",
        after: After = 0,
        limit: Limit = 50,
    ) -> ClaimPage:
        """申领列表 / Claims in the order of filing. A person sees those on their own training alone."""
        wanted = Wanted(
            stage=stage or "",
            region=region,
            claimant=claimant,
            person=_only(actor),
            after=after,
            limit=limit,
        )
        rows, as_of = await edge.ask(
            lambda connection: (
                claims_by_stage.claims(connection, wanted),
                claims_by_stage.as_of(connection),
            )
        )
        items = [ClaimView(**_shown(row)) for row in rows]
        return ClaimPage(items=items, next=_next(rows, limit), as_of=as_of)


def add_detail(routes: APIRouter, edge: Edge, authenticate: Dependency) -> None:
    """Looking at one claim: a person at their own, a handler at any."""

    @routes.get("/claims/{claim_id}")
    async def get_claim(claim_id: UUID, actor: Annotated[Actor, Depends(authenticate)]) -> ClaimDetail:
        """申领详情 / One claim with its history and the rules that gave its amount."""
        person = _only(actor)
        row, acts = await edge.ask(
            lambda connection: (
                claims_by_stage.claim(connection, str(claim_id)),
                claims_by_stage.history(connection, str(claim_id)),
            )
        )
        if row is None or person not in ("", row["person_id"]):
            raise UnknownClaim("claim_id")
        shown = [_act(act, hide=bool(person)) for act in acts]
        (claimed,) = await asyncio.to_thread(edge.executor.store.page, row["filed"] - 1, 1)
        trace = decode(claimed.state, claimed.type).data.trace
        return ClaimDetail(**_shown(row), history=shown, trace=msgspec.to_builtins(trace))


def _only(actor: Actor) -> str:
    """The person whose claims the caller may see, or "" for all. Raises: DutyNotHeld."""
    if actor.kind == "person":
        return actor.id
    if not actor.duties:
        raise DutyNotHeld
    return ""


def _shown(row: Row) -> dict[str, Any]:
    return {
        **row,
        "codes": row["codes"].split(),
        "computed": yuan(row["computed_fen"]),
        "marks": list(marks(demo=row["demo"], verified=row["verified"])),
    }


def _act(act: Row, *, hide: bool) -> ActView:
    hidden = {"handler_id": "", "actor": ""} if hide else {}
    return ActView(**{**act, "codes": act["codes"].split(), **hidden})


def _next(rows: list[Row], limit: int) -> int | None:
    return int(rows[-1]["filed"]) if len(rows) == limit else None


def add_worklist(routes: APIRouter, edge: Edge, handler: Dependency) -> None:
    """What waits for a handler."""

    @routes.get("/worklist")
    async def worklist(
        actor: Annotated[Actor, Depends(handler)], after: After = 0, limit: Limit = 50
    ) -> Worklist:
        """待办 / Claims that wait for the caller's duties, without those on which another person must act."""
        today = await edge.today()
        if today is None:
            return Worklist(business_date=None, items=[], next=None, as_of=0)
        waiting = _awaiting(edge.book, today, actor)
        wanted = Wanted(after=after, limit=limit)
        rows, as_of = await edge.ask(
            lambda connection: (
                claims_by_stage.worklist(connection, actor.id, waiting, wanted),
                claims_by_stage.as_of(connection),
            )
        )
        items = [_waiting(edge.book, today, row) for row in rows]
        return Worklist(business_date=today, items=items, next=_next(rows, limit), as_of=as_of)


def _awaiting(book: PolicyBook, today: date, actor: Actor) -> list[Awaiting]:
    """Where claims wait for the caller's duties; review stages differ by region and date."""
    found = []
    for region in book.regions():
        reviews = book.procedure(region.code, today).review_stages
        for stage in _WAITING:
            step = next_step(stage, reviews)
            if DUTY[step] in actor.duties:
                barred = SEPARATED - {"PAY"} if step in SEPARATED else frozenset[str]()
                found.append(Awaiting(region.code, stage, barred))
    return found


def _waiting(book: PolicyBook, today: date, row: Row) -> WaitingClaim:
    step = next_step(row["stage"], book.procedure(row["region"], today).review_stages)
    ready = step != "APPROVE" or (row["closes_on"] is not None and today > row["closes_on"])
    return WaitingClaim(**_shown(row), step=step, duty=DUTY[step], ready=ready)
