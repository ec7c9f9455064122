"""Handlers decide claims (受理、审核、公示、审批): many at once, each for itself."""

from dataclasses import dataclass
from typing import Annotated, Any, assert_never

from fastapi import APIRouter, Depends, Response

from services.payment.api.models import Action, Decisions, Outcomes
from services.payment.domain.claim import Accept, Approve, Command, Publicise, RecordReview, Refuse, claim
from services.payment.domain.claim_state import Claim
from services.payment.domain.entitlement_account import Release, entitlement_account
from services.payment.domain.keys import CLAIMS
from services.payment.domain.refusals import ActedAlready, PayerReviewed, ReasonRequired, UnknownClaim
from services.payment.domain.rules import DUTY, notice_closes_on, refusing_step
from shared.access.actor import Actor
from shared.access.commands import Commanded, DutyNotHeld, record_refusal
from shared.access.edge import Asked, Dependency, Edge, Reply, refuse_duty
from shared.contracts.codes.catalogue import CATALOGUE
from shared.contracts.fact import Circumstances
from shared.eventstore.businessdate import business_date
from shared.eventstore.changes import Reads
from shared.eventstore.desk import Draft, as_far_as_known
from shared.identity import derive_id, entitlement_account_id
from shared.policy.book import PolicyBook
from shared.policy.rules import Procedure
from shared.refusal import Refusal

_STEP: dict[Action, str] = {
    "accept": "ACCEPT",
    "first_review": "FIRST_REVIEW",
    "re_review": "RE_REVIEW",
    "publicise": "NOTICE",
    "approve": "APPROVE",
}
_NAME: dict[Action, str] = {
    "accept": "AcceptClaim",
    "first_review": "ReviewClaim",
    "re_review": "ReviewClaim",
    "publicise": "PubliciseClaim",
    "approve": "ApproveClaim",
    "refuse": "RefuseClaim",
}
_REFUSING = ("ACCEPT", "FIRST_REVIEW", "RE_REVIEW", "APPROVE")
_RECORDED = (DutyNotHeld, ActedAlready, PayerReviewed)


def add_routes(routes: APIRouter, edge: Edge, asked_by: Dependency) -> None:
    """The bulk decision."""

    @routes.post("/claims/decisions", response_model=Outcomes)
    async def decide_claims(body: Decisions, asked: Annotated[Asked, Depends(asked_by)]) -> Response:
        """申领办理 / Decides up to 300 claims, each with its own outcome.

        Duties: accept D8, first_review D9, re_review D10, publicise D11, approve D12; refuse needs the duty of
        the step that the claim waits for (D12 before and under public notice). Whoever did one step of a claim
        may not do another, public notice excepted; such an attempt is refused and recorded.
        """
        many = _Many(body, edge.book)
        return await edge.run(asked, many.decide, many.needs)


