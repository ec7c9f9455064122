"""HTTP that every service has alike: which keys it knows, which submissions wait, having facts sent again."""

import logging
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, Field
from sqlalchemy import Text, select

from shared.access.actor import Actor
from shared.access.answers import PROBLEMS, problem
from shared.access.bearer import require
from shared.access.fields import example
from shared.eventstore.tables import deadlines, institution_keys, parked
from shared.intake.receipt import PARKING

if TYPE_CHECKING:
    from shared.runtime.service import Context

PAGE = 200
log = logging.getLogger(__name__)


class ResendFacts(BaseModel):
    """From which position of the event table on facts are sent again."""

    model_config = example(from_position=1_200)

    from_position: int = Field(ge=1, lt=1 << 63)


class Resent(BaseModel):
    """What is on its way again; nothing where `from_position` is above `head`."""

    model_config = example(from_position=1_200, head=5_310)

    from_position: int
    head: int


def kernel_router(context: "Context") -> APIRouter:
    """Routes over the kernel's own tables."""
    router = APIRouter(tags=["kernel"])
    _add_keys(router, context)
    _add_parked(router, context)
    _add_resend(router, context)
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
        """Submissions that wait, with what they wait for and until when. For REGISTRAR and OPERATOR.

        One whose key nobody registered yet has no institution: `claimed` is the one that it names, unverified.
        """
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
                    "claimed": row.claimed,
                    "submission_id": row.submission_id,
                    "type": row.submission_type,
                    "awaited": row.awaited,
                    "due": row.due,
                }
                for row in rows
            ]
        }


def _add_resend(router: APIRouter, context: "Context") -> None:
    @router.post("/relay/resend", responses=PROBLEMS)
    def resend(asked: ResendFacts, actor: Annotated[Actor, Depends(context.authenticate)]) -> Resent:
        """Has facts sent to Kafka again, where it lost them; readers drop what they have. For OPERATOR."""
        require(actor, "OPERATOR")
        head = context.relay.rewind(asked.from_position)
        log.warning("facts are sent again", extra={"position": asked.from_position, "actor": actor.name})
        return Resent(from_position=asked.from_position, head=head)
