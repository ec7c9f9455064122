"""Fuzzed records for the intake topics: right documents made from the submission classes, then broken, by seed.

What is broken is the structure (fields dropped, added, exchanged, of another type, at and past their bounds), the
bytes, before signing or after, or the headers; each is signed by the right key or by a wrong one.
"""

from __future__ import annotations

import copy
import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from random import Random
from typing import Any

import msgspec.inspect as schema

from shared.contracts.submission import SUBMISSIONS, SubmissionType
from tests.component.faults.sending import Header, Outgoing, Party, Town, signature
from zeren.generator.identifiers import national_id
from zeren.stack.days import business_date

CLASSES = 12
SEATS = 20
SENDERS = {"TRAINING": "school", "ASSESSMENT": "body", "BANK": "bank"}
Json = Any
Place = tuple[Any, Any]
"""A container inside a document, and the index or name of one of its values."""

NUMBERS: tuple[Json, ...] = (
    -1,
    0,
    1,
    100,
    101,
    200,
    201,
    720,
    721,
    2**31,
    2**53,
    2**63,
    2**64,
    -(2**63) - 1,
    10**400,
)
TEXTS: tuple[str, ...] = (
    "", " ", "\n", "\x00", "5\n", "09:00\n", "24:00", "null", "R" * 64, "R" * 65, "R" * 5_000, "../../etc/passwd",
    "'; DROP TABLE events; --", "110105199003071095", "13800138000", "１１０１０５１９９００３０７１０９５",
    "\u202eevil", "\ufeff", "é" * 64, "李娜", "𝄞", "0001-01-01", "9999-12-31", "2024-02-30", "2024-02-29",
    "2024-05-14T09:00:00", "9999-12-31T23:59:59+14:00", "0001-01-01T00:00:00-14:00", "PT1H", "1e5", "QR\n",
    "00000000-0000-0000-0000-000000000000", "g" * 36, "a" * 64 + "\n",
)  # fmt: skip
OTHERS: tuple[Json, ...] = (
    None,
    True,
    False,
    1.5,
    -0.0,
    1e308,
    [],
    {},
    [[]],
    [None],
    {"": 0},
    {"a": {"a": {"a": []}}},
)


class Maker:
    """Right documents of every submission class, about a dozen classes and their trainees, so that some take effect."""

    def __init__(self, town: Town, rng: Random) -> None:
        self._town = town
        self._rng = rng
        self._number = 0
        self._class = self._seat = 0
        self._day = (business_date(town.local) or date.max).isoformat()

    def document(self, entry: SubmissionType) -> tuple[Party, dict[str, Json]]:
        """A document under an id of its own, and who sends it."""
        self._number += 1
        self._class, self._seat = self._rng.randrange(CLASSES), self._rng.randrange(SEATS)
        sender = self._town.parties[SENDERS[entry.sender]]
        return sender, {
            "specversion": "1.0",
            "id": f"fuzz-{self._number}",
            "source": f"urn:uscc:{sender.uscc}",
            "type": entry.name,
            "time": "2024-05-14T09:00:00+08:00",
            "nonce": self._rng.randbytes(16).hex(),
            "datacontenttype": "application/json",
            "data": self._value(schema.type_info(entry.cls), entry.cls.__name__),
        }

    def planned(self, number: int) -> dict[str, Json]:
        """The application for one of the dozen classes, whose two sessions are held on the business date."""
        _, document = self.document(SUBMISSIONS["zeren.submission.ApplyClass.v1"])
        session = document["data"]["sessions"][0]
        document["data"] |= {
            "class_ref": f"c-{number}",
            "max_trainees": 30,
            "sessions": [{**session, "session_ref": f"s-{number}-{half}"} for half in (0, 1)],
        }
        return document

    def _value(self, kind: schema.Type, name: str) -> Json:
        if name in _NAMED:
            return _NAMED[name](self)
        match kind:
            case schema.StructType(fields=fields):
                return {field.encode_name: self._value(field.type, field.encode_name) for field in fields}
            case schema.ListType(item_type=item, min_length=least, max_length=most):
                count = max(self._rng.choice((0, 1, 2, 3)), least or 0)
                if self._rng.random() < 0.01:
                    count = most or 0
                return [self._value(item, name) for _ in range(count)]
            case schema.LiteralType(values=values):
                return self._rng.choice(sorted(values))
            case schema.IntType(ge=least, le=most):
                return self._rng.randint(least or 0, most or 1_000)
            case schema.DateType():
                return self._day
            case _:
                return f"r-{self._rng.randrange(1_000)}"

    def fresh(self) -> str:
        """A reference that nothing else has."""
        return f"x-{self._number}-{self._rng.randrange(1 << 30)}"

    def trainee(self) -> dict[str, Json]:
        """The person of the document's seat: the same one each time."""
        own = Random(f"{self._class}/{self._seat}")  # noqa: S311 - no secret
        return {"name": "某人", "national_id": national_id(own, date(1990, 3, 7)), "phone": "13800138000"}


