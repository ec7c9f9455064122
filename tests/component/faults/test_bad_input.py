"""Bad input: one row each with its exact answer, from a whole stack on real Kafka and PostgreSQL.

A row's records go to a running service; what stands in its event table afterwards is the answer.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.contracts.submission import MAX_SUBMISSION_BYTES
from tests.component.faults.sending import Outgoing, Party, Town, signature
from zeren.institution.keys import SigningKey

pytestmark = pytest.mark.timeout(300)

FUTURE = datetime.now(UTC) + timedelta(hours=25)


def plan(sender: Party, *, document: dict[str, Any] | None = None, **changes: Any) -> bytes:
    """A class application that is right in everything, under names never used before; `changes` go into its data."""
    # Letters only: eleven digits in a row are taken for a telephone number, which no id may hold.
    name = secrets.token_hex(8).translate(str.maketrans("0123456789", "ghijklmnop"))
    session = {
        "session_ref": f"s-{name}", "held_on": "2026-06-01", "starts_at": "09:00", "ends_at": "11:00",
        "teacher_ref": "t-1",
    }  # fmt: skip
    data = {
        "class_ref": f"c-{name}", "region": "350100", "occupation_id": "elder-carer", "level": "5",
        "training_kind": "EMPLOYMENT_SKILL", "programme_tags": [], "max_trainees": 30, "sessions": [session],
    }  # fmt: skip
    whole = {
        "specversion": "1.0", "id": f"plan-{name}", "source": f"urn:uscc:{sender.uscc}",
        "type": "zeren.submission.ApplyClass.v1", "time": "2024-05-14T09:00:00+08:00",
        "nonce": secrets.token_urlsafe(16), "datacontenttype": "application/json", "data": data | changes,
    }  # fmt: skip
    return json.dumps(whole | (document or {}), ensure_ascii=False).encode()


def proper(sender: Party, value: bytes | None = None, **more: Any) -> Outgoing:
    """A record signed by its sender."""
    value = plan(sender) if value is None else value
    return Outgoing(value=value, headers=sender.signed(value), **more)


@dataclass(frozen=True, slots=True)
class Row:
    """What is sent, and what is answered to all of it together."""

    name: str
    send: Callable[[Party], Sequence[Outgoing]]
    answers: Sequence[str]


def one(name: str, send: Callable[[Party], Outgoing], answer: str) -> Row:
    """A row of one record."""
    return Row(name, lambda school: [send(school)], [answer])


def edited(school: Party, old: bytes, new: bytes, *, first: bool = False) -> Outgoing:
    """A plan with some of its bytes exchanged before it is signed; they stand in it once, unless the first is meant."""
    value = plan(school)
    assert first or value.count(old) == 1
    return proper(school, value.replace(old, new, 1))


def unsigned(school: Party, jws: bytes | None, *more: tuple[str, bytes | None]) -> Outgoing:
    """A right document under this `jws` header."""
    return Outgoing(value=plan(school), headers=[("jws", jws), *more])


def with_header(school: Party, *headers: tuple[str, bytes | None]) -> Outgoing:
    """A right record with further headers before its own."""
    record = proper(school)
    return replace(record, headers=[*headers, *(record.headers or ())])


def hs256(school: Party) -> Outgoing:
    """The public key taken for a shared secret (RFC 8725 §2.1)."""
    value = plan(school)
    public = school.key.private.public_key().public_bytes_raw()
    tag = hmac.new(public, value, hashlib.sha256).digest()
    jws = signature(school.key.private, value, kid=school.key.key_id, alg="HS256", tag=tag)
    return Outgoing(value=value, headers=[("jws", jws)])


def by_header(school: Party, *, alg: str, tag: bytes | None = None) -> Outgoing:
    """Signed rightly under another algorithm's name."""
    value = plan(school)
    jws = signature(school.key.private, value, kid=school.key.key_id, alg=alg, tag=tag)
    return Outgoing(value=value, headers=[("jws", jws)])


def flipped(school: Party) -> Outgoing:
    """Another character stands in the signature."""
    value = plan(school)
    jws = bytearray(school.key.signer()(value))
    jws[-10] = ord("A") if jws[-10] != ord("A") else ord("B")
    return Outgoing(value=value, headers=[("jws", bytes(jws))])


def padded(school: Party, size: int) -> bytes:
    """A plan of exactly so many bytes: blanks are JSON too."""
    value = plan(school)
    return value[:-1] + b" " * (size - len(value)) + b"}"


