"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

from zeren.stack.kafka import broker_names, broker_version
from zeren.stack.local import Servers

PACKAGES = ("aiokafka", "faststream", "eventsourcing", "psycopg", "sqlalchemy", "msgspec", "cryptography")
FSYNCS, BLOCK = 200, bytes(8_192)


def machine_facts(servers: Servers, folder: Path) -> dict[str, Any]:
    """Processor, cores, memory, versions, and what a flush to this folder's disk costs."""
    with servers.postgres.connect() as connection:
        row = connection.execute("SHOW server_version").fetchone()
    return {
        "cpu": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "postgresql": str(row[0]) if row else "",
        "kafka": broker_version(servers.state.log(broker_names(servers.state)[0])),
        "fsync_ms": round(flush_ms(folder), 3),
        "load_average": round(os.getloadavg()[0], 2),
        "packages": {name: version(name) for name in PACKAGES},
    }


def _processor() -> str:
    rows = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    return next((row.partition(":")[2].strip() for row in rows if row.startswith("model name")), "")


def flush_ms(folder: Path) -> float:
    """The mean cost of writing and flushing one page, in milliseconds."""
    path = folder / ".bench-fsync"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        began = time.perf_counter()
        for _ in range(FSYNCS):
            os.pwrite(descriptor, BLOCK, 0)
            os.fdatasync(descriptor)
        return (time.perf_counter() - began) / FSYNCS * 1_000
    finally:
        os.close(descriptor)
        path.unlink()
