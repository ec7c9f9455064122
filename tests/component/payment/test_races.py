"""Two institutions at once for one entitlement (R50): real Kafka, real PostgreSQL, two worker processes."""

from __future__ import annotations

import base64
import json
import multiprocessing
from collections import Counter
from datetime import UTC, date, datetime
from uuid import uuid4

import pytest
from confluent_kafka import Producer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.contracts.fact import Circumstances, decode, encode
from shared.contracts.intake import BusinessDayAdopted
from shared.eventstore.businessdate import STREAM, MoveDay, business_day
from shared.eventstore.changes import KnowFact, KnowKey, Reads
from shared.eventstore.sql import make_engine
from shared.identity import institution_id
from shared.messaging.connect import KafkaAccess
from shared.runtime.migrate import create_kernel
from tests.component.payment.race_worker import Race, executor_on, run_worker
from tests.domain.payment.facts import XIAMEN, account_of, certificate_of, trained

RACES = 40
SCHOOLS = ("91350100MA3000011B", "91350100MA3000022F")
KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
NOW = datetime(2024, 6, 4, 1, tzinfo=UTC)
GIVEN = Circumstances(
    occurredat=NOW, businessdate=date(2024, 6, 4), actor="system:payment", duty="SYSTEM", region=XIAMEN,
    correlationid="c", causationid="c", traceparent="",
)  # fmt: skip


class Seed:
    """Brings payment to the day of the claims, with everything it has learned from others."""

    def __init__(self, people: list[str]) -> None:
        self.people = people

    def reads(self, _draft) -> Reads:
        return Reads(streams=frozenset((STREAM,)))

    def perform(self, draft) -> None:
        draft.execute(
            business_day, STREAM, MoveDay(BusinessDayAdopted(date=date(2024, 6, 4), working=True)), GIVEN
        )
        for number, school in enumerate(SCHOOLS):
            public = KEY.public_key().public_bytes_raw()
            valid_from = datetime(2020, 1, 1, tzinfo=UTC)
            draft.stage(KnowKey(f"key-{number}", school, "TRAINING", XIAMEN, public, valid_from, None))
            self.know(draft, "enrolment", account_of(school), institution_id(school))
            for n, person in enumerate(self.people):
                enrolled, completed, issued = trained(person, ref=f"r{n}-{number}", school=school)
                self.know(draft, "enrolment", enrolled, enrolled.enrolment_id)
                self.know(draft, "enrolment", completed, completed.enrolment_id)
                self.know(draft, "certification", issued, issued.certificate_id)

    def know(self, draft, service, data, subject) -> None:
        fact = encode(service, data, stream=subject, version=1, given=GIVEN, now=NOW)
        draft.stage(KnowFact(fact.type, subject, 1, fact.state))


def claim_list(race: int, number: int) -> bytes:
    line = {"line": 1, "certificate_id": certificate_of(f"r{race}-{number}")}
    return json.dumps(
        {
            "specversion": "1.0", "id": f"claim-{race}", "source": f"urn:uscc:{SCHOOLS[number]}",
            "type": "zeren.submission.ApplySubsidy.v1", "time": "2024-06-04T09:00:00+08:00", "nonce": "n" * 22,
            "data": {"application_ref": f"app-{race}", "lines": [line]},
        }
    ).encode()  # fmt: skip


def jws(value: bytes, key_id: str) -> bytes:
    header = json.dumps({"alg": "Ed25519", "b64": False, "crit": ["b64"], "kid": key_id}).encode()
    protected = base64.urlsafe_b64encode(header).rstrip(b"=")
    return protected + b".." + base64.urlsafe_b64encode(KEY.sign(protected + b"." + value)).rstrip(b"=")


@pytest.mark.timeout(180)
def test_forty_races_of_two_institutions_leave_exactly_one_live_claim_each(
    servers, fresh_database, fresh_topic
):
    """Held at a barrier after deciding and before the lock: one wins, the other re-decides and is refused."""
    url = fresh_database()
    engine = make_engine(url)
    with engine.begin() as connection:
        create_kernel(connection)
    people = [str(uuid4()) for _ in range(RACES)]
    executor_on(url).run([Seed(people)])
    topic = fresh_topic(partitions=2)
    producer = Producer(servers.kafka.settings())
    for race in range(RACES):
        for number in range(2):
            value = claim_list(race, number)
            producer.produce(topic, value, b"k", number, headers=[("jws", jws(value, f"key-{number}"))])
    assert producer.flush(30) == 0

    kafka = KafkaAccess(servers.kafka.bootstrap, servers.kafka.user, servers.kafka.password)
    spawn = multiprocessing.get_context("spawn")
    barrier, answers = spawn.Barrier(2), spawn.Queue()
    workers = [
        spawn.Process(target=run_worker, args=(Race(url, kafka, topic, RACES), n, barrier, answers))
        for n in range(2)
    ]
    for worker in workers:
        worker.start()
    conflicts = [answers.get(timeout=120) for _ in workers]
    for worker in workers:
        worker.join(20)

    assert all(isinstance(count, int) for count in conflicts), conflicts
    assert sum(conflicts) >= RACES // 2
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT state FROM events ORDER BY notification_id").scalars()
        facts = [decode(bytes(state)).data for state in rows]
    engine.dispose()
    names = Counter(type(fact).__name__ for fact in facts)
    assert names["SubsidyClaimed"] == 2 * RACES
    assert names["EntitlementReserved"] == names["ClaimRefused"] == names["EntitlementRefused"] == RACES
    refused = {fact.claim_id for fact in facts if type(fact).__name__ == "ClaimRefused"}
    live = Counter(
        fact.person_id
        for fact in facts
        if type(fact).__name__ == "SubsidyClaimed" and fact.claim_id not in refused
    )
    assert live == Counter(dict.fromkeys(people, 1))