_NAMED: dict[str, Callable[[Maker], Json]] = {
    "class_ref": lambda maker: f"c-{maker._class}",
    "session_ref": lambda maker: f"s-{maker._class}-{maker._rng.randrange(3)}",
    "enrolment_ref": lambda maker: f"e-{maker._class}-{(maker._seat + maker._rng.randrange(2)) % SEATS}",
    "candidate_ref": lambda maker: f"k-{maker._class}-{maker._seat}",
    "institution": lambda maker: maker._town.parties["school"].uscc,
    "trainee": Maker.trainee,
    "group": lambda maker: maker._rng.choice(("RURAL", "POVERTY", "VETERAN")),
    "region": lambda _maker: "350100",
    "occupation_id": lambda _maker: "elder-carer",
    "level": lambda _maker: "5",
    "training_kind": lambda _maker: "EMPLOYMENT_SKILL",
    "starts_at": lambda _maker: "09:00",
    "ends_at": lambda _maker: "11:00",
    "certificate_no": lambda maker: maker._rng.choice(("", maker.fresh())),
    "certificate_id": lambda maker: str(uuid.UUID(bytes=maker._rng.randbytes(16), version=4)),
    "claim_id": lambda maker: str(uuid.UUID(bytes=maker._rng.randbytes(16), version=4)),
    "batch_id": lambda maker: str(uuid.UUID(bytes=maker._rng.randbytes(16), version=4)),
    "code": lambda maker: maker._rng.choice(("", "ACCOUNT_CLOSED")),
    "evidence": lambda maker: maker._rng.choice(("DATA_MATCH", maker._rng.randbytes(32).hex())),
}


def places(document: Json) -> list[Place]:
    """Every value in a document, outermost first."""
    found: list[Place] = []
    row: list[Json] = [document]
    for container in row:
        names = list(container) if isinstance(container, dict) else range(len(container))
        for name in names:
            found.append((container, name))
            if isinstance(container[name], dict | list):
                row.append(container[name])
    return found


def _any(rng: Random, *rows: Sequence[Json]) -> Json:
    """A copy of one of the values: what comes later may change it."""
    return copy.deepcopy(rng.choice([value for row in rows for value in row]))


def _some(rng: Random, document: Json) -> Place:
    """A place of the document, or what stands for one where nothing is left of it."""
    return rng.choice(places(document) or [({"": None}, "")])


def _drop(rng: Random, document: Json) -> None:
    container, name = _some(rng, document)
    del container[name]


def _add(rng: Random, document: Json) -> None:
    container, _ = _some(rng, document)
    value = _any(rng, OTHERS, TEXTS)
    if isinstance(container, dict):
        container[rng.choice(("x", "", "ID", "x - at `$.data", "x - at `$.李娜", "constructor", *TEXTS))] = (
            value
        )
    else:
        container.insert(rng.randrange(len(container) + 1), value)


def _swap(rng: Random, document: Json) -> None:
    (one, here), (other, there) = _some(rng, document), _some(rng, document)
    values = one[here], other[there]
    # Inside each other they would make a circle.
    if not any(isinstance(value, dict | list) for value in values):
        one[here], other[there] = values[1], values[0]


def _retype(rng: Random, document: Json) -> None:
    container, name = _some(rng, document)
    container[name] = _any(rng, OTHERS, NUMBERS, TEXTS)


def _boundary(rng: Random, document: Json) -> None:
    leaves = [place for place in places(document) if not isinstance(place[0][place[1]], dict | list)]
    container, name = rng.choice(leaves or [({"": ""}, "")])
    value = container[name]
    if isinstance(value, int):
        container[name] = rng.choice(NUMBERS)
    elif rng.random() < 0.3:
        container[name] = str(value) + rng.choice(("\n", " ", "\x00", "\u200b", "R" * 64))
    else:
        container[name] = rng.choice(TEXTS)


def _lengthen(rng: Random, document: Json) -> None:
    lists = [c[n] for c, n in places(document) if isinstance(c[n], list) and c[n]]
    if lists:
        chosen = rng.choice(lists)
        chosen.extend(json.loads(json.dumps(chosen)) * rng.choice((1, 2, 100, 400)))
        del chosen[1_000:]


def _empty(rng: Random, document: Json) -> None:
    containers = [c[n] for c, n in places(document) if isinstance(c[n], dict | list)]
    rng.choice(containers or [document]).clear()


def _nest(rng: Random, document: Json) -> None:
    container, name = _some(rng, document)
    for _ in range(rng.choice((1, 2, 50))):
        container[name] = [container[name]] if rng.random() < 0.5 else {"a": container[name]}


STRUCTURE = (_drop, _add, _swap, _retype, _boundary, _boundary, _lengthen, _empty, _nest)


