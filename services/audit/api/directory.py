"""For the token issuer alone: which duties a handler holds."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Depends, Path

from services.audit.api.models import Duties
from shared.access.actor import Actor
from shared.access.bearer import require
from shared.contracts.audit import SERVICE
from shared.refusal import Refusal

ISSUER = "ISSUER"


class Listed(Protocol):
    """A handler of the vault's directory."""

    @property
    def duties(self) -> tuple[str, ...]:
        """Codes of the duty matrix."""

    @property
    def active(self) -> bool:
        """Whether they may act now."""


class HandlerUnknown(Refusal):
    """The directory holds no such handler."""

    code = "handler.unknown"


def router(
    authenticate: Callable[..., Any], find: Callable[[Collection[str]], Mapping[str, Listed]]
) -> APIRouter:
    """The route, over the vault's directory. Names are not among the answers."""
    routes = APIRouter(tags=[SERVICE])

    @routes.get("/directory/{handler_id}")
    async def duties(
        handler_id: Annotated[str, Path(max_length=64)], actor: Annotated[Actor, Depends(authenticate)]
    ) -> Duties:
        """The duties of a handler. For the duty ISSUER; 404 where there is none."""
        require(actor, ISSUER)
        found = (await asyncio.to_thread(find, [handler_id])).get(handler_id)
        if found is None:
            raise HandlerUnknown("handler_id")
        return Duties(handler_id=handler_id, duties=list(found.duties), active=found.active)

    return routes
