"""One trainee's story through all services, as the records that audit reads; and records of no service at all."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from aiokafka import TopicPartition

from shared.contracts import certification as c
from shared.contracts import enrolment as e
from shared.contracts import payment as p
from shared.contracts.fact import SERVICES, Circumstances, Encoded, Fact, encode
from shared.contracts.intake import Origin, Reason, SubmissionAccepted
from shared.contracts.trace import decided
from shared.identity import (
    application_id,
    candidate_id,
    certificate_id,
    claim_id,
    class_id,
    derive_id,
    enrolment_id,
    entitlement_account_id,
    institution_id,
    receipt_id,
    session_id,
)
from shared.messaging.topics import FactHeaders, facts_topic, partition_of
from shared.policy.standards import ClaimFacts
from tests.book import BOOK

SHANGHAI = ZoneInfo("Asia/Shanghai")
INCARNATION = "0b6c7e5a-54f4-4a25-8f21-6f1a5be0a0aa"

INSTITUTION, BODY, BANK = "91350100MA2Y00001H", "52350100MA2Y00002M", "91350000MA2Y00009B"
REGION = "350128"
LI_NA = "5f1c7a52-6a0e-4d0e-8f6f-0c9e6f3a1b01"
CLASS = class_id(INSTITUTION, "B-1")
ENROLMENT = enrolment_id(INSTITUTION, "E-1")
CANDIDATE = candidate_id(BODY, "K-1")
CERTIFICATE = certificate_id(CANDIDATE)
CLAIM = claim_id(application_id(INSTITUTION, "A-1"), 1)
SECOND_CLAIM = claim_id(application_id(INSTITUTION, "A-2"), 1)
BATCH = derive_id("batch", "1")


@dataclass(frozen=True, slots=True)
class Record:
    """What the consumer hands over."""

    topic: str
    partition: int
    offset: int
    headers: tuple[tuple[str, bytes], ...]
    value: bytes | None


@dataclass(slots=True)
class Kafka:
    """Partitions as relays write them: each record names the position sent to its partition before."""

    positions: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    tails: dict[TopicPartition, int] = field(default_factory=lambda: defaultdict(int))
    partitions: dict[TopicPartition, list[Record]] = field(default_factory=lambda: defaultdict(list))

    def send(self, service: str, partition: int, value: bytes, kind: str = "x") -> Record:
        """The next record of a service."""
        place = TopicPartition(facts_topic(service), partition)
        self.positions[service] += 1
        position = self.positions[service]
        headers = FactHeaders(kind, f"{service}@{INCARNATION}", position, self.tails[place])
        self.tails[place] = position
        rows = self.partitions[place]
        record = Record(place.topic, partition, len(rows), tuple(headers.encode()), value)
        rows.append(record)
        return record

    def send_again(self, record: Record, value: bytes | None = None) -> Record:
        """The same position once more, behind everything else; with other bytes if some are given."""
        rows = self.partitions[TopicPartition(record.topic, record.partition)]
        again = replace(record, offset=len(rows), value=record.value if value is None else value)
        rows.append(again)
        return again

    @property
    def records(self) -> list[Record]:
        """All of them."""
        return [record for rows in self.partitions.values() for record in rows]


def partition(record: Record) -> TopicPartition:
    return TopicPartition(record.topic, record.partition)


def fact_like(number: int, size: int = 900) -> bytes:
    """Bytes of the size of a fact, with a readable id and type."""
    name = str(UUID(bytes=sha256(b"%d" % number).digest()[:16]))
    head = (
        f'{{"specversion":"1.0","id":"{name}","source":"urn:zeren:payment","type":"zeren.payment.Test.v1",'
        f'"subject":"{name}","streamversion":1,"partitionkey":"{number}","causationid":"","data":{{"text":"'
    )
    return (head + "x" * (size - len(head) - 3) + '"}}').encode()


def junk(count: int, seed: int) -> Kafka:
    """A mixture of facts and of bytes that are none, in two services."""
    chance = random.Random(seed)  # noqa: S311 - a repeatable mixture
    kafka = Kafka()
    for number in range(count):
        value = (
            fact_like(number, chance.choice((400, 900))) if chance.random() < 0.9 else chance.randbytes(50)
        )
        kafka.send(chance.choice(("enrolment", "payment")), chance.randrange(6), value)
    return kafka


def batches(kafka: Kafka, seed: int, largest: int) -> list[list[Record]]:
    """Every partition cut into batches at random, the batches of all partitions mixed, each partition in order."""
    chance = random.Random(seed)  # noqa: S311 - a repeatable mixture
    waiting = {place: list(rows) for place, rows in kafka.partitions.items()}
    cut = []
    while waiting:
        place = chance.choice(sorted(waiting))
        size = chance.randint(1, largest)
        cut.append(waiting[place][:size])
        waiting[place] = waiting[place][size:]
        if not waiting[place]:
            del waiting[place]
    return cut


@dataclass(slots=True)
class Story:
    """Facts as services decide them, one after the other."""

    kafka: Kafka = field(default_factory=Kafka)
    facts: list[Encoded] = field(default_factory=list)
    versions: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    day: date = date(2024, 5, 13)
    minute: int = 0

    def tell(
        self, service: str, stream: str, data: Fact, *, actor: str, duty: str,
        correlation: str = "", cause: str = "",
    ) -> Encoded:  # fmt: skip
        """One more fact."""
        self.versions[stream] += 1
        self.minute += 1
        at = datetime.combine(self.day, datetime.min.time(), SHANGHAI) + timedelta(
            hours=8, minutes=self.minute
        )
        given = Circumstances(
            occurredat=at,
            businessdate=self.day,
            actor=actor,
            duty=duty,
            region=REGION,
            correlationid=correlation or stream,
            causationid=cause or derive_id("cause", stream, str(self.minute)),
            traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        )
        encoded = encode(
            service, data, stream=stream, version=self.versions[stream], given=given, now=datetime.now(UTC)
        )
        self.kafka.send(service, partition_of(encoded.partition_key), encoded.state, encoded.type)
        self.facts.append(encoded)
        return encoded


TRACE = BOOK.subsidy_standard(
    ClaimFacts(
        kind="TRAINING",
        payee="INSTITUTION",
        region=REGION,
        occupation_id="elder-carer",
        level="5",
        certificate_kind="SKILL_LEVEL",
        claimed_on=date(2024, 6, 4),
        certificate_on=date(2024, 5, 31),
        class_start_on=date(2024, 5, 15),
    )
).trace
AMOUNT = TRACE.amount_fen or 0
NO_TRACE = decided("TEST")


def paid_claim() -> Story:
    """A claim that is paid, and a second one for the same entitlement that is refused."""
    story = Story()
    _train(story)
    _certify(story)
    _claim_and_pay(story)
    _claim_again(story)
    return story


def _train(story: Story) -> None:
    sheet = receipt_id("enrolment", INSTITUTION, "sheet-1")
    names = {INSTITUTION: "平潭某职业培训学校", BODY: "某技能评价中心", BANK: "某银行"}
    for uscc, name in names.items():
        kind = {INSTITUTION: "TRAINING", BODY: "ASSESSMENT", BANK: "BANK"}[uscc]
        data: Fact = e.InstitutionRegistered(uscc=uscc, name=name, kind=kind, region=REGION)
        story.tell("enrolment", institution_id(uscc), data, actor="handler:h-001", duty="REGISTRAR")
    session = session_id(INSTITUTION, "S-1")
    applied = e.ClassApplied(
        class_id=CLASS, class_ref="B-1", institution=INSTITUTION, region=REGION, occupation_id="elder-carer",
        level="5", training_kind="SKILL_UPGRADE", programme_tags=[], max_trainees=30,
        first_day=date(2024, 5, 15), last_day=date(2024, 5, 15), planned_minutes=240,
        sessions=[
            e.PlannedSession(
                session_id=session, session_ref="S-1", held_on=date(2024, 5, 15), starts_at="08:30",
                ends_at="12:30", minutes=240, teacher_ref="T-1",
            )
        ],
    )  # fmt: skip
    institution = {"actor": f"institution:{INSTITUTION}", "duty": "D1"}
    story.tell("enrolment", CLASS, applied, **institution)
    approved = e.ClassApproved(class_id=CLASS, decision_jws=None)
    story.tell("enrolment", CLASS, approved, actor="handler:h-003", duty="D3")
    story.day = date(2024, 5, 15)
    enrolled = e.TraineeEnrolled(
        enrolment_id=ENROLMENT, enrolment_ref="E-1", class_id=CLASS, person_id=LI_NA, institution=INSTITUTION,
        region=REGION, occupation_id="elder-carer", level="5", age=38, groups=[], trace=NO_TRACE,
    )  # fmt: skip
    story.tell("enrolment", ENROLMENT, enrolled, **institution)
    recorded = e.AttendanceSheetRecorded(class_id=CLASS, session_id=session, lines=1, evidence="e" * 64)
    story.tell("enrolment", CLASS, recorded, cause=sheet, **institution)
    attended = e.SessionAttended(
        enrolment_id=ENROLMENT, class_id=CLASS, session_id=session, minutes=240, method="FACE"
    )
    fact = story.tell("enrolment", ENROLMENT, attended, cause=sheet, **institution)
    receipt = SubmissionAccepted(
        submission_id="sheet-1", submission_type="zeren.submission.RecordAttendanceSheet.v1",
        institution=INSTITUTION, lines=1, refused_lines=[], fact_count=1, facts=[fact.id],
        origin=Origin(
            digest="d" * 64, jws="a..b", topic="zeren.enrolment.intake.v1", partition=0, offset=1,
            logged_at=datetime(2024, 5, 15, tzinfo=UTC),
        ),
    )  # fmt: skip
    story.tell("enrolment", sheet, receipt, actor="system:enrolment", duty="SYSTEM")
    completed = e.TrainingCompleted(
        enrolment_id=ENROLMENT, class_id=CLASS, person_id=LI_NA, institution=INSTITUTION, region=REGION,
        attended_minutes=240, planned_minutes=240, completed_on=story.day, trace=NO_TRACE,
    )  # fmt: skip
    story.tell("enrolment", ENROLMENT, completed, **institution)
    story.tell(
        "enrolment", CLASS, e.ClassCompleted(class_id=CLASS, completed=1, not_completed=0), **institution
    )


def _certify(story: Story) -> None:
    story.day = date(2024, 5, 31)
    body = f"institution:{BODY}"
    registered = c.CandidateRegistered(
        candidate_id=CANDIDATE, candidate_ref="K-1", assessment_body=BODY, person_id=LI_NA,
        enrolment_id=ENROLMENT, institution=INSTITUTION, occupation_id="elder-carer", level="5", region=REGION,
    )  # fmt: skip
    result = c.AssessmentResultRecorded(
        candidate_id=CANDIDATE, enrolment_id=ENROLMENT, assessed_on=date(2024, 5, 29), theory=81, practice=77,
        passed=True, trace=NO_TRACE,
    )  # fmt: skip
    approved = c.AssessmentResultApproved(candidate_id=CANDIDATE, enrolment_id=ENROLMENT, passed=True)
    issued = c.CertificateIssued(
        certificate_id=CERTIFICATE, certificate_no="S001", certificate_kind="SKILL_LEVEL",
        candidate_id=CANDIDATE, person_id=LI_NA, enrolment_id=ENROLMENT, assessment_body=BODY,
        institution=INSTITUTION, occupation_id="elder-carer", level="5", region=REGION, issued_on=story.day,
        norm="GZB-1",
    )  # fmt: skip
    for data, duty in ((registered, "D5"), (result, "D5"), (approved, "D6"), (issued, "D6")):
        story.tell("certification", CANDIDATE, data, actor=body, duty=duty)


def claimed(claim: str, application: str, fen: int) -> p.SubsidyClaimed:
    return p.SubsidyClaimed(
        claim_id=claim, application_id=application, line=1, person_id=LI_NA, enrolment_id=ENROLMENT,
        certificate_id=CERTIFICATE, institution=INSTITUTION, kind="TRAINING", occupation_id="elder-carer",
        level="5", region=REGION, payee_kind="INSTITUTION", claimant=INSTITUTION, account_id="acc-1",
        computed_fen=fen, trace=TRACE,
    )  # fmt: skip


def _claim_and_pay(story: Story) -> None:
    story.day = date(2024, 6, 4)
    of: dict[str, Any] = {"claim_id": CLAIM, "person_id": LI_NA, "enrolment_id": ENROLMENT}
    signed: dict[str, Any] = {**of, "decision_jws": None}
    account = entitlement_account_id(LI_NA)
    sender = f"institution:{INSTITUTION}"
    story.tell(
        "payment", CLAIM, claimed(CLAIM, application_id(INSTITUTION, "A-1"), AMOUNT), actor=sender, duty="D7"
    )
    reserved = p.EntitlementReserved(person_id=LI_NA, claim_id=CLAIM, occupation_id="elder-carer", level="5")
    story.tell("payment", account, reserved, actor=sender, duty="D7")
    steps: list[tuple[int, str, str, Fact]] = [
        (5, "h-008", "D8", p.ClaimAccepted(**signed, handler_id="h-008")),
        (5, "h-009", "D9", p.ClaimReviewed(**signed, stage="FIRST_REVIEW", handler_id="h-009")),
        (5, "h-010", "D10", p.ClaimReviewed(**signed, stage="RE_REVIEW", handler_id="h-010")),
        (6, "h-011", "D11", p.ClaimPublicised(
            **signed, notice_id="n-1", opens_on=date(2024, 6, 6), closes_on=date(2024, 6, 13), handler_id="h-011",
        )),
        (14, "h-012", "D12", p.ClaimApproved(**signed, amount_fen=AMOUNT, handler_id="h-012")),
    ]  # fmt: skip
    for day, handler, duty, data in steps:
        story.day = date(2024, 6, day)
        story.tell("payment", CLAIM, data, actor=f"handler:{handler}", duty=duty)
    batch = p.PaymentBatchCreated(
        batch_id=BATCH, region=REGION, bank=BANK, claims=[CLAIM], total_fen=AMOUNT, decision_jws=None
    )
    story.tell("payment", BATCH, batch, actor="handler:h-014", duty="D14")
    ordered = p.PaymentOrdered(
        **of, batch_id=BATCH, amount_fen=AMOUNT, account_id="acc-1", handler_id="h-014"
    )
    story.tell("payment", CLAIM, ordered, actor="handler:h-014", duty="D14")
    paid = p.SubsidyPaid(
        **of, batch_id=BATCH, amount_fen=AMOUNT, paid_on=story.day, bank_ref="R-1", receipt_digest="f" * 64
    )
    story.tell("payment", CLAIM, paid, actor=f"bank:{BANK}", duty="D15")


def _claim_again(story: Story) -> None:
    story.day = date(2024, 6, 17)
    sender = f"institution:{INSTITUTION}"
    second = claimed(SECOND_CLAIM, application_id(INSTITUTION, "A-2"), 0)
    story.tell("payment", SECOND_CLAIM, second, actor=sender, duty="D7")
    refused = p.ClaimRefused(
        claim_id=SECOND_CLAIM, person_id=LI_NA, enrolment_id=ENROLMENT, stage="RULE",
        reasons=[Reason(code="entitlement.already_used")], handler_id="", decision_jws=None,
    )  # fmt: skip
    story.tell("payment", SECOND_CLAIM, refused, actor="system:payment", duty="SYSTEM")
    conflict = p.EntitlementRefused(
        person_id=LI_NA, claim_id=SECOND_CLAIM, occupation_id="elder-carer", level="5", conflicts_with=CLAIM
    )
    story.tell("payment", entitlement_account_id(LI_NA), conflict, actor=sender, duty="D7")


def by_partition(records: Iterable[Record]) -> dict[TopicPartition, list[Record]]:
    found: dict[TopicPartition, list[Record]] = defaultdict(list)
    for record in records:
        found[partition(record)].append(record)
    return found


def topics_in_order(kafka: Kafka, services: Sequence[str] = SERVICES) -> list[list[Record]]:
    """The partitions, those of the first service first."""
    places = sorted(
        kafka.partitions, key=lambda place: (services.index(place.topic.split(".")[1]), place.partition)
    )
    return [kafka.partitions[place] for place in places]