TABLE = [
    one("proper", proper, "accepted"),
    # Headers
    one("null header", lambda s: unsigned(s, None), "quarantined signature.missing"),
    one("null header beside the signature", lambda s: with_header(s, ("x", None)), "accepted"),
    one("non-UTF-8 header", lambda s: unsigned(s, b"\xff\xfe.."), "quarantined signature.malformed"),
    one("non-UTF-8 header beside the signature", lambda s: with_header(s, ("x", b"\xff\xfe")), "accepted"),
    one("broken traceparent", lambda s: with_header(s, ("traceparent", b"\xff" * 90)), "accepted"),
    one("no headers", lambda s: Outgoing(value=plan(s), headers=None), "quarantined signature.missing"),
    one("two signatures, the wrong one first", lambda s: with_header(s, ("jws", b"a..b")),
        "quarantined signature.malformed"),
    # Bodies
    one("empty body", lambda _: Outgoing(value=b"", headers=[("jws", b"empty body")]),
        "quarantined submission.empty"),
    one("null body", lambda _: Outgoing(value=None, headers=[("jws", b"null body")]),
        "quarantined submission.empty"),
    one("1 MB body", lambda s: proper(s, padded(s, 1_000_000)), "quarantined submission.too_large"),
    one("body at the limit", lambda s: proper(s, padded(s, MAX_SUBMISSION_BYTES)), "accepted"),
    one("body over the limit", lambda s: proper(s, padded(s, MAX_SUBMISSION_BYTES + 1)),
        "quarantined submission.too_large"),
    one("body over the broker's limit", lambda s: proper(s, padded(s, 1_200_000)),
        "refused MSG_SIZE_TOO_LARGE"),
    one("deep JSON", lambda s: edited(s, b"{", b'{"x": ' + b"[" * 90_000 + b"]" * 90_000 + b", ", first=True),
        "quarantined submission.unreadable"),
    one("deep JSON in a field", lambda s: proper(s, plan(s, class_ref=json.loads("[" * 400 + "]" * 400))),
        "rejected submission.invalid_field @data.class_ref"),
    one("duplicate JSON keys", lambda s: edited(s, b'"level": "5"', b'"level": "4", "level": "5"'),
        "rejected submission.field_doubled"),
    one("duplicate JSON keys of the envelope", lambda s: edited(s, b'"specversion"', b'"id": "other", "specversion"'),
        "rejected submission.field_doubled"),
    one("duplicate JSON keys, one escaped",
        lambda s: edited(s, b'"level": "5"', b'"level": "5", "le\\u0076el": "5"'),
        "rejected submission.field_doubled"),
    one("duplicate JSON keys, a colon escaped elsewhere",
        lambda s: edited(s, b'"level": "5"', b'"level": "5", "level": "\\u003a"'),
        "rejected submission.invalid_field @data.level"),
    one("NaN", lambda s: edited(s, b'"max_trainees": 30', b'"max_trainees": NaN'),
        "quarantined submission.unreadable"),
    one("Infinity", lambda s: edited(s, b'"max_trainees": 30', b'"max_trainees": -Infinity'),
        "quarantined submission.unreadable"),
    one("huge number", lambda s: edited(s, b'"max_trainees": 30', b'"max_trainees": 1' + b"0" * 5_000),
        "rejected submission.invalid_field @data.max_trainees"),
    one("huge exponent", lambda s: edited(s, b'"max_trainees": 30', b'"max_trainees": 1e99999'),
        "rejected submission.invalid_field @data.max_trainees"),
    one("invalid UTF-8", lambda s: edited(s, b"t-1", b"\xc3\x28"), "rejected submission.unreadable"),
    one("UTF-16", lambda s: proper(s, plan(s).decode().encode("utf-16")), "quarantined submission.unreadable"),
    one("a lone surrogate", lambda s: edited(s, b"t-1", b"\\ud800"), "quarantined submission.unreadable"),
    one("a line feed behind an enumerated value", lambda s: proper(s, plan(s, level="5\n")),
        "rejected submission.invalid_field @data.level"),
    # Documents
    one("wrong content type", lambda s: proper(s, plan(s, document={"datacontenttype": "text/xml"})),
        "rejected submission.wrong_content_type @datacontenttype"),
    one("wrong content type in a header that nobody signed", lambda s: with_header(s, ("content-type", b"text/xml")),
        "accepted"),
    one("unknown type", lambda s: proper(s, plan(s, document={"type": "zeren.submission.OpenClass.v1"})),
        "rejected submission.unknown_type @type"),
    one("unknown version", lambda s: proper(s, plan(s, document={"type": "zeren.submission.ApplyClass.v2"})),
        "rejected submission.unknown_type @type"),
    one("another service's type", lambda s: proper(s, plan(s, document={"type": "zeren.submission.ApplySubsidy.v1"})),
        "rejected submission.wrong_topic @type"),
    one("wrong region", lambda s: proper(s, plan(s, region="110000")),
        "rejected class.unknown_region @data.region"),
    one("nonce short", lambda s: proper(s, plan(s, document={"nonce": "n" * 21})),
        "rejected submission.nonce_too_short @nonce"),
    # A nonce salts the digest that stands in the ledger; what is sent again is told by its id, not by its nonce.
    Row("nonce reused", lambda s: [proper(s, plan(s, document={"nonce": "once-more-the-same-22c"})) for _ in "12"],
        ["accepted", "accepted"]),
    one("clock in the future", lambda s: proper(s, plan(s, document={"time": FUTURE.isoformat()})),
        "rejected submission.time_in_future @time"),
    one("clock of another zone", lambda s: proper(s, plan(s, document={
        "time": (FUTURE - timedelta(hours=2)).isoformat()})), "accepted"),
    one("clock without a zone", lambda s: proper(s, plan(s, document={"time": "2024-05-14T09:00:00"})),
        "rejected submission.time_without_zone @time"),
    # Signatures
    one("bad signature", flipped, "quarantined signature.invalid"),
    one("signature over other bytes", lambda s: unsigned(s, s.key.signer()(plan(s))),
        "quarantined signature.invalid"),
    one("algorithm none", lambda s: by_header(s, alg="none", tag=b""),
        "quarantined signature.algorithm_not_allowed"),
    one("HS256 with the public key", hs256, "quarantined signature.algorithm_not_allowed"),
    one("a right signature under another algorithm's name", lambda s: by_header(s, alg="EdDSA"),
        "quarantined signature.algorithm_not_allowed"),
    # Delivery
    Row("replayed submission", lambda s: [proper(s)] * 3, ["accepted"]),
    one("wrong partition key", lambda s: proper(s, key=b"another case"), "accepted"),
    one("no partition key", lambda s: proper(s, key=None), "accepted"),
    one("wrong partition", lambda s: proper(s, partition=5), "accepted"),
]  # fmt: skip


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_each_kind_of_bad_input_has_its_answer(town: Town, row: Row) -> None:
    """The receipt's or quarantine fact's codes, one answer a record and no second one."""
    assert town.told(*row.send(town.parties["school"])) == list(row.answers)


