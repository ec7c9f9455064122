"""Parked submissions never sleep for ever: what they wait for comes at the worst moment, again and again."""

from __future__ import annotations

import base64
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Connection, Engine

from shared.contracts.enrolment import InstitutionKeyRegistered
from shared.contracts.fact import decode
from shared.contracts.intake import SubmissionAccepted
from shared.eventstore.changes import Found, Reads
from shared.eventstore.sql import SqlStore, make_engine
from shared.identity import derive_id
from shared.intake.worker import IntakeWorker, ParkingLot
from shared.messaging.wakeup import WakeUp
from shared.runtime.migrate import create_kernel
from tests.domain.kernel.intake_world import DictVault, IntakeWorld, apply_class, document
from tests.domain.payment import facts as f
from tests.domain.payment.under_fire import KEY, SCHOOLS, Bodies, PaymentUnderFire

EACH = 20
"""Interleavings of one kind of waiting at one moment."""
SECONDS = 30.0
GATE = 7_001
"""The advisory lock at which a transaction that parks can be held, under the events-table lock."""
HELD_WHILE_PARKING = f"""
CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN PERFORM pg_advisory_xact_lock_shared({GATE}); RETURN NEW; END';
CREATE TRIGGER hold BEFORE INSERT ON parked FOR EACH ROW EXECUTE FUNCTION hold();
"""
HELD = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = '{}' AND database = (\
SELECT oid FROM pg_database WHERE datname = current_database())"


class Seam(SqlStore):
    """A store at which something else can happen once: after one of its next reads, or before it locks."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine, before_lock=lambda: self._reach("lock"))
        self._at, self._left, self._action = "", 0, lambda: None

    def once(self, at: str, action: Callable[[], None], *, after: int = 1) -> None:
        """Does it at the `after`th time of "read" or "lock"."""
        self._at, self._left, self._action = at, after, action

    def read(self, reads: Reads) -> Found:
        found = super().read(reads)
        self._reach("read")
        return found

    def _reach(self, at: str) -> None:
        if at == self._at:
            self._left -= 1
            if self._left == 0:
                self.settle()

    def settle(self) -> None:
        """Does it now, if it was not done."""
        action, self._at, self._action = self._action, "", lambda: None
        action()


@dataclass(frozen=True)
class Waiting:
    """One kind of waiting, between two processes of a service.

    Attributes:
        store: of the process that reads the submission.
        park: it reads and decides the nth submission.
        arrive: the other process takes in what the nth one waits for.
        workers: of both; each wakes what is parked.
    """

    store: Seam
    park: Callable[[int], None]
    arrive: Callable[[int], None]
    workers: tuple[IntakeWorker, IntakeWorker]

    def parked(self) -> int:
        """How many wait."""
        with self.store.engine.connect() as connection:
            return connection.exec_driver_sql("SELECT count(*) FROM parked").scalar_one()

    def wake(self) -> None:
        """Both processes look after what is parked, at the same time, until neither finds anything."""
        engine = self.store.engine
        lots = [ParkingLot(engine, worker, WakeUp(engine)) for worker in self.workers]
        with ThreadPoolExecutor(2) as pool:
            while sum(pool.map(ParkingLot.wake_some, lots)):
                pass


def a_class_approval(url: str) -> Waiting:
    """A fact of the service's own: an enrolment waits for the approval of its class."""
    vault, mine, other = DictVault(), Seam(make_engine(url)), Seam(make_engine(url))
    reading, deciding = IntakeWorld(mine, vault=vault), IntakeWorld(other, seed=False, vault=vault)
    reading.offset = -1
    reading.send(*(apply_class(f"apply-{n}", f"c{n}") for n in range(len(MOMENTS) * EACH)))
    trainee = {"name": "李娜", "national_id": "110105199003071095", "phone": ""}

    def park(n: int) -> None:
        reading.send(
            document(
                "EnrolTrainee",
                f"wait-{n}",
                enrolment_ref=f"e{n}",
                class_ref=f"c{n}",
                trainee=trainee,
                groups=[],
            )
        )

    return Waiting(mine, park, lambda n: deciding.approve(f"c{n}"), (reading.worker, deciding.worker))


def _two_of_payment(url: str) -> tuple[PaymentUnderFire, PaymentUnderFire]:
    bodies = Bodies()
    first, second = (PaymentUnderFire(Seam(make_engine(url)), bodies) for _ in range(2))
    return first, second


def a_certificate(url: str) -> Waiting:
    """A fact of another service: a list of claims waits for a certificate."""
    reading, other = _two_of_payment(url)
    trained = [f.trained(str(uuid4()), ref=f"r{n}", school=SCHOOLS[0]) for n in range(len(MOMENTS) * EACH)]
    for enrolled, completed, _ in trained:
        reading.learn(enrolled)
        reading.learn(completed)

    def park(n: int) -> None:
        lines = [{"line": 1, "certificate_id": f.certificate_of(f"r{n}")}]
        reading.send(SCHOOLS[0], "ApplySubsidy", f"wait-{n}", application_ref=f"A-{n}", lines=lines)
        reading.read(1)

    return Waiting(reading.store, park, lambda n: other.learn(trained[n][2]), (reading.worker, other.worker))


