"""What comes before the clock: institutions, class plans and their approval, the business days."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from bench.courses import DAYS, Curriculum, Stage
from bench.loader import Loader
from zeren.generator import files
from zeren.institution.onboarding import Offices, read_organisations, register_all
from zeren.stack.client import Local
from zeren.stack.days import business_date, open_days, wait_drained
from zeren.stack.errors import StackError
from zeren.stack.handlers import handlers_with
from zeren.stack.local import Servers
from zeren.stack.supervisor import Progress
from zeren.stack.whole import institutions_folder

FIRST_DAY = date(2024, 5, 13)
APPROVE_CLASSES = "D3"
PAGE, AT_ONCE = 100, 300
IN_FLIGHT = 500


class NotOpened(StackError):
    """A class was refused before the clock."""


def register_institutions(servers: Servers, local: Local, curriculum: Curriculum) -> None:
    """Opens the first business day where none is, and puts every organisation on the books; may be done again."""
    if business_date(local) is None:
        open_days(local, FIRST_DAY)
    organisations = curriculum.organisations.registered
    folder = servers.state.path / "bench-organisations"
    if not folder.exists():
        files.new_folder(folder)
        files.write_lines(folder / "organisations.jsonl", map(files.organisation_row, organisations))
        for one in organisations:
            files.write_json(folder / f"{one.uscc}.jwk", files.private_key(one))
    rows = read_organisations(folder / "organisations.jsonl")
    accesses = servers.onboard_all([row.uscc for row in rows])
    offices = Offices(local, accesses.__getitem__, institutions_folder(servers.state))
    register_all(offices, [(row, folder / f"{row.uscc}.jwk") for row in rows])


def open_classes(local: Local, loader: Loader, name: str, progress: Progress) -> None:
    """Has the classes that were built under this name applied for, and a handler approve them.

    Raises: NotOpened, StackError
    """
    sent = loader.send(name, [Stage.APPLY], in_flight=IN_FLIGHT, lag=0)
    if sent["wrong"]:
        raise NotOpened(f"开班申请被拒：{sent['codes']}", f"class plans were refused: {sent['codes']}")
    wait_drained(local)
    bearer = local.handler_token(handlers_with(APPROVE_CLASSES)[0])
    waiting = local.pages("enrolment", "/worklist", bearer=bearer, params={"limit": PAGE})
    for start in range(0, len(waiting), AT_ONCE):
        chosen = [item["class_id"] for item in waiting[start : start + AT_ONCE]]
        body = {"decision": "approve", "class_ids": chosen}
        answer = local.post("enrolment", "/classes/decisions", body, bearer=bearer)
        refused = [one["code"] for one in answer["outcomes"] if one["outcome"] == "refused"]
        if refused:
            raise NotOpened(f"批准被拒：{refused[0]}", f"an approval was refused: {refused[0]}")
    progress(f"{len(waiting)} 个班已批准 / classes approved")


def today(local: Local) -> date:
    """The business date. Raises: NotOpened where there is none."""
    found = business_date(local)
    if found is None:
        raise NotOpened("没有业务日期", "there is no business date")
    return found


def open_the_days_of_training(local: Local, first: date, progress: Progress) -> None:
    """Every day up to the last session of classes that begin on `first`."""
    open_days(local, first + timedelta(days=DAYS - 1), progress=progress)


@dataclass(frozen=True, slots=True)
class Opening:
    """Makes classes ready to be sent.

    Attributes:
        numbers: of the state folder.
    """

    local: Local
    loader: Loader
    numbers: Numbers
    progress: Progress

    def prepare(self, sizes: Mapping[str, int]) -> dict[str, dict[str, Any]]:
        """Builds so many classes under each name, has them approved, and opens the days on which they are taught.

        Returns what `Loader.build` says of each. Raises: NotOpened, StackError.
        """
        first_day = today(self.local)
        built = {}
        for name, size in sizes.items():
            built[name] = self.loader.build(name, first=self.numbers.take(size), classes=size, day=first_day)
            self.progress(
                f"{name}: {size} 个班 / classes, {built[name]['submissions']} submissions, "
                f"{built[name]['facts']} facts; {built[name]['seconds']:.1f} s to build and sign"
            )
            open_classes(self.local, self.loader, name, self.progress)
        open_the_days_of_training(self.local, first_day, self.progress)
        return built


class Numbers:
    """Class numbers of a state folder: each is given out once, whatever interrupts a run."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "bench.json"

    def take(self, classes: int) -> int:
        """The first of so many new numbers."""
        known: dict[str, Any] = {"classes": 0}
        if self._path.exists():
            known = json.loads(self._path.read_text("utf-8"))
        first = int(known["classes"])
        self._path.write_text(json.dumps({"classes": first + classes}), "utf-8")
        return first
