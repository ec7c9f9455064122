"""A whole stack with its organisations, records put on the intake topics, and what each of them was answered."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from random import Random
from typing import Any

from confluent_kafka import KafkaException, Message, Producer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from zeren.generator.identifiers import uscc
from zeren.institution.keys import SigningKey, base64url, write_key
from zeren.institution.onboarding import Account, Offices, Organisation, Scope, register_all
from zeren.stack import whole
from zeren.stack.client import Local
from zeren.stack.days import open_days
from zeren.stack.local import Servers
from zeren.stack.state import StateFolder

DECIDING = ("enrolment", "certification", "payment")
FIRST_DAY = "2024-05-14"
ANSWER_SECONDS = 60.0
REGISTERED = "2024-01-01T00:00:00+08:00"
LARGEST_RECORD = 16 << 20
"""Bytes that this producer lets through: the broker's limits are what is tried."""

Header = tuple[str, bytes | None]


@dataclass(frozen=True, slots=True)
class Party:
    """An organisation that was registered, with the private half of its key."""

    uscc: str
    kind: str
    key: SigningKey

    def signed(self, value: bytes) -> list[Header]:
        """The headers of a proper record."""
        return [("jws", self.key.signer()(value))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A record as it will be sent, broken or not."""

    value: bytes | None
    headers: Sequence[Header] | None
    service: str = "enrolment"
    key: bytes | None = b"case"
    partition: int = 0

    @property
    def mark(self) -> tuple[str, str, str]:
        """What two records share where one answer is right for both: service, digest of the value, signature."""
        jws = next((value for name, value in self.headers or () if name == "jws"), None)
        return self.service, hashlib.sha256(self.value or b"").hexdigest(), (jws or b"").hex()


Place = tuple[str, int, int]
"""Topic, partition and offset: where a record came to lie."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A receipt or quarantine fact: `verdict` is "accepted", "rejected" or "quarantined"."""

    verdict: str
    reasons: tuple[tuple[str, str, int], ...]
    submission_id: str
    origin: Mapping[str, Any]

    def __str__(self) -> str:
        """As tables write it: "rejected submission.nonce_too_short @nonce"."""
        told = [f"{code}{' @' + name if name else ''}" for code, name, _ in self.reasons]
        return " ".join([self.verdict, *told])


_VERDICTS = {
    "SubmissionAccepted": "accepted",
    "SubmissionRejected": "rejected",
    "SubmissionQuarantined": "quarantined",
}


def answer_in(state: bytes) -> Answer | None:
    """The answer that a stored fact is, or None."""
    fact = json.loads(state)
    verdict = _VERDICTS.get(fact["type"].split(".")[2])
    if verdict is None:
        return None
    data = fact["data"]
    rows = data.get("reasons", data.get("refused_lines", ()))
    reasons = tuple((row["code"], row["field"], row["line"]) for row in rows)
    return Answer(verdict, reasons, data.get("submission_id", ""), data["origin"])


@dataclass
class Town:
    """The stack, its organisations, and a producer with the administrator's rights."""

    state: StateFolder
    servers: Servers
    local: Local
    parties: dict[str, Party]
    producer: Producer
    sent: dict[tuple[str, int], int] = field(default_factory=dict)

    def send(self, records: Iterable[Outgoing]) -> list[Place | str]:
        """Sends them in order; where each came to lie, or the name of the error with which it was refused."""
        places: dict[int, Place | str] = {}

        def delivered(number: int, error: Any, message: Message) -> None:
            places[number] = (
                error.name() if error else (message.topic(), message.partition(), message.offset())
            )

        count = 0
        for count, record in enumerate(records, 1):
            number = count - 1
            try:
                self._produce(record, lambda error, message, n=number: delivered(n, error, message))
            except KafkaException as error:
                places[number] = error.args[0].name()
            self.producer.poll(0)
        assert self.producer.flush(ANSWER_SECONDS) == 0
        for place in places.values():
            if isinstance(place, tuple):
                topic, partition, offset = place
                self.sent[topic, partition] = max(self.sent.get((topic, partition), -1), offset)
        return [places[number] for number in range(count)]

    def _produce(self, record: Outgoing, delivered: Any) -> None:
        self.producer.produce(
            f"zeren.{record.service}.intake.v1",
            record.value,
            record.key,
            record.partition,
            on_delivery=delivered,
            headers=list(record.headers) if record.headers is not None else None,  # type: ignore[arg-type]
        )

    def await_decided(self) -> None:
        """Waits until every record that was sent has been decided and written."""
        until = time.monotonic() + ANSWER_SECONDS
        while behind := self._behind():
            assert time.monotonic() < until, f"not decided: {behind}; stopped: {self.stopped()}"
            time.sleep(0.02)

    def _behind(self) -> dict[tuple[str, int], int]:
        done: dict[tuple[str, int], int] = {}
        for service in DECIDING:
            query = "SELECT topic, partition, position FROM positions WHERE consumer = %s"
            with self.servers.postgres.connect(service) as connection:
                for topic, partition, position in connection.execute(query, (f"{service}.intake",)):
                    done[topic, partition] = position
        return {at: last for at, last in self.sent.items() if done.get(at, -1) < last}

    def answers(self, service: str, after: int = 0) -> list[Answer]:
        """Every receipt and quarantine fact of a service behind a position."""
        kinds = [f"zeren.{service}.{name}.v1" for name in _VERDICTS]
        query = (
            "SELECT state FROM events WHERE notification_id > %s AND topic = ANY(%s) ORDER BY notification_id"
        )
        with self.servers.postgres.connect(service) as connection:
            rows = connection.execute(query, (after, kinds)).fetchall()
        return [answer for (state,) in rows if (answer := answer_in(bytes(state))) is not None]

    def head(self, service: str) -> int:
        """The position of its newest fact."""
        with self.servers.postgres.connect(service) as connection:
            row = connection.execute("SELECT coalesce(max(notification_id), 0) FROM events").fetchone()
        assert row is not None
        return int(row[0])

    def told(self, *records: Outgoing) -> list[str]:
        """What these records were answered: every answer to them, in the order in which they were given.

        A record that never reached a topic is told as "refused <error>".
        """
        before = {service: self.head(service) for service in DECIDING}
        places = self.send(records)
        refused = [f"refused {place}" for place in places if isinstance(place, str)]
        self.await_decided()
        lying = {place for place in places if isinstance(place, tuple)}
        marks = {record.mark[:2] for record in records}
        found = [
            str(answer)
            for service in {record.service for record in records}
            for answer in self.answers(service, before[service])
            if (answer.origin["topic"], answer.origin["partition"], answer.origin["offset"]) in lying
            and (service, answer.origin["digest"]) in marks
        ]
        return found + refused

    def awaited_answer(self, record: Outgoing, after: int) -> str:
        """What a record that waited was answered in the end: the only answer to it behind a position."""
        until = time.monotonic() + ANSWER_SECONDS
        found: list[str] = []
        while not found and time.monotonic() < until:
            rows = self.answers(record.service, after)
            found = [str(answer) for answer in rows if answer.origin["digest"] == record.mark[1]]
            time.sleep(0.05)
        assert len(found) == 1, found
        return found[0]

    def stopped(self) -> dict[str, str]:
        """Partitions that stand still, in any service."""
        return {at: why for name in DECIDING for at, why in self.local.ready(name)["stopped"].items()}

    def given_by_place(self, service: str, after: int) -> dict[Place, list[Answer]]:
        """The answers behind a position, by the record that each names."""
        found: dict[Place, list[Answer]] = defaultdict(list)
        for answer in self.answers(service, after):
            at = answer.origin
            found[at["topic"], at["partition"], at["offset"]].append(answer)
        return dict(found)


def signature(
    private: Ed25519PrivateKey, value: bytes, *, kid: str, alg: str = "Ed25519", tag: bytes | None = None
) -> bytes:
    """A detached JWS with any header; `tag` stands for the signature where given."""
    header = {"alg": alg, "b64": False, "crit": ["b64"], "kid": kid}
    protected = base64url(json.dumps(header, separators=(",", ":")).encode()).encode()
    made = private.sign(protected + b"." + value) if tag is None else tag
    return protected + b".." + base64.urlsafe_b64encode(made).rstrip(b"=")


def found_town(state: StateFolder) -> Town:
    """Starts a stack in a state folder, opens its first day and registers two schools, a body and a bank."""
    servers = whole.start(state)
    local = Local(state)
    open_days(local, date.fromisoformat(FIRST_DAY))
    rng = Random(1)  # noqa: S311 - no secret
    parties: dict[str, Party] = {}
    wanted = []
    for name, kind in (
        ("school", "TRAINING"),
        ("other", "TRAINING"),
        ("body", "ASSESSMENT"),
        ("bank", "BANK"),
    ):
        code = uscc(rng, "52", "350100")
        key = SigningKey(
            f"{name}-1", Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())
        )
        path = state.path / "keys" / f"{name}.jwk"
        write_key(path, key)
        parties[name] = Party(code, kind, key)
        wanted.append((_organisation(code, name, kind, key), path))
    offices = Offices(local, servers.onboard, whole.institutions_folder(state))
    register_all(offices, wanted)
    settings = {**servers.kafka.settings(), "message.max.bytes": LARGEST_RECORD, "linger.ms": 1}
    return Town(state, servers, local, parties, Producer(settings))


