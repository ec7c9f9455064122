"""The intake in memory: real decisions of enrolment, the in-memory twin, a vault in a dict."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

from aiokafka import TopicPartition
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.enrolment.domain.training_class import ApproveClass, training_class
from services.enrolment.policies import effects
from services.enrolment.submissions import handlers
from shared.contracts.enrolment import BusinessDayOpened
from shared.contracts.fact import Circumstances, decode
from shared.eventstore.businessdate import STREAM, MoveDay, business_day, business_day_reads
from shared.eventstore.changes import KnowKey, Reads, Wake
from shared.eventstore.execute import Executor
from shared.eventstore.memory import MemoryStore
from shared.identity import class_id
from shared.intake.evidence import SealedIntake
from shared.intake.keys import key_known
from shared.intake.receipt import PARKING
from shared.intake.worker import IntakeWorker, ParkedRow
from shared.messaging.consumer import ReadAgain
from shared.runtime.effects import beside_kernel
from shared.vault.persons import ResolvedPerson
from tests.book import BOOK
from tests.deciding import decide

USCC = "91350100MA3000011B"
TOPIC = TopicPartition("zeren.enrolment.intake.v1", 0)
DAY = date(2024, 5, 14)
CLOCK = datetime(2026, 11, 24, 1, tzinfo=UTC)
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


class DictVault:
    """Persons by ID number and bodies by digest, in memory."""

    def __init__(self) -> None:
        self.persons: dict[str, str] = {}
        self.bodies: dict[str, bytes] = {}

    def resolve(self, batch):
        return {
            step.digest: ResolvedPerson(
                self.persons.setdefault(
                    step.national_id, f"00000000-0000-4000-8000-{len(self.persons):012d}"
                ),
                dict.fromkeys(step.groups, "c" * 64),
            )
            for step in batch
        }

    def seal(self, rows):
        self.bodies.update({digest: body for digest, body, _ in rows})

    def open(self, digest):
        return self.bodies.get(digest)


class BrokenHandler:
    """A fault of ours that strikes some submissions, until it is mended."""

    def __init__(self, mark: str) -> None:
        self._mark = mark
        self._mended = False

    def mend(self) -> None:
        self._mended = True

    def around(self, decide):
        def deciding(submitted, draft):
            if not self._mended and self._mark in f"{submitted.submission_id} {submitted.data}":
                raise KeyError(self._mark)
            return decide(submitted, draft)

        return deciding


@dataclass
class Step:
    """A unit of work from a function."""

    do: object

    def reads(self, _draft) -> Reads:
        return business_day_reads()

    def perform(self, draft):
        return self.do(draft)


def given(draft=None, day: date = DAY) -> Circumstances:
    return Circumstances(
        occurredat=CLOCK, businessdate=day, actor="handler:h", duty="D3", region="350100", correlationid="c",
        causationid="c", traceparent="",
    )  # fmt: skip


class IntakeWorld:
    """One service's intake, fed record by record."""

    def __init__(self, store=None, *, seed: bool = True, vault: DictVault | None = None) -> None:
        self.store = store or MemoryStore()
        self.vault = vault or DictVault()
        self.executor = Executor(
            "enrolment",
            self.store,
            beside_kernel(effects),
            always=business_day_reads(),
            clock=lambda: CLOCK,
        )
        self.handlers = dict(handlers(BOOK))
        self.worker = IntakeWorker(
            self.executor,
            self.handlers,
            SealedIntake(self.vault, self.vault),
            lambda day: day + timedelta(days=3),
        )
        self.offset = 0
        if seed:
            self.open_day(DAY)
            self.know_key("key-1", USCC)

    def open_day(self, day: date) -> None:
        fact = BusinessDayOpened(date=day, working=True)
        self.run(lambda draft: draft.execute(business_day, STREAM, MoveDay(fact), given(day=day)))

    def know_key(self, key_id: str, uscc: str, kind: str = "TRAINING") -> None:
        raw = PRIVATE.public_key().public_bytes_raw()
        key = KnowKey(key_id, uscc, kind, "350100", raw, datetime(2020, 1, 1, tzinfo=UTC), None)
        self.run(lambda draft: (draft.stage(key), draft.stage(Wake(key_known(key_id)))))

    def break_handler(self, mark: str) -> BrokenHandler:
        """Makes decisions fail, as by a fault of ours, on submissions that hold the mark."""
        broken = BrokenHandler(mark)
        for kind, handler in self.handlers.items():
            self.handlers[kind] = replace(handler, decide=broken.around(handler.decide))
        return broken

    def approve(self, class_ref: str) -> None:
        stream = class_id(USCC, class_ref)
        self.run(lambda draft: draft.execute(training_class, stream, ApproveClass(class_id=stream), given()))

    def run(self, do):
        return self.executor.run([Step(do)]).results[0]

    def record(self, value: bytes, jws: bytes | None, *, partition: int = 0) -> SimpleNamespace:
        self.offset += 1
        return SimpleNamespace(
            topic=TOPIC.topic, partition=partition, offset=self.offset, key=b"k", value=value,
            timestamp=int(CLOCK.timestamp() * 1000), headers=() if jws is None else (("jws", jws),),
        )  # fmt: skip

    def send(self, *documents: bytes) -> None:
        """Signs and delivers documents as one batch."""
        self.deliver(*(self.record(value, sign(value)) for value in documents))

    def deliver(self, *records) -> None:
        self._decide(TOPIC, records)

    def _decide(self, partition: TopicPartition, records) -> None:
        """As a consumer: read again where offsets are missing before; here nothing ever stands there."""
        try:
            decide(self.worker, partition, records)
        except ReadAgain:
            decide(self.worker, partition, records)

    def send_on(self, partition: int, *documents: bytes) -> None:
        """The same on another partition."""
        at = TopicPartition(TOPIC.topic, partition)
        self._decide(at, [self.record(value, sign(value), partition=partition) for value in documents])

    def wake(self) -> int:
        """What the parking loop does: wakes the ready and the overdue."""
        tables = self.store.tables
        rows = []
        for (receipt_id, digest), waiting in tables.parked.items():
            overdue = tables.deadlines.get((PARKING, f"{receipt_id}/{digest}"), (None, False))[1]
            if waiting.ready or overdue:
                row = waiting.row
                origin = (row.topic, row.partition, row.kafka_offset, row.logged_at, row.traceparent)
                sent = (row.institution, row.submission_id, row.submission_type)
                rows.append(ParkedRow(receipt_id, digest, row.awaited, row.jws, *origin, overdue, *sent))
        return self.worker.wake(rows)

    def facts(self, *names: str) -> list:
        """The data of stored facts, of these classes or all."""
        found = [decode(row.state).data for row in self.store.tables.log]
        return [data for data in found if not names or type(data).__name__ in names]

    def receipts(self) -> list[tuple[str, str]]:
        """(submission id, first code or "accepted") of every receipt, in order."""
        return [
            (data.submission_id, data.reasons[0].code if hasattr(data, "reasons") else "accepted")
            for data in self.facts("SubmissionAccepted", "SubmissionRejected")
        ]


