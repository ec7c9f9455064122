"""A service's web application without a process: the one that is served, so that it refuses as that one does."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, FastAPI
from sqlalchemy import create_engine

from shared.access.actor import Actor
from shared.access.bearer import Authenticate
from shared.access.commands import ActionNotAuthenticated
from shared.runtime.web import application

NOWHERE = create_engine("postgresql+psycopg://127.0.0.1:1/none")
"""Never connected: what is asked here must be answered without a look at a read model."""


def mounted(service: str, *routers: APIRouter) -> FastAPI:
    """The service's application, ready and drained."""

    async def ready() -> dict[str, Any]:
        return {"ready": True}

    async def drained(_wait: float) -> dict[str, Any]:
        return {"drained": True}

    return application(service, routers, ready=ready, drained=drained)


def acting(actor: Actor | None) -> Authenticate:
    """Somebody with a token, or nobody."""

    def authenticate() -> Actor:
        if actor is None:
            raise ActionNotAuthenticated
        return actor

    return authenticate
