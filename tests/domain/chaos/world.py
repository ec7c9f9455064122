"""A small run without a fault in it: one submission, one quarantine, one paid claim, in every store alike."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from shared.contracts.fact import Circumstances, decode, encode, header
from shared.contracts.intake import SubmissionQuarantined
from shared.identity import derive_id
from shared.messaging.topics import partition_of
from tests.chaos.rows import (
    Acknowledged,
    Answered,
    BankLine,
    ClaimRow,
    Delivered,
    Leaf,
    Sent,
    Stored,
    Stores,
    Taken,
)

GOLDEN = Path(__file__).parents[2] / "contracts" / "golden"
USCC = "91350200MA0000001W"
PERSON, CLAIM, BATCH, ENROLMENT = (
    derive_id("test", one) for one in ("person", "claim", "batch", "enrolment")
)
AMOUNT = 120_000
GOOD, JUNK = b"a good submission", b"junk"
SOURCES = {service: f"{service}@{derive_id('test', service)}" for service in ("enrolment", "payment")}


def example(name: str, **changes: Any) -> Any:
    """The data of a fact as its golden file has it, with other values for some fields."""
    data = decode((GOLDEN / f"zeren.{name}.v1.json").read_bytes()).data
    fields = set(type(data).__struct_fields__)
    own = {"claim_id": CLAIM, "person_id": PERSON, "batch_id": BATCH, "enrolment_id": ENROLMENT}
    if type(data).__name__ == "SubmissionQuarantined":
        own = {}
    known = {field: value for field, value in own.items() if field in fields}
    return msgspec.structs.replace(data, **known | changes)


def digest(value: bytes) -> str:
    """SHA-256, hex."""
    return hashlib.sha256(value).hexdigest()


class World:
    """Facts of two services as they would be stored, sent and ledgered."""

    def __init__(self) -> None:
        self.stores = Stores()
        self._positions = dict.fromkeys(SOURCES, 0)
        self._tails: dict[tuple[str, int], int] = {}
        self._offsets: dict[tuple[str, int], int] = {}

    def record(self, service: str, stream: str, data: Any) -> bytes:
        """One more fact, in the event table, in Kafka and in the ledger."""
        version = 1 + sum(row.stream == stream for row in self.stores.stored)
        fact = encode(
            service,
            data,
            stream=stream,
            version=version,
            given=_given(),
            now=datetime(2024, 8, 5, tzinfo=UTC),
        )
        self._positions[service] = position = self._positions[service] + 1
        source = SOURCES[service]
        self.stores.stored.append(
            Stored(
                service=service, source=source, position=position, stream=stream, version=version,
                type=fact.type, state=fact.state,
            )
        )  # fmt: skip
        self.send(service, position, fact.state)
        self.stores.leaves.append(
            Leaf(
                index=len(self.stores.leaves), source=source, partition=partition_of(fact.partition_key),
                position=position, entry=fact.state,
            )
        )  # fmt: skip
        return fact.state

    def send(self, service: str, position: int, state: bytes) -> None:
        """One more record of a facts topic."""
        key = header(state).partitionkey
        partition = partition_of(key)
        at = service, partition
        self._offsets[at] = self._offsets.get(at, -1) + 1
        self.stores.sent.append(
            Sent(
                service=service, source=SOURCES[service], partition=partition, offset=self._offsets[at],
                position=position, previous=self._tails.get(at, 0), key=key.encode(), value=state,
            )
        )  # fmt: skip
        self._tails[at] = position


def _given() -> Circumstances:
    fact = decode((GOLDEN / "zeren.payment.SubsidyPaid.v1.json").read_bytes())
    return Circumstances(**{name: getattr(fact, name) for name in Circumstances.__struct_fields__})


def sound() -> World:
    """A run in which nothing is wrong."""
    world = World()
    _intake(world)
    _claim(world)
    stores = world.stores
    stores.answered = [Answered(service="payment", causation=derive_id("test", "c"), answer="{}")]
    stores.kept = {one.causation: one.answer for one in stores.answered}
    return world


def _intake(world: World) -> None:
    accepted = example("enrolment.SubmissionAccepted", institution=USCC, submission_id="s-1")
    origin = msgspec.structs.replace(accepted.origin, digest=digest(GOOD))
    receipt = world.record(
        "enrolment", derive_id("test", "receipt"), msgspec.structs.replace(accepted, origin=origin)
    )
    whole = digest(JUNK + b"\0")
    junk: SubmissionQuarantined = example("enrolment.SubmissionQuarantined")
    world.record("enrolment", derive_id("enrolment", "quarantine", whole), junk)
    stores = world.stores
    good = Taken(
        service="enrolment", partition=0, offset=0, digest=digest(GOOD), whole=digest(GOOD + b"\0jws")
    )
    # The good one came twice, as it does after an outage.
    stores.taken = [
        good, replace(good, offset=1),
        Taken(service="enrolment", partition=1, offset=0, digest=digest(JUNK), whole=whole),
    ]  # fmt: skip
    stores.acknowledged = [
        Acknowledged(service="enrolment", partition=0, offset=0, digest=digest(GOOD)),
        Acknowledged(service="enrolment", partition=0, offset=1, digest=digest(GOOD)),
    ]
    stores.delivered = [Delivered(institution=USCC, offset=one, value=receipt) for one in (0, 1)]
    stores.seen = stores.delivered[:1]


def _claim(world: World) -> None:
    account = derive_id("test", "account")
    amount = {"amount_fen": AMOUNT}
    world.record("payment", CLAIM, example("payment.SubsidyClaimed", computed_fen=AMOUNT))
    world.record("payment", account, example("payment.EntitlementReserved"))
    world.record("payment", CLAIM, example("payment.ClaimApproved", **amount))
    world.record("payment", BATCH, example("payment.PaymentBatchCreated", claims=[CLAIM], total_fen=AMOUNT))
    world.record("payment", CLAIM, example("payment.PaymentOrdered", **amount))
    world.record("payment", CLAIM, example("payment.SubsidyPaid", **amount))
    world.record("payment", BATCH, example("payment.PaymentBatchReconciled", paid_fen=AMOUNT, failed_fen=0))
    world.stores.bank = [
        BankLine(document="pay-1", batch_id=BATCH, claim_id=CLAIM, amount_fen=AMOUNT, result="PAID")
    ]
    world.stores.claims = [ClaimRow(claim_id=CLAIM, stage="PAID", paid_fen=AMOUNT)]
