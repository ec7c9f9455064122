"""An institution's signing keys and signatures, judged by the services' own verification."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.eventstore.changes import KnowKey
from shared.intake.signature import BadSignature, parse_jws, verify
from zeren.institution.keys import KeyUnusable, SigningKey, base64url, read_key, signature_form, write_key

USCC = "91350100M000100Y43"
VALUE = '{"id":"S-1","name":"林知远"}'.encode()
NOW = datetime(2024, 5, 14, tzinfo=UTC)


def known(key: SigningKey) -> KnowKey:
    return KnowKey(
        key_id=key.key_id,
        uscc=USCC,
        kind="TRAINING",
        region="350100",
        public_key=base64.urlsafe_b64decode(key.public + "="),
        valid_from=datetime(2024, 1, 1, tzinfo=UTC),
        valid_until=None,
    )


def test_a_service_accepts_what_an_institution_signs(key: SigningKey) -> None:
    """The detached signature over the exact bytes passes the service's check under the registered key."""
    detached = parse_jws(key.signer()(VALUE))
    verify(detached, VALUE, known(key), sender=USCC, logged_at=NOW)
    assert detached.key_id == key.key_id


def test_a_signature_holds_for_the_exact_bytes_alone(key: SigningKey) -> None:
    """One more space, and the service finds the signature invalid."""
    detached = parse_jws(key.signer()(VALUE))
    with pytest.raises(BadSignature, match=r"signature\.invalid"):
        verify(detached, VALUE + b" ", known(key), sender=USCC, logged_at=NOW)


def _jws(header: object, signature: bytes = bytes(64)) -> bytes:
    return f"{base64url(json.dumps(header).encode())}..{base64url(signature)}".encode()


GOOD = {"alg": "Ed25519", "b64": False, "crit": ["b64"], "kid": "K-1"}
FORMS = {
    "good": _jws(GOOD),
    "none": None,
    "empty": b"",
    "attached": _jws(GOOD).replace(b"..", b".e30."),
    "two parts": b"e30.e30",
    "padded": _jws(GOOD) + b"==",
    "not base64": b"*..*",
    "header no JSON": b"e30x..AA",
    "header a list": _jws([]),
    "no kid": _jws({name: value for name, value in GOOD.items() if name != "kid"}),
    "kid a path": _jws({**GOOD, "kid": "../k"}),
    "EdDSA": _jws({**GOOD, "alg": "EdDSA"}),
    "none algorithm": _jws({**GOOD, "alg": "none"}),
    "encoded payload": _jws({**GOOD, "b64": True}),
    "no crit": _jws({name: value for name, value in GOOD.items() if name != "crit"}),
    "jwk in header": _jws({**GOOD, "jwk": {}}),
    "short signature": _jws(GOOD, bytes(63)),
    "too long": _jws({**GOOD, "kid": "K" * 64}, bytes(1_000)),
}


@pytest.mark.parametrize("name", FORMS)
def test_the_form_of_a_signature_is_judged_as_the_services_judge_it(name: str) -> None:
    """`zeren validate` gives the very code with which a service would quarantine."""
    try:
        parse_jws(FORMS[name])
        code = ""
    except BadSignature as error:
        code = error.code
    assert signature_form(FORMS[name]) == code


def test_a_key_file_is_private_and_never_overwritten(tmp_path: Path, key: SigningKey) -> None:
    """It is made with mode 0600, reads back as the same key, and a second key does not replace it."""
    path = tmp_path / "k.jwk"
    write_key(path, key)
    assert path.stat().st_mode & 0o777 == 0o600
    assert (read_key(path).key_id, read_key(path).public) == (key.key_id, key.public)
    with pytest.raises(FileExistsError):
        write_key(path, SigningKey.generate("other"))
    assert read_key(path).public == key.public


def test_a_key_that_others_may_read_is_not_used(tmp_path: Path, key: SigningKey) -> None:
    """A signing key open to others may have been copied: the client stops."""
    path = tmp_path / "k.jwk"
    write_key(path, key)
    path.chmod(0o640)
    with pytest.raises(KeyUnusable, match="chmod 600"):
        read_key(path)


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", '{"kty":"OKP","crv":"X25519","kid":"K","d":"AA"}', "\x00"]
)
def test_what_is_no_signing_key_is_refused_with_its_path(tmp_path: Path, content: str) -> None:
    """Rubbish, a list, another curve: each is refused in words that name the file."""
    path = tmp_path / "k.jwk"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(KeyUnusable, match=r"k\.jwk"):
        read_key(path)


def test_the_secret_shows_nowhere(key: SigningKey) -> None:
    """Neither repr nor str of a key holds its private half."""
    secret = base64url(key.private.private_bytes_raw())
    assert secret not in repr(key)
    assert "Ed25519PrivateKey" not in repr(key)
