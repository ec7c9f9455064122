"""docs/wire-format.md tells an outsider what holds: its example, its signature, its ids, its bounds."""

from __future__ import annotations

import hashlib
import re
import uuid
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.contracts.checking import CLOCK_AHEAD, Checked, check, preamble
from shared.contracts.submission import MAX_LINES, MAX_SUBMISSION_BYTES, NONCE_CHARACTERS, SUBMISSIONS
from shared.eventstore.changes import KnowKey
from shared.identity import (
    NAMESPACE,
    application_id,
    candidate_id,
    certificate_id,
    claim_id,
    class_id,
    enrolment_id,
)
from shared.intake.signature import MAX_JWS_BYTES, parse_jws, verify
from tests.architecture.tree import ROOT
from tests.contracts.make_golden import SAMPLE_USCC
from zeren.institution.keys import SigningKey

GUIDE = (ROOT / "docs" / "wire-format.md").read_text("utf-8")
DOCUMENT = re.findall(r"^{\"specversion\".+$", GUIDE, re.MULTILINE)[0].encode()


def row(name: str) -> str:
    """The code in a row of the table of the signature."""
    return re.findall(rf"^\| {re.escape(name)}.*? \| `([^`]+)` \|$", GUIDE, re.MULTILINE)[0]


def test_its_example_is_a_valid_submission() -> None:
    """Whoever begins by copying it is not refused for its form."""
    assert isinstance(check(DOCUMENT, preamble(DOCUMENT)), Checked)
    assert row("文档的 SHA-256") == hashlib.sha256(DOCUMENT).hexdigest()


def test_its_signature_is_what_we_make_and_take() -> None:
    """From the seed that it tells: the same public key and, Ed25519 being deterministic, the same JWS."""
    key = SigningKey("school-1", Ed25519PrivateKey.from_private_bytes(bytes.fromhex(row("种子"))))
    assert key.public == row("公钥")
    assert key.signer()(DOCUMENT).decode() == row("`jws`")
    long_ago, now = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 8, 9, tzinfo=UTC)
    public = key.private.public_key().public_bytes_raw()
    known = KnowKey("school-1", SAMPLE_USCC, "TRAINING", "350200", public, long_ago, None)
    verify(parse_jws(row("`jws`").encode()), DOCUMENT, known, sender=SAMPLE_USCC, logged_at=now)


def test_its_ids_are_ours() -> None:
    """Computed as it says, without our code, and by our code."""
    told = dict(re.findall(r"`([^`]+)` → `([0-9a-f-]{36})`", GUIDE))
    namespace = uuid.uuid5(uuid.NAMESPACE_URL, "urn:zeren")
    assert str(namespace) == str(NAMESPACE) in GUIDE
    assert {text: str(uuid.uuid5(namespace, text)) for text in told} == told
    candidate, application = candidate_id(SAMPLE_USCC, "K-1"), application_id(SAMPLE_USCC, "A-1")
    assert list(told.values()) == [
        class_id(SAMPLE_USCC, "2024-elder-07"),
        enrolment_id(SAMPLE_USCC, "E-1001"),
        candidate,
        certificate_id(candidate),
        application,
        claim_id(application, 1),
    ]


@pytest.mark.parametrize(
    ("bound", "words"),
    [
        (MAX_SUBMISSION_BYTES, "{:,} bytes"),
        (MAX_LINES, "at most {} lines"),
        (NONCE_CHARACTERS, "{}–64 base64url characters"),
        (MAX_JWS_BYTES, "at most {:,} bytes"),
        (int(CLOCK_AHEAD.total_seconds()) // 3600, "at most {} hours ahead"),
    ],
)
def test_its_bounds_are_those_of_the_code(bound: int, words: str) -> None:
    """In the English text, where they can be looked for as words."""
    flowing = " ".join(GUIDE.split())
    assert words.format(bound) in flowing


def test_every_submission_is_sent_where_it_says() -> None:
    """The service that decides each type."""
    (told,) = re.findall(r"^\| 主题 / topic \| (.+) \|$", GUIDE, re.MULTILINE)
    for part in told.partition("：")[2].split("；"):
        names, service = part.split(" → ")
        of_service = {
            entry.cls.__name__ for entry in SUBMISSIONS.values() if entry.service == service.strip("`")
        }
        assert set(re.findall(r"`(\w+)`", names)) == of_service