def sign(value: bytes, kid: str = "key-1") -> bytes:
    protected = _b64(json.dumps({"alg": "Ed25519", "b64": False, "crit": ["b64"], "kid": kid}).encode())
    return protected + b".." + _b64(PRIVATE.sign(protected + b"." + value))


def _b64(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def document(kind: str, name: str, /, source: str = USCC, **data) -> bytes:
    return json.dumps(
        {
            "specversion": "1.0", "id": name, "source": f"urn:uscc:{source}", "type": f"zeren.submission.{kind}.v1",
            "time": "2024-05-14T09:00:00+08:00", "nonce": "n" * 22, "data": data,
        },
        ensure_ascii=False,
    ).encode()  # fmt: skip


def apply_class(name: str = "apply-1", class_ref: str = "c1", **changes) -> bytes:
    session = {"session_ref": f"{class_ref}-s1", "held_on": "2024-05-14", "starts_at": "09:00", "ends_at": "11:00",
               "teacher_ref": "t1"}  # fmt: skip
    data = {
        "class_ref": class_ref, "region": "350100", "occupation_id": "elder-carer", "level": "5",
        "training_kind": "EMPLOYMENT_SKILL", "programme_tags": [], "max_trainees": 30, "sessions": [session],
    }  # fmt: skip
    return document("ApplyClass", name, **(data | changes))


def enrol(name: str = "enrol-1", enrolment_ref: str = "e1", national_id: str = "110105199003071095") -> bytes:
    trainee = {"name": "李娜", "national_id": national_id, "phone": "13800000000"}
    return document(
        "EnrolTrainee", name, enrolment_ref=enrolment_ref, class_ref="c1", trainee=trainee, groups=[]
    )


def sheet(name: str = "sheet-1", *refs: str, session_ref: str = "c1-s1", minutes: int = 120) -> bytes:
    lines = [{"enrolment_ref": ref, "minutes": minutes, "method": "QR"} for ref in refs]
    return document(
        "RecordAttendanceSheet", name, class_ref="c1", session_ref=session_ref, evidence="a" * 64, lines=lines
    )
