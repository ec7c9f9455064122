"""Assessment bodies: approved within a scope, listed for all who are authenticated."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from services.certification.api.models import Bodies, BodyApproval, BodyOutcome, Limit
from services.certification.domain.assessment_body import ApproveBody, assessment_body
from services.certification.projections import approved_bodies
from shared.access.commands import Commanded
from shared.access.edge import Asked, Dependency, Edge, Reply, refuse_duty
from shared.contracts.certification import Scope
from shared.contracts.fact import PROVINCE
from shared.eventstore.changes import Reads
from shared.eventstore.desk import Draft
from shared.identity import institution_id

BODY = "BODY"
"""The duty of approving assessment bodies."""
NAME = "ApproveBody"


def add_commands(routes: APIRouter, edge: Edge, asked_by: Dependency) -> None:
    """Adds the approval."""
    catalogue = frozenset(occupation.id for occupation in edge.book.occupations())

    @routes.post("/assessment-bodies", response_model=BodyOutcome)
    async def approve_body(body: BodyApproval, asked: Annotated[Asked, Depends(asked_by)]) -> Response:
        """批准评价机构 / Approves an assessment body within a scope. Duty BODY; repeat with the same key."""
        stream = institution_id(body.uscc)
        command = ApproveBody(
            uscc=body.uscc,
            scope=[Scope(occupation_id=row.occupation_id, levels=list(row.levels)) for row in body.scope],
            valid_from=body.valid_from,
            valid_to=body.valid_to,
            catalogue=catalogue,
        )

        def decide(draft: Draft, commanded: Commanded) -> Reply:
            if commanded.actor.kind != "handler" or BODY not in commanded.actor.duties:
                return refuse_duty(draft, commanded, action=NAME, duty=BODY, subject=stream)
            given = commanded.given(draft, region=PROVINCE, correlation=stream, duty=BODY)
            facts = draft.execute(assessment_body, stream, command, given)
            return Reply({"uscc": body.uscc, "outcome": "done" if facts else "already", "facts": facts})

        return await edge.run(asked, decide, lambda _draft: Reads(streams=frozenset((stream,))))


def add_views(routes: APIRouter, edge: Edge, authenticate: Dependency) -> None:
    """Adds the list."""

    @routes.get("/assessment-bodies", dependencies=[Depends(authenticate)])
    async def list_bodies(
        after: Annotated[str, Query(max_length=18)] = "",
        limit: Limit = 50,
    ) -> Bodies:
        """评价机构名录 / Approved bodies by USCC; all periods of a body on one page."""
        rows = await edge.ask(lambda connection: approved_bodies.bodies(connection, after=after, limit=limit))
        full = len({row["uscc"] for row in rows}) == limit
        return Bodies.model_validate({"items": rows, "next": rows[-1]["uscc"] if full else None})
