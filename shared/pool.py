"""Connections in a pool that the server has cut are noticed when they are taken out, without asking the server.

SQLAlchemy's `pool_pre_ping` asks with three round trips a transaction, a seventh of a small one's time. But on an idle
connection nothing comes in, unless it is its end or a last word of the server: one look at the socket tells.
"""

from __future__ import annotations

from select import POLLIN, poll
from typing import Any

import psycopg
from sqlalchemy import Engine, event
from sqlalchemy.exc import InvalidatePoolError


def noticing_cut(engine: Engine) -> Engine:
    """The same engine. A connection that was cut is thrown away with all others of the pool, and a new one is made."""
    event.listen(engine, "checkout", _look)
    return engine


def _look(connection: psycopg.Connection[Any], _record: object, _proxy: object) -> None:
    watched = poll()
    try:
        watched.register(connection.fileno(), POLLIN)
    except psycopg.OperationalError:
        raise InvalidatePoolError("the connection is closed") from None
    if watched.poll(0):
        raise InvalidatePoolError("the server has closed the connection, or says something on it")
