"""HTTP reads that every service has alike: which keys it knows, and which submissions wait here."""

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response
from sqlalchemy import Text, select

from shared.access.actor import Actor
from shared.access.answers import problem
from shared.access.bearer import require
from shared.eventstore.tables import deadlines, institution_keys, parked
from shared.intake.receipt import PARKING

if TYPE_CHECKING:
    from shared.runtime.service import Context

PAGE = 200


def kernel_router(context: "Context") -> APIRouter:
    """Routes over the kernel's own tables."""
    router = APIRouter(tags=["kernel"])
    _add_keys(router, context)
    _add_parked(router, context)
    return router


def _add_keys(router: APIRouter, context: "Context") -> None:
    @router.get("/keys/{key_id}")
    def key(key_id: Annotated[str, Path(max_length=64)], response: Response) -> dict[str, Any]:
        """Whether this service knows a signing key: onboarding ends when every service does. 404 until then."""
        with context.engine.connect() as connection:
            row = connection.execute(
                select(institution_keys).where(institution_keys.c.key_id == key_id)
            ).first()
        if row is None:
            response.status_code = 404
            return problem("signature.key_unknown", "key_id")
        return {
            "key_id": key_id,
            "uscc": row.uscc,
            "kind": row.kind,
            "valid_from": row.valid_from.isoformat(),
            "valid_until": row.valid_until.isoformat() if row.valid_until else None,
        }


def _add_parked(router: APIRouter, context: "Context") -> None:
    @router.get("/parked")
    def parked_submissions(
        actor: Annotated[Actor, Depends(context.authenticate)],
        institution: Annotated[str, Query(max_length=18)] = "",
    ) -> dict[str, Any]:
        """Submissions that wait, with what they wait for and until when. For REGISTRAR and OPERATOR."""
        require(actor, "REGISTRAR", "OPERATOR")
        due = (deadlines.c.kind == PARKING) & (
            deadlines.c.key == parked.c.receipt_id.cast(Text) + "/" + parked.c.digest
        )
        query = select(parked, deadlines.c.due).outerjoin(deadlines, due).order_by(parked.c.seq).limit(PAGE)
        if institution:
            query = query.where(parked.c.institution == institution)
        with context.engine.connect() as connection:
            rows = connection.execute(query).all()
        return {
            "parked": [
                {
                    "institution": row.institution,
                    "submission_id": row.submission_id,
                    "type": row.submission_type,
                    "awaited": row.awaited,
                    "due": row.due,
                }
                for row in rows
            ]
        }
