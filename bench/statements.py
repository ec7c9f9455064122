"""Statement totals of PostgreSQL (pg_stat_statements), for profiles: the server restarts with the module."""

from __future__ import annotations

from pathlib import Path

import psycopg

from zeren.stack.accounts import postgres_folder, unprivileged_account
from zeren.stack.local import Servers, start_servers
from zeren.stack.state import StateFolder
from zeren.stack.supervisor import Supervisor

LINE = "shared_preload_libraries = 'pg_stat_statements' # bench: profile\n"
COLUMNS = ("ms", "calls", "rows", "wal_mb", "database", "statement")
TOP = 60


def preload(state: StateFolder, servers: Servers) -> None:
    """Restarts PostgreSQL with the module, unless it has it; call it while no service runs."""
    settings = _data(state) / "postgresql.conf"
    if LINE not in settings.read_text("utf-8"):
        with settings.open("a", encoding="utf-8") as file:
            file.write(LINE)
        Supervisor(state).stop("postgres")
        start_servers(state)
    with servers.postgres.connect() as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")


def unload(state: StateFolder) -> None:
    """Takes the module out again, from the next start on: no figure is measured with it."""
    settings = _data(state) / "postgresql.conf"
    if settings.exists() and LINE in (text := settings.read_text("utf-8")):
        settings.write_text(text.replace(LINE, ""), "utf-8")


def _data(state: StateFolder) -> Path:
    return postgres_folder(state, unprivileged_account()) / "data"


def reset(connection: psycopg.Connection) -> None:
    """Counts from now on."""
    connection.execute("SELECT pg_stat_statements_reset()")


def totals(connection: psycopg.Connection) -> str:
    """The dearest statements since the last reset, as text."""
    query = """SELECT round(total_exec_time::numeric, 1), calls, rows, round(wal_bytes / 1e6, 1), datname,
                      left(regexp_replace(query, '\\s+', ' ', 'g'), 140)
               FROM pg_stat_statements JOIN pg_database ON pg_database.oid = dbid
               ORDER BY total_exec_time DESC LIMIT %s"""
    rows = connection.execute(query, (TOP,)).fetchall()
    lines = ["  ".join(f"{name:>10}" for name in COLUMNS)]
    lines += ["  ".join(f"{value!s:>10}" for value in row) for row in rows]
    return "\n".join(lines) + "\n"
