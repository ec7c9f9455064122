"""For the token issuer alone: which person an ID number belongs to, so that a person's token can carry the id."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends

from services.enrolment.api.models import PersonFound, PersonSought
from shared.access.actor import Actor
from shared.access.bearer import require
from shared.contracts.enrolment import SERVICE
from shared.refusal import Refusal

ISSUER = "ISSUER"

ResolvePerson = Callable[[str], str | None]
"""ID number → person id, or None where nobody was ever enrolled or registered by it. Blocks."""


class PersonUnknown(Refusal):
    """Nobody of this ID number has been enrolled."""

    code = "person.unknown"


def router(authenticate: Callable[..., Any], resolve: ResolvePerson) -> APIRouter:
    """The route, over the vault's lookup."""
    routes = APIRouter(tags=[SERVICE])

    @routes.post("/persons/resolution")
    async def resolution(sought: PersonSought, actor: Annotated[Actor, Depends(authenticate)]) -> PersonFound:
        """The person of an ID number. For the duty ISSUER; 404 where there is none."""
        require(actor, ISSUER)
        person_id = await asyncio.to_thread(resolve, sought.national_id)
        if person_id is None:
            raise PersonUnknown("national_id")
        return PersonFound(person_id=person_id)

    return routes
