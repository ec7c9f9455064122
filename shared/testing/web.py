"""A service's web application without a process: the one that is served, so that it refuses as that one does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
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


_asking: ContextVar[Actor | None] = ContextVar("asking", default=None)


@contextmanager
def asking(actor: Actor | None) -> Iterator[None]:
    """Whose requests these are, for an application that many ask: making one costs more than most of its answers."""
    token = _asking.set(actor)
    try:
        yield
    finally:
        _asking.reset(token)


def whoever_asks() -> Actor:
    """The dependency to it: see `asking`."""
    actor = _asking.get()
    if actor is None:
        raise ActionNotAuthenticated
    return actor


def acting(actor: Actor | None) -> Authenticate:
    """Somebody with a token, or nobody."""

    def authenticate() -> Actor:
        if actor is None:
            raise ActionNotAuthenticated
        return actor

    return authenticate