def a_signing_key(url: str) -> Waiting:
    """What says from whom it is: a list of claims, signed with a key that nobody has registered yet."""
    reading, other = _two_of_payment(url)
    public = base64.urlsafe_b64encode(KEY.public_key().public_bytes_raw()).decode().rstrip("=")

    def park(n: int) -> None:
        lines = [{"line": 1, "certificate_id": f.certificate_of("r")}]
        data = {"application_ref": f"A-{n}", "lines": lines}
        reading.send(SCHOOLS[0], "ApplySubsidy", f"wait-{n}", key_id=f"new-{n}", **data)
        reading.read(1)

    def arrive(n: int) -> None:
        other.learn(
            InstitutionKeyRegistered(
                uscc=SCHOOLS[0],
                kind="TRAINING",
                region=f.XIAMEN,
                key_id=f"new-{n}",
                public_key=public,
                valid_from=datetime(2020, 1, 1, tzinfo=UTC),
                valid_until=None,
            ),
            derive_id("key", str(n)),
        )

    for fact in f.trained(f.LI_NA, ref="r", school=SCHOOLS[0]):
        reading.learn(fact)
    return Waiting(reading.store, park, arrive, (reading.worker, other.worker))


def before_it_is_read(waiting: Waiting, n: int) -> None:
    """There is nothing to wait for."""
    waiting.arrive(n)
    waiting.park(n)


def after_it_is_read(waiting: Waiting, n: int) -> None:
    """The decision rests on what is no longer so; behind the first, the second or the third look."""
    waiting.store.once("read", lambda: waiting.arrive(n), after=1 + n % 3)
    waiting.park(n)
    waiting.store.settle()


def before_the_lock(waiting: Waiting, n: int) -> None:
    """It was decided that it must wait."""
    waiting.store.once("lock", lambda: waiting.arrive(n))
    waiting.park(n)


def under_the_lock(waiting: Waiting, n: int) -> None:
    """The row is written and not committed: what arrives waits for the lock, and must find the row."""
    with waiting.store.engine.connect() as gate, ThreadPoolExecutor(2) as pool:
        gate.exec_driver_sql(f"SELECT pg_advisory_lock({GATE})")
        parking = pool.submit(waiting.park, n)
        _await(gate, "advisory")
        arriving = pool.submit(waiting.arrive, n)
        _await(gate, "relation")
        gate.exec_driver_sql(f"SELECT pg_advisory_unlock({GATE})")
        parking.result(SECONDS)
        arriving.result(SECONDS)
    assert waiting.parked() == 1


def after_it_is_parked(waiting: Waiting, n: int) -> None:
    """The usual case."""
    waiting.park(n)
    assert waiting.parked() == 1
    waiting.arrive(n)


def at_once(waiting: Waiting, n: int) -> None:
    """Two processes, and whoever is first."""
    barrier = Barrier(2)

    def run(action: Callable[[int], None]) -> None:
        barrier.wait(SECONDS)
        action(n)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, (waiting.park, waiting.arrive)))


MOMENTS = (
    before_it_is_read,
    after_it_is_read,
    before_the_lock,
    under_the_lock,
    after_it_is_parked,
    at_once,
)


def _await(connection: Connection, kind: str) -> None:
    """Until a transaction waits for such a lock."""
    deadline = time.monotonic() + SECONDS
    while not connection.exec_driver_sql(HELD.format(kind)).scalar_one():
        assert time.monotonic() < deadline, f"nobody waits for the {kind} lock"
        time.sleep(0.002)


def _prepare(url: str) -> None:
    engine = make_engine(url)
    with engine.begin() as connection:
        create_kernel(connection)
        connection.exec_driver_sql(HELD_WHILE_PARKING)
    engine.dispose()


@pytest.mark.parametrize("kind", [a_class_approval, a_certificate, a_signing_key])
def test_what_is_awaited_comes_at_every_moment_and_no_submission_sleeps_for_ever(
    fresh_database: Any, kind: Callable[[str], Waiting]
) -> None:
    """Six moments, twenty times each: once both processes have looked, everything is accepted, once."""
    url = fresh_database()
    _prepare(url)
    waiting = kind(url)
    for n in range(len(MOMENTS) * EACH):
        moment = MOMENTS[n % len(MOMENTS)]
        moment(waiting, n)
        waiting.wake()
        assert waiting.parked() == 0, f"{moment.__name__}, {n}"
    accepted = Counter(
        fact.data.submission_id
        for row in waiting.store.page(0, 100_000)
        if isinstance((fact := decode(row.state)).data, SubmissionAccepted)
    )
    names = {f"wait-{n}" for n in range(len(MOMENTS) * EACH)}
    assert {name: accepted[name] for name in names} == dict.fromkeys(names, 1)