def registered(
    town: Town, name: str, *, key: SigningKey | None = None, party: str = "school", **validity: str
) -> SigningKey:
    """A further key of the school (or another), adopted by enrolment."""
    key = key or SigningKey.generate(f"school-{name}")
    body = {
        "key_id": key.key_id,
        "public_key": key.public,
        "valid_from": "2024-01-01T00:00:00+08:00",
        **validity,
    }
    path = f"/institutions/{town.parties[party].uscc}/keys"
    town.local.post("enrolment", path, body, bearer=town.local.as_duty("REGISTRAR"))
    return key


def test_an_expired_key(town: Town) -> None:
    """Its validity ended before the broker took the record."""
    key = registered(town, "expired", valid_until="2024-12-31T00:00:00+08:00")
    school = replace(town.parties["school"], key=key)
    assert town.told(proper(school)) == ["quarantined signature.key_not_valid_then"]


def test_a_key_that_is_not_valid_yet(town: Town) -> None:
    """Its validity begins after the broker took the record."""
    key = registered(town, "early", valid_from="2099-01-01T00:00:00+08:00")
    school = replace(town.parties["school"], key=key)
    assert town.told(proper(school)) == ["quarantined signature.key_not_valid_then"]


def test_a_revoked_key(town: Town) -> None:
    """What came before the revocation stands; what comes after it is quarantined."""
    key = registered(town, "revoked")
    school = replace(town.parties["school"], key=key)
    before = town.told(proper(school))
    path = f"/institutions/{school.uscc}/keys/{key.key_id}/revocation"
    town.local.post("enrolment", path, {"reason": "COMPROMISED"}, bearer=town.local.as_duty("REGISTRAR"))
    assert (before, town.told(proper(school))) == (["accepted"], ["quarantined signature.key_not_valid_then"])


def test_the_key_of_another_institution(town: Town) -> None:
    """A right signature by a registered key, under a document in another's name."""
    forger = replace(town.parties["school"], key=town.parties["other"].key)
    assert town.told(proper(forger)) == ["quarantined signature.key_of_other_institution"]


def test_a_kind_of_organisation_that_may_not_send_this(town: Town) -> None:
    """An assessment body applies for a class."""
    assert town.told(proper(town.parties["body"])) == ["rejected submission.sender_not_entitled @type"]


def test_an_unknown_key(town: Town) -> None:
    """It waits; once the key is registered the submission is decided. Its deadline: test_fuzz.py."""
    early = SigningKey("school-early-bird", Ed25519PrivateKey.generate())
    record = proper(replace(town.parties["school"], key=early))
    before = town.head("enrolment")
    assert town.told(record) == []
    parked = town.local.get("enrolment", "/parked", bearer=town.local.as_duty("OPERATOR"))["parked"]
    assert [row["awaited"] for row in parked if row["awaited"].startswith("key:")] == [f"key:{early.key_id}"]
    registered(town, "early-bird", key=early)
    assert town.awaited_answer(record, before) == "accepted"


def test_an_unknown_key_under_another_s_name(town: Town) -> None:
    """Waiting gives nobody another's name: when the key comes it turns out to be another institution's."""
    late = SigningKey("other-late", Ed25519PrivateKey.generate())
    record = proper(replace(town.parties["school"], key=late))
    before = town.head("enrolment")
    assert town.told(record) == []
    registered(town, "late", key=late, party="other")
    assert town.awaited_answer(record, before) == "quarantined signature.key_of_other_institution"


def test_after_all_of_it_every_partition_flows_on(town: Town) -> None:
    """Nothing stands still, and a proper submission on each partition is accepted."""
    school = town.parties["school"]
    assert town.told(*(proper(school, partition=number) for number in range(6))) == ["accepted"] * 6
    assert town.stopped() == {}
