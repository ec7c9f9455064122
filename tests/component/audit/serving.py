"""Audit's API in a real server, with tokens in plain words and a vault of two people."""

from __future__ import annotations

import socket
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from threading import Thread
from typing import Annotated

import uvicorn
from fastapi import FastAPI, Header
from sqlalchemy import Engine

from services.audit.api.names import Directory
from services.audit.api.router import router
from services.audit.api.spans import SpanStore
from services.audit.policies import effects
from shared.access.actor import Actor
from shared.access.commands import ActionNotAuthenticated
from shared.eventstore.businessdate import business_day_reads
from shared.eventstore.execute import Executor
from shared.eventstore.sql import SqlStore
from shared.testing.web import mounted
from tests.book import BOOK
from tests.component.audit.story import LI_NA

TRACE_TOKEN = "t-0123456789"
ASKED: list[tuple[str, Collection[str]]] = []
"""What the vault was asked for."""


def _authenticate(authorization: Annotated[str, Header()] = "") -> Actor:
    """A token of tests reads "Bearer handler:h-900:AUDITOR,D8"."""
    parts = authorization.removeprefix("Bearer ").split(":")
    if len(parts) != 3:
        raise ActionNotAuthenticated
    return Actor(parts[0], parts[1], frozenset(parts[2].split(",")))


def _people(ids: Collection[str]) -> Mapping[str, tuple[str, str, str]]:
    ASKED.append(("people", ids))
    known = {"h-008": ("林受理", "受理岗", "平潭人社局"), "h-014": ("陈拨付", "拨付岗", "平潭财政局")}
    return {one: known[one] for one in ids if one in known}


def _persons(ids: Collection[str]) -> Mapping[str, str]:
    ASKED.append(("persons", ids))
    return {one: "李*" for one in ids if one == LI_NA}


def audit_app(engine: Engine, vkey: str) -> FastAPI:
    """The application as a service mounts it."""
    executor = Executor("audit", SqlStore(engine), effects, always=business_day_reads())
    directory = Directory(_people, _persons)
    routes = router(
        executor,
        engine,
        book=BOOK,
        authenticate=_authenticate,
        directory=directory,
        open_evidence=lambda _service, _digest: None,
        vkey=vkey,
        spans=SpanStore(TRACE_TOKEN, 7),
    )
    return mounted("audit", routes)


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """Serves on a free port of this machine; gives the URL."""
    # With the protocol named, asyncio turns Nagle's algorithm off on what it accepts.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        thread = Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            until = time.monotonic() + 20
            while not server.started and time.monotonic() < until:
                thread.join(0.01)
            assert server.started
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(20)
