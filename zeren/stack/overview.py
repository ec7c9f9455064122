"""A stack at one moment: what is wrong with it, its services with their figures, its processes, its disks."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

from zeren.stack.client import ISSUER, Local, ServiceRefused, ServiceUnreachable
from zeren.stack.days import business_date
from zeren.stack.doctor import disk_finding, disks
from zeren.stack.figures import figures
from zeren.stack.finding import Finding
from zeren.stack.local import SERVICES
from zeren.stack.scrape import Scrape
from zeren.stack.service_states import ended
from zeren.stack.state import StateFolder
from zeren.stack.supervisor import ProcessStatus, Supervisor
from zeren.stack.ways_out import NOT_RUNNING, SILENT
from zeren.stack.whole import ledger_vkey, missing
from zeren.stack.wrong import NOT_READY, ROOM, Wrong, in_answer, in_metrics, worth_knowing

_ORDER = ("postgres", "kafka", ISSUER, *SERVICES)

Scrapes = Mapping[str, Scrape]
"""By service, its metrics."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What one service said; `ready` and `scrape` are None where it did not answer."""

    name: str
    url: str
    ready: Mapping[str, Any] | None
    scrape: Scrape | None


@dataclass(frozen=True, slots=True)
class Overview:
    """One look.

    Attributes:
        shown: all of it, as JSON has it.
        scrapes: for the next look, whose rates are since this one.
    """

    shown: dict[str, Any]
    scrapes: Scrapes

    @property
    def ready(self) -> bool:
        """Whether everything runs and every service is ready."""
        return bool(self.shown["ready"])

    @property
    def well(self) -> bool:
        """Whether nothing is wrong."""
        return not self.shown["wrong"]


def scrapes(stack: Local) -> Scrapes:
    """The metrics of every service that answers."""
    with ThreadPoolExecutor(len(SERVICES)) as pool:
        found = zip(SERVICES, pool.map(lambda name: _scrape(stack, name), SERVICES), strict=True)
        return {name: scrape for name, scrape in found if scrape is not None}


def overview(stack: Local, start: str, before: Scrapes | None = None) -> Overview:
    """Looks at a stack; what does not answer hinders nobody.

    Args:
        stack: asks its services.
        start: the command that starts it, for advice.
        before: the scrapes that rates are counted from.
    """
    state = stack.state
    processes = sorted(Supervisor(state).status(), key=_place)
    with ThreadPoolExecutor(len(SERVICES) + 1) as pool:
        answers = list(pool.map(lambda name: _asked(stack, name), (*SERVICES, ISSUER)))
    lacking, folders = missing(state), disks(state.path)
    wrong = sorted(
        [*_down(state, processes, lacking, start), *_said(answers, lacking, start), *_full(folders)],
        key=lambda one: one.rank,
    )
    return Overview(
        {
            "state": str(state.path),
            "ready": not lacking and all(_is_ready(one) for one in answers),
            "well": not wrong,
            "wrong": [_told(one.finding) for one in wrong],
            "notes": [_told(finding) for finding in _noted(answers)],
            "missing": list(lacking),
            "services": [_service(one, (before or {}).get(one.name)) for one in answers],
            "processes": [_process(one) for one in processes],
            "disks": [_disk(folder) for folder in folders],
            "business_date": _business_date(stack),
            "ledger_vkey": ledger_vkey(state),
        },
        {one.name: one.scrape for one in answers if one.scrape is not None},
    )


def _asked(stack: Local, name: str) -> Answered:
    try:
        url, ready = stack.url(name), stack.ready(name)
    except ServiceUnreachable:
        return Answered(name, "", None, None)
    return Answered(name, url, ready, _scrape(stack, name) if name in SERVICES else None)


def _scrape(stack: Local, name: str) -> Scrape | None:
    try:
        return Scrape(stack.get_bytes(name, "/metrics", bearer="", params={}).decode())
    except (ServiceUnreachable, ServiceRefused, ValueError):
        return None


def _is_ready(answered: Answered) -> bool:
    return answered.ready is not None and bool(answered.ready.get("ready"))


def _down(
    state: StateFolder, processes: Sequence[ProcessStatus], lacking: Sequence[str], start: str
) -> Iterator[Wrong]:
    for process in processes:
        if not process.running:
            yield Wrong(NOT_READY, ended(process.name, process.log, start, process.exit_code))
    known = {process.name for process in processes}
    stopped = [name for name in lacking if name not in known]
    # One that failed while it started is remembered nowhere but in its log.
    failed = stopped if known & {ISSUER, *SERVICES} else []
    yield from (Wrong(NOT_READY, ended(name, state.log(name), start)) for name in failed)
    if stopped and not failed:
        yield Wrong(NOT_READY, NOT_RUNNING.finding("processes", ", ".join(stopped), start=start))


def _said(answers: Sequence[Answered], lacking: Sequence[str], start: str) -> Iterator[Wrong]:
    for one in answers:
        if one.ready is not None:
            yield from in_answer(one.name, one.ready, start)
        elif one.name not in lacking:
            yield Wrong(NOT_READY, SILENT.finding(f"service {one.name}", name=one.name))
        if one.scrape is not None:
            yield from in_metrics(one.name, one.scrape)


def _noted(answers: Sequence[Answered]) -> Iterator[Finding]:
    for one in answers:
        if one.scrape is not None:
            yield from worth_knowing(one.name, one.scrape)


def _full(folders: Sequence[Path]) -> Iterator[Wrong]:
    for finding in map(disk_finding, folders):
        if not finding.ok:
            yield Wrong(ROOM, finding)


def _told(finding: Finding) -> dict[str, str]:
    return {"check": finding.check, "found": finding.found, "advice": finding.advice}


def _service(answered: Answered, before: Scrape | None) -> dict[str, Any]:
    scrape = answered.scrape
    return {
        "name": answered.name,
        "ready": _is_ready(answered),
        "url": answered.url,
        "detail": answered.ready or {},
        "figures": None if scrape is None else asdict(figures(scrape, before)),
    }


def _place(one: ProcessStatus) -> tuple[int, str]:
    """Servers first, whichever of them was up first; then the services as everywhere; then the rest."""
    kind = one.name.partition("-")[0]
    return _ORDER.index(kind) if kind in _ORDER else len(_ORDER), one.name


def _process(one: ProcessStatus) -> dict[str, Any]:
    memory = _memory(one.pid) if one.running else None
    return {
        "name": one.name,
        "pid": one.pid,
        "running": one.running,
        "memory_bytes": memory,
        "log": str(one.log),
    }


def _memory(pid: int) -> int | None:
    """Resident bytes of a process and what its children have of their own; None where it is gone."""
    try:
        process = psutil.Process(pid)
        own = [one.memory_info() for one in process.children(recursive=True)]
        return int(
            process.memory_info().rss + sum(max(one.rss - getattr(one, "shared", 0), 0) for one in own)
        )
    except psutil.Error:
        return None


def _disk(folder: Path) -> dict[str, Any]:
    return {"folder": str(folder), "free_bytes": shutil.disk_usage(folder).free}


def _business_date(stack: Local) -> str | None:
    try:
        now = business_date(stack)
    except (ServiceUnreachable, ServiceRefused):
        return None
    return None if now is None else now.isoformat()
