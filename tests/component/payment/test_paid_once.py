"""Money moves once: the same submission and the same bank receipt three times, on real Kafka and PostgreSQL."""

from __future__ import annotations

import asyncio
import base64
import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest
from confluent_kafka import Producer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.payment.domain.claim import claim
from services.payment.domain.payment_batch import payment_batch
from services.payment.submissions import handlers
from shared.contracts.fact import Circumstances, decode, encode
from shared.contracts.intake import BusinessDayAdopted
from shared.contracts.payment import PaymentBatchCreated
from shared.eventstore.businessdate import STREAM, MoveDay, business_day
from shared.eventstore.changes import KnowFact, KnowKey, Reads
from shared.eventstore.sql import make_engine
from shared.identity import institution_id
from shared.intake.evidence import SealedIntake
from shared.intake.worker import IntakeWorker
from shared.messaging.connect import KafkaAccess
from shared.messaging.consumer import BatchConsumer
from shared.runtime.migrate import create_kernel
from tests.book import BOOK
from tests.component.payment.race_worker import NoPersons, executor_on
from tests.domain.payment import facts as f

BANK = "91350100MA3000011B"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
NOW = datetime(2024, 6, 14, 1, tzinfo=UTC)
DAY = date(2024, 6, 14)
GIVEN = Circumstances(
    occurredat=NOW, businessdate=DAY, actor="system:payment", duty="SYSTEM", region=f.XIAMEN,
    correlationid="c", causationid="c", traceparent="",
)  # fmt: skip


class OrderedClaim:
    """Brings one claim to the point where only the bank's answer is missing."""

    def reads(self, _draft) -> Reads:
        return Reads(streams=frozenset((STREAM, f.CLAIM, f.BATCH)))

    def perform(self, draft) -> None:
        draft.execute(business_day, STREAM, MoveDay(BusinessDayAdopted(date=DAY, working=True)), GIVEN)
        public = KEY.public_key().public_bytes_raw()
        draft.stage(
            KnowKey("bank-key", BANK, "BANK", f.XIAMEN, public, datetime(2020, 1, 1, tzinfo=UTC), None)
        )
        registered = f.registered(BANK)
        stream = institution_id(BANK)
        fact = encode("enrolment", registered, stream=stream, version=1, given=GIVEN, now=NOW)
        draft.stage(KnowFact(fact.type, stream, 1, fact.state))
        draft.append(claim, f.CLAIM, [*f.TO_APPROVED, f.ordered], GIVEN)
        batch = PaymentBatchCreated(
            batch_id=f.BATCH, region=f.XIAMEN, bank=BANK, claims=[f.CLAIM], total_fen=70000, decision_jws=None
        )
        draft.append(payment_batch, f.BATCH, [batch], GIVEN)


def bank_receipt(name: str, amount: int = 70000) -> bytes:
    line = {"claim_id": f.CLAIM, "amount_fen": amount, "result": "PAID", "code": "", "bank_ref": "B-1"}
    return json.dumps(
        {
            "specversion": "1.0", "id": name, "source": f"urn:uscc:{BANK}",
            "type": "zeren.submission.ConfirmPayments.v1", "time": "2024-06-14T09:00:00+08:00", "nonce": "n" * 22,
            "data": {"batch_id": f.BATCH, "paid_on": "2024-06-14", "lines": [line]},
        }
    ).encode()  # fmt: skip


def jws(value: bytes) -> bytes:
    header = json.dumps({"alg": "Ed25519", "b64": False, "crit": ["b64"], "kid": "bank-key"}).encode()
    protected = base64.urlsafe_b64encode(header).rstrip(b"=")
    return protected + b".." + base64.urlsafe_b64encode(KEY.sign(protected + b"." + value)).rstrip(b"=")


@pytest.fixture
def url(fresh_database):
    made = fresh_database()
    engine = make_engine(made)
    with engine.begin() as connection:
        create_kernel(connection)
    engine.dispose()
    executor_on(made).run([OrderedClaim()])
    return made


async def test_the_same_bank_receipt_three_times_and_under_three_ids_pays_once(
    servers, url, fresh_topic, unique
):
    """Same id, same bytes: the stored receipt again. Another id for the same line: refused by line, nothing paid."""
    topic = fresh_topic(partitions=3)
    producer = Producer(servers.kafka.settings())
    sent = [bank_receipt("r-1")] * 3 + [bank_receipt("r-2"), bank_receipt("r-3")]
    for number, value in enumerate(sent):
        producer.produce(topic, value, b"k", number % 3, headers=[("jws", jws(value))])
    assert producer.flush(20) == 0

    executor, vault = executor_on(url), NoPersons()
    due = lambda day: day + timedelta(days=3)  # noqa: E731 - one line says it
    worker = IntakeWorker(executor, handlers(BOOK), SealedIntake(vault, vault), due)
    kafka = KafkaAccess(servers.kafka.bootstrap, servers.kafka.user, servers.kafka.password)
    consumer, broker = BatchConsumer(unique("payment.intake"), [topic], worker), kafka.broker()
    consumer.subscribe(broker)

    def read_to() -> int:
        return sum(at.kafka_offset + 1 for at in executor.store.positions("payment.intake").values())

    async with broker, asyncio.timeout(60):
        await broker.start()
        while read_to() < len(sent):
            await asyncio.sleep(0.05)

    found = [decode(row.state).data for row in executor.store.page(0, 1_000)]
    names = Counter(type(fact).__name__ for fact in found)
    assert names["SubsidyPaid"] == names["PaymentBatchReconciled"] == 1
    assert sum(fact.amount_fen for fact in found if type(fact).__name__ == "SubsidyPaid") == 70000
    accepted = [fact for fact in found if type(fact).__name__ == "SubmissionAccepted"]
    refused = {fact.submission_id: [reason.code for reason in fact.refused_lines] for fact in accepted}
    assert sorted(refused) == ["r-1", "r-2", "r-3"]
    assert sorted(refused.values()) == [[], ["payment.already_answered"], ["payment.already_answered"]]
    engine = make_engine(url)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM receipt_outbox").scalar_one() == len(sent)
    engine.dispose()