def _double(rng: Random, value: bytes) -> bytes:
    """A field named twice."""
    at = rng.choice([place for place in range(len(value)) if value[place : place + 1] == b"{"] or [0])
    return value[: at + 1] + rng.choice((b'"id":"a",', b'"level":"5",', b'"x":1,"x":1,')) + value[at + 1 :]


def _flip(rng: Random, value: bytes) -> bytes:
    changed = bytearray(value or b"\x00")
    for _ in range(rng.choice((1, 1, 8))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _truncate(rng: Random, value: bytes) -> bytes:
    return value[: rng.randrange(len(value) + 1)]


def _insert(rng: Random, value: bytes) -> bytes:
    at = rng.randrange(len(value) + 1)
    return (
        value[:at]
        + rng.choice((rng.randbytes(3), b"\x00", b"\xff", b"\\u0000", b"[" * 2_000, b"NaN"))
        + value[at:]
    )


def _splice(rng: Random, value: bytes) -> bytes:
    one, other = rng.randrange(len(value) + 1), rng.randrange(len(value) + 1)
    return value[:one] + value[other:]


BYTES = (_flip, _truncate, _insert, _splice, _double)


def _header_rows(rng: Random, headers: Sequence[Header]) -> list[Header] | None:
    jws = headers[0][1] or b""
    junk = rng.choice(
        (b"", b"..", b"a..b", b"\xff\xfe", jws[:-2], jws + b"A", jws * 4, jws.decode().encode("utf-16"))
    )
    return rng.choice(
        (
            None,
            [],
            [("jws", None)],
            [("JWS", jws)],
            [("jws", _flip(rng, jws))],
            [("jws", junk)],
            [("jws", junk), ("jws", jws)],
            [("jws", jws), ("jws", junk)],
            [("jws", jws), ("traceparent", rng.randbytes(55))],
            [("jws", jws), ("traceparent", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01")],
            [("jws", jws), ("x", b"y" * 20_000), ("", b""), ("名", b"\xff"), ("null", None)],
            [*(("x", b"y") for _ in range(300)), ("jws", jws)],
        )
    )


@dataclass(frozen=True, slots=True)
class Fuzz:
    """Records without end, by seed.

    Attributes:
        wrong: signs for what it isn't registered for.
    """

    town: Town
    seed: int

    def planned(self) -> list[Outgoing]:
        """Applications for the dozen classes that the rest is about."""
        maker = Maker(self.town, Random(self.seed))  # noqa: S311 - no secret
        school = self.town.parties["school"]
        values = [
            json.dumps(maker.planned(number) | {"id": f"plan-{number}"}).encode() for number in range(CLASSES)
        ]
        return [Outgoing(value=value, headers=school.signed(value)) for value in values]

    def records(self) -> Iterator[Outgoing]:
        """One after the other; about one in thirty is sent once more."""
        rng = Random(self.seed)  # noqa: S311 - no secret
        maker, entries = Maker(self.town, rng), sorted(SUBMISSIONS.values(), key=lambda entry: entry.name)
        while True:
            record = self._record(rng, maker, rng.choice(entries))
            yield record
            if rng.random() < 0.03:
                yield record

    def _record(self, rng: Random, maker: Maker, entry: SubmissionType) -> Outgoing:
        sender, document = maker.document(entry)
        choice = rng.random()
        if choice < 0.50:
            own = document["id"]
            for _ in range(rng.choice((1, 1, 2, 4))):
                rng.choice(STRUCTURE)(rng, document)
            if isinstance(document.get("id"), str) and document["id"] != own and len(document["id"]) < 40:
                document["id"] += own  # else many would share one id
        value = json.dumps(document, ensure_ascii=rng.random() < 0.2).encode("utf-8", "surrogatepass")
        if 0.50 <= choice < 0.62:
            value = rng.choice(BYTES)(rng, value)
        record = Outgoing(
            value=value, headers=self._signed(rng, sender, value), service=entry.service,
            key=rng.choice((b"case", b"", None, rng.randbytes(20))), partition=rng.randrange(6),
        )  # fmt: skip
        if 0.62 <= choice < 0.70:
            return replace(record, value=rng.choice((*(b for b in BYTES), lambda *_: None))(rng, value))
        if 0.70 <= choice < 0.78:
            return replace(record, headers=_header_rows(rng, record.headers or ()))
        if choice >= 0.98:
            return replace(record, service=rng.choice(("enrolment", "certification", "payment")))
        return record

    def _signed(self, rng: Random, sender: Party, value: bytes) -> list[Header]:
        chance = rng.random()
        if chance < 0.94:
            return sender.signed(value)
        private = self.town.parties["other"].key.private
        if chance < 0.96:
            return [("jws", signature(private, value, kid="other-1"))]
        if chance < 0.98:
            return [("jws", signature(private, value, kid=sender.key.key_id))]
        return [
            (
                "jws",
                signature(
                    sender.key.private, value, kid=sender.key.key_id, alg=rng.choice(("none", "HS256"))
                ),
            )
        ]
