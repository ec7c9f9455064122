"""Classes: what waits for approval, the approval (D3), and how far each class is."""

from dataclasses import asdict
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from services.enrolment.api.models import (
    ClassDecisions,
    ClassOutcomes,
    ClassPage,
    ClassState,
    ClassView,
    Limit,
    UsccText,
    Worklist,
)
from services.enrolment.domain.keys import CLASSES
from services.enrolment.domain.training_class import ApproveClass, ClassUnknown, training_class
from services.enrolment.projections import classes_by_state
from services.enrolment.projections.classes_by_state import APPLIED, Wanted
from shared.access.commands import Commanded
from shared.access.edge import Asked, Dependency, Edge, Reply
from shared.access.fields import After, RegionCode
from shared.eventstore.changes import Reads
from shared.eventstore.desk import Draft

CLASS_APPROVE = "D3"


def add_commands(routes: APIRouter, edge: Edge, asked_by: Dependency) -> None:
    """Adds the handlers' decision on classes."""

    @routes.post("/classes/decisions", response_model=ClassOutcomes, tags=["classes"])
    async def decide_classes(body: ClassDecisions, asked: Annotated[Asked, Depends(asked_by)]) -> Response:
        """Approves classes (duty D3), at most 300 at once; each has its own outcome."""
        class_ids = [str(class_id) for class_id in body.class_ids]
        await edge.demand(asked, CLASS_APPROVE, action="ApproveClass", subject=class_ids[0])

        def decide(draft: Draft, commanded: Commanded) -> Reply:
            return Reply({"outcomes": [_approve(draft, commanded, class_id) for class_id in class_ids]})

        needs = Reads(
            streams=frozenset(class_ids),
            reservations=frozenset((CLASSES, class_id) for class_id in class_ids),
        )
        return await edge.run(asked, decide, lambda _draft: needs)


def add_views(routes: APIRouter, edge: Edge, handler: Dependency) -> None:
    """Adds what handlers see of classes."""

    @routes.get("/classes", tags=["classes"], dependencies=[Depends(handler)])
    async def list_classes(
        state: ClassState | None = None,
        region: Annotated[RegionCode | None, Query()] = None,
        institution: Annotated[UsccText | None, Query()] = None,
        after: After = 0,
        limit: Limit = 50,
    ) -> ClassPage:
        """Classes by state, region and institution, in the order of their applications."""
        wanted = Wanted(state=state, region=region, institution=institution)
        items, following = await _page(edge, wanted, after, limit)
        return ClassPage(items=items, next=following)

    @routes.get("/classes/{class_id}", tags=["classes"], dependencies=[Depends(handler)])
    async def get_class(class_id: UUID) -> ClassView:
        """One class."""
        row = await edge.ask(lambda connection: classes_by_state.find(connection, str(class_id)))
        if row is None:
            raise ClassUnknown("class_id")
        return ClassView(**asdict(row))


def add_worklist(routes: APIRouter, edge: Edge, handler: Dependency) -> None:
    """Adds what awaits the caller."""

    @routes.get("/worklist", tags=["classes"])
    async def worklist(
        actor: Annotated[Any, Depends(handler)], after: After = 0, limit: Limit = 50
    ) -> Worklist:
        """What awaits the caller's duties: empty for whoever holds none of this service."""
        if CLASS_APPROVE not in actor.duties:
            return Worklist(duty=CLASS_APPROVE, waiting={}, items=[], next=None)
        waiting = await edge.ask(lambda connection: classes_by_state.count_by_region(connection, APPLIED))
        items, following = await _page(edge, Wanted(state=APPLIED), after, limit)
        return Worklist(duty=CLASS_APPROVE, waiting=waiting, items=items, next=following)


async def _page(edge: Edge, wanted: Wanted, after: int, limit: int) -> tuple[list[ClassView], int | None]:
    """One row more than asked for tells whether a page follows."""
    rows = await edge.ask(
        lambda connection: classes_by_state.list_classes(connection, wanted, after=after, limit=limit + 1)
    )
    items = [ClassView(**asdict(row)) for row in rows[:limit]]
    return items, rows[limit - 1].place if len(rows) > limit else None


def _approve(draft: Draft, commanded: Commanded, class_id: str) -> dict[str, Any]:
    """One class of a bulk decision; its refusal leaves the others standing."""
    # An id that is no class may be another kind of stream, which must not be read as one.
    if draft.holder(CLASSES, class_id) is None:
        return {"class_id": class_id, "outcome": "refused", "code": ClassUnknown.code, "facts": []}
    region = draft.state(training_class, class_id).region
    given = commanded.given(draft, region=region, correlation=class_id, duty=CLASS_APPROVE)
    facts = draft.execute(training_class, class_id, ApproveClass(class_id=class_id), given)
    return {"class_id": class_id, "outcome": "done" if facts else "already", "code": "", "facts": facts}
