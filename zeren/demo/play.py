"""The days of a run, played on a running stack: what institutions, people and handlers do, in order.

It may be played again on the same data, wherever it was interrupted. Registrations and people's claims carry the same
Idempotency-Keys, submissions the same bytes: each gets the answer that it got. A day is opened only when nothing is
left of the day before, so that handlers have no work of a day that is past; on the day itself they do what waits.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date

from zeren.demo.dataset import Dataset
from zeren.demo.handlers import Handlers
from zeren.demo.parties import Parties
from zeren.demo.people import claim_as_people
from zeren.demo.progress import Progress
from zeren.institution.onboarding import Offices, register_all
from zeren.stack.client import Local
from zeren.stack.days import business_date, open_days, wait_drained
from zeren.stack.local import Servers
from zeren.stack.whole import institutions_folder

STEPS = {
    "approve_classes": "批准开班",
    "accept": "受理",
    "review": "初审",
    "publicise": "公示",
    "approve": "审批",
    "pay": "拨付",
}
"""The handlers' steps of the timetable, as they are told."""


class Play:
    """One run on one stack.

    Attributes:
        people_refused: the codes with which people's own claims were refused, so far.
    """

    def __init__(
        self, servers: Servers, local: Local, dataset: Dataset, parties: Parties, progress: Progress
    ) -> None:
        self.people_refused: list[str] = []
        self._servers = servers
        self._local = local
        self._dataset = dataset
        self._parties = parties
        self._handlers = Handlers(local, dataset)
        self._progress = progress

    def play(self) -> None:
        """Every day of the run, each opened when nothing of the day before is under way, if it isn't open yet.

        Raises:
            StackError and the errors of `zeren.institution`: what failed, and what to do.
        """
        now = business_date(self._local)
        for day in self._dataset.days:
            past = now is not None and day.date < now
            if not past:
                with self._progress.part("开日/days"):
                    open_days(self._local, day.date)
            for step in day.steps:
                if not (past and step in STEPS):
                    self._step(day.date, step)
        with self._progress.part("开日/days"):
            wait_drained(self._local)

    def _step(self, day: date, step: str) -> None:
        match step:
            case "register":
                with self._progress.part("登记/register"):
                    self._register()
            case "send":
                for phase in self._dataset.phases(day):
                    with self._progress.part("报送/send"):
                        self._send(day, phase)
            case _:
                with self._progress.part("经办/handlers"):
                    done = self._handlers.step(step)
                self._progress(f"{day} {STEPS[step]} {done} 项 / {step.replace('_', ' ')}: {done}")

    def _register(self) -> None:
        dataset = self._dataset
        accesses = self._servers.onboard_all([one.uscc for one in dataset.organisations])
        offices = Offices(self._local, accesses.__getitem__, institutions_folder(self._servers.state))
        register_all(offices, [(one, dataset.key_file(one.uscc)) for one in dataset.organisations])
        self._progress(f"登记 {len(dataset.organisations)} 家机构 / organisations registered")
        self._parties.connect(sorted({record.party for record in dataset.records}))

    def _send(self, day: date, phase: int) -> None:
        """Institutions and people at the same time; over when all of it has been answered."""
        claims = self._dataset.claims_of(day, phase)
        with ThreadPoolExecutor(1) as pool:
            sending = pool.submit(self._parties.publish, day, phase)
            self.people_refused += claim_as_people(self._local, claims)
            sent = sending.result()
        wait_drained(self._local, progress=self._progress)
        alone = f"，{len(claims)} 人自行申领 / and {len(claims)} people's claims" if claims else ""
        self._progress(f"{day} 报送 {sent} 份 / submissions{alone}")
