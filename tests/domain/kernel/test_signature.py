"""Detached signatures: who may speak for whom, judged by the broker's clock."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.eventstore.changes import KnowKey
from shared.intake.signature import BadSignature, parse_jws, verify

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
NOON = datetime(2024, 5, 14, 4, tzinfo=UTC)
USCC, OTHER = "91350100MA00000010", "91350200MA00000029"
VALUE = b'{"id":"1"}'
HEADER = {"alg": "Ed25519", "b64": False, "crit": ["b64"], "kid": "key-1"}


def unpadded(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def jws(value: bytes = VALUE, signer: Ed25519PrivateKey = PRIVATE, **header) -> bytes:
    protected = unpadded(json.dumps(HEADER | header).encode())
    return protected + b".." + unpadded(signer.sign(protected + b"." + value))


def key(**changes) -> KnowKey:
    raw = PRIVATE.public_key().public_bytes_raw()
    return KnowKey("key-1", USCC, "TRAINING", "350100", raw, NOON - timedelta(days=1), None)._replace(
        **changes
    )


def check(
    header: bytes | None, known: KnowKey | None = None, *, value: bytes = VALUE, at: datetime = NOON
) -> None:
    verify(parse_jws(header), value, known or key(), sender=USCC, logged_at=at)


def refused(code: str, header: bytes | None, **more) -> None:
    with pytest.raises(BadSignature) as bad:
        check(header, **more)
    assert bad.value.code == code


def test_the_exact_bytes_signed_with_the_senders_key_are_attributed():
    """RFC 7797: the payload is not encoded, the signature covers header and body."""
    check(jws())


def test_one_changed_byte_is_not_what_was_signed():
    """A flipped byte, and a signature taken over other bytes."""
    refused("signature.invalid", jws(), value=VALUE + b" ")
    refused("signature.invalid", jws(b"other"))


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "signature.missing"),
        (b"", "signature.missing"),
        (b"a.b", "signature.malformed"),
        (b"a.b.c.d", "signature.malformed"),
        (b"e30..AA", "signature.malformed"),
        (jws() + b"=", "signature.malformed"),
        (jws().replace(b"..", b".AA."), "signature.malformed"),
        (b"x" * 2_000, "signature.malformed"),
        (jws(b64=True), "signature.malformed"),
        (jws(crit=[]), "signature.malformed"),
        (jws(kid="a/b"), "signature.malformed"),
        (jws(extra=1), "signature.malformed"),
        (jws(alg="none"), "signature.algorithm_not_allowed"),
        (jws(alg="HS256"), "signature.algorithm_not_allowed"),
        (jws(alg="EdDSA"), "signature.algorithm_not_allowed"),
    ],
)
def test_a_header_that_is_not_a_detached_ed25519_signature_is_told_why(header, code):
    """Each malformed form has its code; no algorithm but one is taken."""
    refused(code, header)


def test_a_key_speaks_for_its_own_organisation_only():
    """Known, but another's: the sender in the document is not the key's owner."""
    refused("signature.key_of_other_institution", jws(), known=key(uscc=OTHER))


def test_an_unknown_key_is_told_as_such():
    """Nothing is verified with a key that is not registered."""
    with pytest.raises(BadSignature) as bad:
        verify(parse_jws(jws()), VALUE, None, sender=USCC, logged_at=NOON)
    assert (bad.value.code, bad.value.key_id) == ("signature.key_unknown", "key-1")


def test_validity_is_judged_by_the_brokers_clock_and_its_end_is_excluded():
    """[valid_from, valid_until), against the LogAppendTime."""
    window = key(valid_from=NOON, valid_until=NOON + timedelta(hours=1))
    check(jws(), window)
    check(jws(), window, at=NOON + timedelta(minutes=59))
    refused("signature.key_not_valid_then", jws(), known=window, at=NOON - timedelta(seconds=1))
    refused("signature.key_not_valid_then", jws(), known=window, at=NOON + timedelta(hours=1))