@dataclass(frozen=True, slots=True)
class _Many:
    """One bulk decision."""

    body: Decisions
    book: PolicyBook

    @property
    def name(self) -> str:
        return _NAME[self.body.action]

    @property
    def claim_ids(self) -> list[str]:
        return [str(one.claim_id) for one in self.body.claims]

    def needs(self, draft: Draft) -> Reads:
        wanted = Reads(
            streams=frozenset(self.claim_ids),
            reservations=frozenset((CLAIMS, claim_id) for claim_id in self.claim_ids),
        )
        if self.body.action != "refuse":
            return wanted

        def accounts() -> Reads:
            persons = (draft.holder(CLAIMS, claim_id) for claim_id in self.claim_ids)
            return Reads(streams=frozenset(entitlement_account_id(person) for person in persons if person))

        return as_far_as_known(wanted, accounts)

    def decide(self, draft: Draft, commanded: Commanded) -> Reply:
        duties = self._duties()
        if not _holds(commanded.actor, *duties):
            subject = self.claim_ids[0]
            return refuse_duty(
                draft, commanded, action=self.name, duty=duties[0], subject=subject, field="action"
            )
        return Reply(
            {
                "outcomes": [
                    self._outcome(draft, commanded, str(one.claim_id), tuple(one.reasons))
                    for one in self.body.claims
                ]
            },
        )

    def _duties(self) -> list[str]:
        action = self.body.action
        return [DUTY[step] for step in (_REFUSING if action == "refuse" else (_STEP[action],))]

    def _outcome(
        self, draft: Draft, commanded: Commanded, claim_id: str, reasons: tuple[str, ...]
    ) -> dict[str, Any]:
        duty = self._duties()[0]
        try:
            if draft.holder(CLAIMS, claim_id) is None:
                raise UnknownClaim("claim_id")
            state = draft.state(claim, claim_id)
            procedure = self.book.procedure(state.region, business_date(draft))
            duty = self._duty(state, procedure, commanded.actor)
            given = commanded.given(draft, region=state.region, correlation=state.enrolment_id, duty=duty)
            command = self._command(procedure, given, commanded.actor, reasons)
            facts = draft.execute(claim, claim_id, command, given)
            if facts and isinstance(command, Refuse):
                facts += _release(draft, state, given)
        except Refusal as refusal:
            record(draft, commanded, refusal, action=self.name, duty=duty, subject=claim_id)
            return outcome(claim_id, refusal.code, [])
        return outcome(claim_id, "", facts)

    def _duty(self, state: Claim, procedure: Procedure, actor: Actor) -> str:
        """The duty under which the claim is decided. Raises: DutyNotHeld."""
        action = self.body.action
        if action != "refuse":
            return DUTY[_STEP[action]]
        step = refusing_step(state.stage, procedure.review_stages)
        # At no step: whoever refused it hears that it is so already, others that the stage is wrong.
        duty = DUTY[step] if step else next(d for d in self._duties() if d in actor.duties)
        if not _holds(actor, duty):
            raise DutyNotHeld("action")
        return duty

    def _command(
        self, procedure: Procedure, given: Circumstances, actor: Actor, reasons: tuple[str, ...]
    ) -> Command:
        reviews, today = procedure.review_stages, given.businessdate
        match self.body.action:
            case "accept":
                return Accept(handler_id=actor.id)
            case "first_review":
                return RecordReview(handler_id=actor.id, stage="FIRST_REVIEW", reviews=reviews)
            case "re_review":
                return RecordReview(handler_id=actor.id, stage="RE_REVIEW", reviews=reviews)
            case "publicise":
                return Publicise(
                    handler_id=actor.id,
                    notice_id=derive_id(given.causationid, "notice"),
                    opens_on=today,
                    closes_on=notice_closes_on(self.book, procedure, today),
                    reviews=reviews,
                )
            case "approve":
                return Approve(handler_id=actor.id, business_date=today)
            case "refuse":
                if any(code not in CATALOGUE for code in reasons):
                    raise ReasonRequired("reasons")
                return Refuse(handler_id=actor.id, reasons=reasons, reviews=reviews)
            case _:
                assert_never(self.body.action)


def _holds(actor: Actor, *duties: str) -> bool:
    return actor.kind == "handler" and bool(actor.duties.intersection(duties))


def _release(draft: Draft, state: Claim, given: Circumstances) -> list[str]:
    """A refused claim frees the person's entitlement (R50)."""
    release = Release(
        person_id=state.person_id,
        claim_id=state.claim_id,
        occupation_id=state.occupation_id,
        level=state.level,
    )
    return draft.execute(entitlement_account, entitlement_account_id(state.person_id), release, given)


def record(
    draft: Draft, commanded: Commanded, refusal: Refusal, *, action: str, duty: str, subject: str
) -> None:
    """Stages the fact of a refused attempt (R63), where the refusal is one of duty or of its separation."""
    if isinstance(refusal, _RECORDED):
        record_refusal(draft, commanded, refusal, action=action, duty=duty, subject=subject)


def outcome(claim_id: str, code: str, facts: list[str]) -> dict[str, Any]:
    """What became of one claim: refused with a code, done with facts, or already so with neither."""
    word = "refused" if code else "done" if facts else "already"
    return {"claim_id": claim_id, "outcome": word, "code": code, "facts": facts}
