"""Institutions and the person at once for one entitlement (R50): real Kafka and PostgreSQL, two worker processes."""

from __future__ import annotations

import base64
import json
import multiprocessing
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
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
from tests.component.payment.race_worker import PersonsClaim, Race, Raced, executor_on, run_worker
from tests.domain.payment.facts import XIAMEN, account_of, certificate_of, trained

SCHOOLS = ("91350100MA3000011B", "91350100MA3000022F", "91350100MA3000033K")
KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
NOW = datetime(2024, 6, 4, 1, tzinfo=UTC)
GIVEN = Circumstances(
    occurredat=NOW, businessdate=date(2024, 6, 4), actor="system:payment", duty="SYSTEM", region=XIAMEN,
    correlationid="c", causationid="c", traceparent="",
)  # fmt: skip


@dataclass(frozen=True)
class Contest:
    """One person, and who claims for them at the same moment.

    Attributes:
        schools: by worker, the numbers of the schools whose lists it decides in one batch.
        by_themselves: the person claims as well, at the second worker.
    """

    number: int
    person: str
    schools: tuple[tuple[int, ...], tuple[int, ...]]
    by_themselves: bool = False

    @property
    def contestants(self) -> int:
        """How many claim."""
        return len(self.schools[0]) + len(self.schools[1]) + self.by_themselves

    def certificate(self, school: int) -> str:
        """What the person was given after the training at a school."""
        return certificate_of(f"r{self.number}-{school}")


def contests(*, two: int, three: int, person_and_one: int, person_and_two: int) -> list[Contest]:
    """So many of each kind, mixed evenly."""
    kinds: list[tuple[tuple[tuple[int, ...], tuple[int, ...]], bool, int]] = [
        (((0,), (1,)), False, two),
        (((0, 2), (1,)), False, three),
        (((0,), ()), True, person_and_one),
        (((0, 1), ()), True, person_and_two),
    ]
    mixed = [
        ((turn + 1) / (count + 1), schools, by_themselves)
        for schools, by_themselves, count in kinds
        for turn in range(count)
    ]
    return [
        Contest(number, str(uuid4()), schools, by_themselves)
        for number, (_, schools, by_themselves) in enumerate(sorted(mixed))
    ]


class Seed:
    """Brings payment to the day of the claims, with everything it has learned from others."""

    def __init__(self, run: Iterable[Contest]) -> None:
        self.run = run

    def reads(self, _draft: Any) -> Reads:
        return Reads(streams=frozenset((STREAM,)))

    def perform(self, draft: Any) -> None:
        draft.execute(
            business_day, STREAM, MoveDay(BusinessDayAdopted(date=date(2024, 6, 4), working=True)), GIVEN
        )
        for number, school in enumerate(SCHOOLS):
            public = KEY.public_key().public_bytes_raw()
            valid_from = datetime(2020, 1, 1, tzinfo=UTC)
            draft.stage(KnowKey(f"key-{number}", school, "TRAINING", XIAMEN, public, valid_from, None))
            self.know(draft, "enrolment", account_of(school), institution_id(school))
        for contest in self.run:
            for number in (*contest.schools[0], *contest.schools[1]):
                ref, school = f"r{contest.number}-{number}", SCHOOLS[number]
                enrolled, completed, issued = trained(contest.person, ref=ref, school=school)
                self.know(draft, "enrolment", enrolled, enrolled.enrolment_id)
                self.know(draft, "enrolment", completed, completed.enrolment_id)
                self.know(draft, "certification", issued, issued.certificate_id)

    def know(self, draft: Any, service: str, data: Any, subject: str) -> None:
        fact = encode(service, data, stream=subject, version=1, given=GIVEN, now=NOW)
        draft.stage(KnowFact(fact.type, subject, 1, fact.state))


def claim_list(contest: Contest, school: int) -> bytes:
    name = contest.number
    return json.dumps(
        {
            "specversion": "1.0", "id": f"claim-{name}", "source": f"urn:uscc:{SCHOOLS[school]}",
            "type": "zeren.submission.ApplySubsidy.v1", "time": "2024-06-04T09:00:00+08:00", "nonce": "n" * 22,
            "data": {
                "application_ref": f"app-{name}",
                "lines": [{"line": 1, "certificate_id": contest.certificate(school)}],
            },
        }
    ).encode()  # fmt: skip


