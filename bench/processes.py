"""CPU and memory by process, from /proc; PostgreSQL's sessions by the process that uses them."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import psycopg

TICKS = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")
ENDED = "ended"
"""Sessions that ended in the measured window, together."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the processes.

    Attributes:
        cpu: seconds by process name, user and system, since its start.
        sessions: seconds by pid of every PostgreSQL process now alive but the postmaster.
        postmaster: seconds of the postmaster and of all its children that have ended.
        owners: by pid of a PostgreSQL process, whose it is.
    """

    cpu: Mapping[str, float]
    sessions: Mapping[int, float]
    postmaster: float
    owners: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU seconds between two looks.

    Attributes:
        processes: by name, without PostgreSQL.
        postgres: of all PostgreSQL processes together.
        sessions: the same by user; what no user can be told of is in it under its own kind or `ended`.
    """

    processes: Mapping[str, float]
    postgres: float
    sessions: Mapping[str, float] = field(default_factory=dict)


def cpu_seconds(pid: int, *, with_ended_children: bool = False) -> float:
    """User and system time of a process. Raises: FileNotFoundError, ProcessLookupError: it is gone."""
    fields = (PROC / str(pid) / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    wanted = fields[11:15] if with_ended_children else fields[11:13]
    return sum(map(int, wanted)) / TICKS


def memory_mb(pid: int) -> dict[str, float]:
    """`peak` (VmHWM) and `now` (VmRSS) of a process, in MB of 10^6 bytes."""
    names = {"VmHWM": "peak", "VmRSS": "now"}
    rows = (line.split() for line in (PROC / str(pid) / "status").read_text("utf-8").splitlines())
    found = {row[0].rstrip(":"): row for row in rows if row}
    return {ours: int(found[name][1]) * 1024 / 1e6 for name, ours in names.items()}


def look(pids: Mapping[str, int], postmaster: int, connection: psycopg.Connection) -> Look:
    """Looks at the named processes and at every PostgreSQL process.

    Args:
        pids: by name, without PostgreSQL.
        postmaster: its pid.
        connection: of a superuser, who sees whose session each is.
    """
    sessions = {}
    for child in psutil.Process(postmaster).children():
        try:
            sessions[child.pid] = cpu_seconds(child.pid)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return Look(
        cpu={name: cpu_seconds(pid) for name, pid in pids.items()},
        sessions=sessions,
        postmaster=cpu_seconds(postmaster, with_ended_children=True),
        owners=_owners(pids, connection),
    )


def _owners(pids: Mapping[str, int], connection: psycopg.Connection) -> dict[int, str]:
    """A session's client port tells the process; what has none is named by its kind, such as walwriter."""
    ports = {}
    for name, pid in pids.items():
        for one in psutil.Process(pid).net_connections("tcp"):
            ports[one.laddr.port] = name
    query = "SELECT pid, client_port, backend_type, datname FROM pg_stat_activity"
    owners = {}
    for pid, port, kind, database in connection.execute(query).fetchall():
        user = ports.get(port) if port is not None else kind
        owners[pid] = kind if port is None else f"{user or 'bench'} → {database}"
    return owners


def spent(before: Look, after: Look) -> Spent:
    """What was used between two looks."""
    owners = {**before.owners, **after.owners}
    sessions: defaultdict[str, float] = defaultdict(float)
    for pid, seconds in after.sessions.items():
        sessions[owners.get(pid, "?")] += seconds - before.sessions.get(pid, 0.0)
    gone = sum(seconds for pid, seconds in before.sessions.items() if pid not in after.sessions)
    sessions[ENDED] += after.postmaster - before.postmaster - gone
    whole = after.postmaster + sum(after.sessions.values())
    return Spent(
        processes={name: seconds - before.cpu.get(name, 0.0) for name, seconds in after.cpu.items()},
        postgres=whole - before.postmaster - sum(before.sessions.values()),
        sessions={name: seconds for name, seconds in sessions.items() if seconds >= 0.005},
    )