def _organisation(code: str, name: str, kind: str, key: SigningKey) -> Organisation:
    account = (
        Account(number="6222000000000000001", holder="某校", bank="某银行") if kind == "TRAINING" else None
    )
    return Organisation(
        uscc=code,
        name=name,
        kind=kind,
        region="350100",
        key_id=key.key_id,
        public_key=key.public,
        valid_from=REGISTERED,
        scope=[Scope("elder-carer", ["5", "4"])] if kind == "ASSESSMENT" else [],
        account=account,
    )


def counted(answers: Iterable[Answer]) -> Counter[str]:
    """How many answers of each kind: the verdict and its first code."""
    return Counter(
        " ".join([one.verdict, *(code for code, _, _ in one.reasons[:1] if one.verdict != "accepted")])
        for one in answers
    )


PERSON = "110105199003071095"


def found_person(town: Town) -> str:
    """The ID number of somebody whom the vault knows: enrolled by a submission that waits for its class."""
    school = town.parties["school"]
    document = {
        "specversion": "1.0", "id": "known-person", "source": f"urn:uscc:{school.uscc}",
        "type": "zeren.submission.EnrolTrainee.v1", "time": "2024-05-14T09:00:00+08:00", "nonce": "n" * 22,
        "data": {
            "enrolment_ref": "known-person", "class_ref": "no-class", "groups": [],
            "trainee": {"name": "李娜", "national_id": PERSON, "phone": ""},
        },
    }  # fmt: skip
    value = json.dumps(document).encode()
    town.send([Outgoing(value=value, headers=school.signed(value))])
    town.await_decided()
    return PERSON