def jws(value: bytes, key_id: str) -> bytes:
    header = json.dumps({"alg": "Ed25519", "b64": False, "crit": ["b64"], "kid": key_id}).encode()
    protected = base64.urlsafe_b64encode(header).rstrip(b"=")
    return protected + b".." + base64.urlsafe_b64encode(KEY.sign(protected + b"." + value)).rstrip(b"=")


def produce(settings: dict[str, Any], topic: str, run: list[Contest]) -> None:
    """Every list, on the partition of its worker, in the order of the races."""
    producer = Producer(settings)
    for contest in run:
        for partition, schools in enumerate(contest.schools):
            for school in schools:
                value = claim_list(contest, school)
                headers = [("jws", jws(value, f"key-{school}"))]
                producer.produce(topic, value, b"k", partition, headers=headers)
                producer.poll(0)
    assert producer.flush(60) == 0


def side(contest: Contest, worker: int) -> int | PersonsClaim:
    """What a worker does in a race."""
    if worker == 1 and contest.by_themselves:
        return PersonsClaim(contest.person, contest.certificate(contest.schools[0][0]))
    return len(contest.schools[worker])


def race(url: str, kafka: KafkaAccess, topic: str, run: list[Contest]) -> list[Raced]:
    """Both workers, through every race."""
    spawn = multiprocessing.get_context("spawn")
    barrier, answers = spawn.Barrier(2), spawn.Queue()
    workers = [
        spawn.Process(
            target=run_worker,
            args=(Race(url, kafka, topic, [side(one, n) for one in run]), n, barrier, answers),
        )
        for n in range(2)
    ]
    try:
        for worker in workers:
            worker.start()
        seen = [answers.get(timeout=560) for _ in workers]
        for worker in workers:
            worker.join(20)
    finally:
        for worker in workers:
            worker.kill()
    assert all(isinstance(one, Raced) for one in seen), seen
    return seen


@pytest.mark.timeout(600)
def test_a_thousand_races_for_one_entitlement_leave_exactly_one_live_claim_each(
    servers, fresh_database, fresh_topic, record_property
):
    """Held at a barrier after deciding and before the lock: one wins, the others are decided again and refused."""
    run = contests(two=500, three=300, person_and_one=100, person_and_two=100)
    url = fresh_database()
    engine = make_engine(url)
    with engine.begin() as connection:
        create_kernel(connection)
    executor_on(url).run([Seed(run)])
    topic = fresh_topic(partitions=2)
    produce(servers.kafka.settings(), topic, run)
    kafka = KafkaAccess(servers.kafka.bootstrap, servers.kafka.user, servers.kafka.password)
    seen = race(url, kafka, topic, run)

    conflicts, answers = sum(one.conflicts for one in seen), seen[0].answers + seen[1].answers
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT state FROM events ORDER BY notification_id").scalars()
        facts = [decode(bytes(state)).data for state in rows]
    engine.dispose()
    names = Counter(type(fact).__name__ for fact in facts)
    contestants = sum(one.contestants for one in run)
    assert conflicts >= len(run) * 9 // 10, "the races did not meet under the lock"
    assert names["SubsidyClaimed"] == contestants == 2_400
    assert names["EntitlementReserved"] == len(run)
    assert names["ClaimRefused"] == names["EntitlementRefused"] == contestants - len(run)
    assert names["SubmissionAccepted"] == contestants - 200
    refused = {fact.claim_id for fact in facts if type(fact).__name__ == "ClaimRefused"}
    live = [
        fact for fact in facts if type(fact).__name__ == "SubsidyClaimed" and fact.claim_id not in refused
    ]
    assert Counter(fact.person_id for fact in live) == Counter(one.person for one in run)
    won = Counter(fact.payee_kind for fact in live)
    assert answers == {201: won["PERSON"], 409: 200 - won["PERSON"]}
    assert min(answers[201], answers[409]) > 0, "one side always won: nobody raced"
    record_property("conflicts", conflicts)
    record_property("won by", dict(won))
