"""Candidates: how far each assessment is."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from services.certification.api.models import Candidate, Candidates, Limit, Worklist
from services.certification.domain.refusals import CandidateUnknown
from services.certification.projections import candidates_by_body
from shared.access.actor import Actor
from shared.access.edge import Dependency, Edge


def add_views(routes: APIRouter, edge: Edge, authenticate: Dependency, handler: Dependency) -> None:
    """Adds what handlers see of candidates, and persons of themselves."""

    @routes.get("/candidates", dependencies=[Depends(handler)])
    async def list_candidates(
        body: Annotated[str, Query(pattern="^[0-9A-Z]{18}$")],
        after: Annotated[str, Query(max_length=64)] = "",
        limit: Limit = 50,
    ) -> Candidates:
        """评价机构的考生 / A body's candidates by reference. For handlers."""
        rows = await edge.ask(
            lambda connection: candidates_by_body.candidates_of(connection, body, after=after, limit=limit)
        )
        following = rows[-1]["candidate_ref"] if len(rows) == limit else None
        return Candidates.model_validate({"items": rows, "next": following})

    @routes.get("/candidates/{candidate_id}")
    async def find_candidate(
        candidate_id: Annotated[str, Path(pattern="^[0-9a-f-]{36}$")],
        actor: Annotated[Actor, Depends(authenticate)],
    ) -> Candidate:
        """考生进度 / One candidate. For handlers, and for the person themselves."""
        row = await edge.ask(lambda connection: candidates_by_body.candidate(connection, candidate_id))
        if row is None or (actor.kind != "handler" and row["person_id"] != actor.id):
            raise CandidateUnknown("candidate_id")
        return Candidate.model_validate(row)


def add_worklist(routes: APIRouter, handler: Dependency) -> None:
    """Adds what waits for a handler."""

    @routes.get("/worklist", dependencies=[Depends(handler)])
    async def list_work(
        _after: Annotated[str, Query(alias="after", max_length=64)] = "",
        _limit: Limit = 50,
    ) -> Worklist:
        """待办 / What waits for the handler: nothing in certification."""
        return Worklist(items=[], next=None)
