"""HTTP reads that every service has alike: which keys it knows, and which submissions wait here."""

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response
from sqlalchemy import select

from shared.access.actor import Actor
from shared.access.bearer import require
from shared.eventstore.tables import deadlines, institution_keys, parked
from shared.intake.receipt import PARKING

if TYPE_CHECKING:
    from shared.runtime.service import Context

PAGE = 200


def kernel_router(context: "Context") -> APIRouter:
    """Routes over the kernel's own tables."""
    router = APIRouter(tags=["kernel"])

    @router.get("/keys/{key_id}")
    def key(key_id: Annotated[str, Path(max_length=64)], response: Response) -> dict[str, Any]:
        """Whether this service knows a signing key: onboarding ends when every service does. 404 until then."""
        with context.engine.connect() as connection:
            row = connection.execute(
                select(institution_keys).where(institution_keys.c.key_id == key_id)
            ).first()
        if row is None:
            response.status_code = 404
            return {"code": "signature.key_unknown", "key_id": key_id}
        return {
            "key_id": key_id,
            "uscc": row.uscc,
            "kind": row.kind,
            "valid_from": row.valid_from.isoformat(),
        }

    @router.get("/parked")
    def parked_submissions(
        actor: Annotated[Actor, Depends(context.authenticate)],
        institution: Annotated[str, Query(max_length=18)] = "",
    ) -> dict[str, Any]:
        """Submissions that wait, with what they wait for and until when. For REGISTRAR and OPERATOR."""
        require(actor, "REGISTRAR", "OPERATOR")
        query = select(parked).order_by(parked.c.seq).limit(PAGE)
        if institution:
            query = query.where(parked.c.institution == institution)
        with context.engine.connect() as connection:
            rows = connection.execute(query).all()
            due = dict(
                connection.execute(
                    select(deadlines.c.key, deadlines.c.due).where(deadlines.c.kind == PARKING)
                )
                .tuples()
                .all()
            )
        return {
            "parked": [
                {
                    "institution": row.institution,
                    "submission_id": row.submission_id,
                    "type": row.submission_type,
                    "awaited": row.awaited,
                    "due": due.get(f"{row.receipt_id}/{row.digest}"),
                }
                for row in rows
            ]
        }

    return router
