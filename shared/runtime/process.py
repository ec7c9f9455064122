"""A service as a process: arguments, logs, settings, exit codes."""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import gc
import logging
import os
import sys
from collections.abc import Callable, Sequence
from datetime import date
from typing import TypeVar

from shared.intake.work import ParkingDue
from shared.messaging.relay import StoreBehindKafka
from shared.policy.book import PolicyBook
from shared.policy.refusals import PolicyPackageError
from shared.runtime.projections import projection_task
from shared.runtime.recover import recover
from shared.runtime.service import ROLES, Parts, run
from shared.runtime.settings import ServiceSettings, SettingsMissing, read_settings
from shared.telemetry.logs import log_to_stdout

S = TypeVar("S", bound=ServiceSettings)

OK, USAGE, FAULT, STORE_BEHIND = 0, 2, 1, 4
log = logging.getLogger(__name__)
M_ARENA_MAX = -8
"""Of `mallopt` (glibc, malloc.h)."""

Task = Callable[[str, ServiceSettings, Parts, Sequence[str]], int]
TASKS: dict[str, Task] = {"projection": projection_task, "recover": recover}
"""What an operator runs beside the service, on the same database: `python -m services.<service> <task>`."""


def parking_due_by(book: PolicyBook) -> ParkingDue:
    """The deadline of a parked submission by the procedure in force: working days after the date itself.

    What waits may name no region yet: the longest wait of any region holds.
    """

    def due(on: date) -> date:
        days = max(book.procedure(region.code, on).parking_business_days for region in book.regions())
        return book.add_working_days(on, days, opening_day_counted=False)

    return due


def main_of(service: str, settings: type[S], parts: Callable[[S], Parts], arguments: Sequence[str]) -> int:
    """Runs a service from the command line, or one of `TASKS` by its name.

    Returns:
        0 stopped by a signal, 2 a wrong call or missing settings, 4 the database is behind Kafka, 1 a fault.
        A task answers its own.
    """
    task = TASKS.get(arguments[0]) if arguments else None
    roles = ROLES if task else _roles(service, arguments)
    if task is None:
        log_to_stdout(service)
    try:
        found = read_settings(settings, service, os.environ)
        own = parts(found)
    except (SettingsMissing, PolicyPackageError) as error:
        sys.stderr.write(f"{error}\n")
        return USAGE
    keep_memory_small()
    if task is not None:
        return task(service, found, own, arguments[1:])
    try:
        asyncio.run(run(service, found, own, roles))
    except StoreBehindKafka as error:
        sys.stderr.write(f"{error}\n")
        return STORE_BEHIND
    except BaseExceptionGroup as group:
        return _exit_code(group)
    return OK


def keep_memory_small() -> None:
    """What is loaded is never looked at again by the collector, and all threads allocate from one arena.

    glibc gives every thread an arena of its own, and each keeps what its largest batch took: 40 MB in audit. Our
    threads take turns in the interpreter anyhow. Call it before there are threads; without glibc only the first holds.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 50, 100)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(ctypes.c_int(M_ARENA_MAX), ctypes.c_int(1))


def _exit_code(group: BaseExceptionGroup[BaseException]) -> int:
    behind = group.subgroup(StoreBehindKafka)
    if behind is None:
        log.error("service failed", exc_info=group.exceptions[0])
        return FAULT
    sys.stderr.write("".join(f"{error}\n" for error in behind.exceptions))
    return STORE_BEHIND


def _roles(service: str, arguments: Sequence[str]) -> Sequence[str]:
    parser = argparse.ArgumentParser(prog=f"python -m services.{service}", description=f"Zeren {service}")
    parser.add_argument(
        "--roles",
        default=",".join(ROLES),
        help=f"以逗号分隔的角色 / comma-separated roles, of: {', '.join(ROLES)} (default: all)",
    )
    roles = [role.strip() for role in parser.parse_args(list(arguments)).roles.split(",")]
    unknown = sorted(set(roles) - set(ROLES))
    if unknown:
        parser.error(f"未知角色 / unknown roles: {', '.join(unknown)}")
    return roles
