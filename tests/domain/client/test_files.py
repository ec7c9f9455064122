"""Records, documents, receipts and profiles: what an institution reads and writes."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from shared.contracts.fact import Circumstances, encode
from shared.contracts.intake import (
    Origin,
    Reason,
    SubmissionAccepted,
    SubmissionQuarantined,
    SubmissionRejected,
)
from shared.contracts.submission import SUBMISSIONS
from shared.identity import class_id, derive_id, receipt_id
from zeren.institution.keys import SigningKey
from zeren.institution.profile import Profile, ProfileUnusable, read_profile, read_profiles, write_profile
from zeren.institution.receipts import distinct, read_receipt
from zeren.institution.records import (
    RecordsUnreadable,
    judge_document,
    judge_line,
    read_lines,
    read_records,
    sign_document,
)

USCC = "91350100M000100Y43"
Document = Callable[..., bytes]
ORIGIN = Origin(
    digest="0" * 64, jws="j", topic="t", partition=0, offset=1, logged_at=datetime(2024, 5, 14, tzinfo=UTC)
)


def record_line(value: bytes, jws: bytes | None = None, **changed: Any) -> bytes:
    headers = {"content-type": "application/cloudevents+json"} | ({"jws": jws.decode()} if jws else {})
    row = {
        "service": "enrolment",
        "key": "K",
        "headers": headers,
        "value_base64": base64.b64encode(value).decode(),
    }
    return json.dumps({**row, **changed}).encode()


def test_a_document_is_sent_byte_for_byte_to_the_service_of_its_type(
    document: Document, key: SigningKey
) -> None:
    """Odd spaces stay; service, record key and party follow from type and content."""
    value = document("CompleteClass", {"class_ref": "K-1"}).replace(b'"data":', b'"data"  : ')
    record = sign_document(judge_document(1, value), value, key.signer())
    assert record.value == value
    assert record.topic == "zeren.enrolment.intake.v1"
    assert record.key == class_id(USCC, "K-1").encode()
    assert record.party == USCC
    assert record.jws == key.signer()(value)


def test_a_file_is_read_by_lines_without_touching_their_bytes(tmp_path: Path) -> None:
    """Blank lines count but are passed over; a carriage return belongs to the line's bytes."""
    path = tmp_path / "f.jsonl"
    path.write_bytes(b'{"a":1}\r\n\n  \n{"b":2}')
    assert list(read_lines(path)) == [(1, b'{"a":1}\r'), (4, b'{"b":2}')]


def test_a_wrong_document_is_named_with_the_services_codes(document: Document) -> None:
    """Every reason at once, each with its field, and its text in Chinese and English."""
    value = document("CompleteClass", {"class_ref": "13800138000"}, nonce="short", specversion="2.0")
    judged = judge_line(7, value)
    assert [reason.code for reason in judged.reasons] == [
        "submission.invalid_field",
        "submission.nonce_too_short",
        "reference.looks_personal",
    ]
    told = judged.told()
    assert (told["line"], told["valid"]) == (7, False)
    assert all(" / " in reason["text"] for reason in told["reasons"])


def test_every_field_at_fault_is_named_to_its_sender(document: Document) -> None:
    """A superfluous one too, whose name no receipt repeats."""
    told = judge_line(1, document("CompleteClass", {"class_ref": 7, "classRef": "K-1"}, more=1)).told()
    assert [reason["field"] for reason in told["reasons"]] == ["data.class_ref", "data", ""]
    assert [line.split("`")[-2] for line in told["said"].split("\n")] == [
        "$.data.class_ref",
        "$.data",
        "more",
    ]
    assert "unknown field `classRef`" in told["said"]


def test_validating_never_echoes_a_value(document: Document) -> None:
    """A wrong ID number stands in no answer."""
    number = "350102199001011234"
    trainee = {"name": "林知远", "national_id": number, "phone": ""}
    data = {"enrolment_ref": "E-1", "class_ref": "K-1", "trainee": trainee, "groups": []}
    told = judge_line(1, document("EnrolTrainee", data)).told()
    assert told["reasons"][0]["code"] == "trainee.id_number_invalid"
    assert number not in json.dumps(told)
    assert "林知远" not in json.dumps(told, ensure_ascii=False)


def test_a_record_is_judged_with_its_signature_and_its_topic(document: Document, key: SigningKey) -> None:
    """In the records form the missing signature and the wrong service are found too."""
    value = document("CompleteClass", {"class_ref": "K-1"})
    assert judge_line(1, record_line(value, key.signer()(value))).reasons == ()
    assert [one.code for one in judge_line(1, record_line(value)).reasons] == ["signature.missing"]
    wrong = judge_line(1, record_line(value, key.signer()(value), service="payment"))
    assert [one.code for one in wrong.reasons] == ["submission.wrong_topic"]


def test_a_records_file_keeps_what_stands_in_it(tmp_path: Path) -> None:
    """Broken values too: order, day, phase, null key and headers come through."""
    path = tmp_path / "r.jsonl"
    first = record_line(b"\xff", day="2024-05-14", phase=2, party=USCC, key=None)
    path.write_bytes(first + b"\n" + record_line(b""))
    records = read_records(path)
    assert (records[0].value, records[0].key, records[0].jws) == (b"\xff", None, None)
    assert (records[0].day, records[0].phase, records[0].party) == ("2024-05-14", 2, USCC)
    assert (records[1].value, records[1].key) == (b"", b"K")


@pytest.mark.parametrize(
    "line", [b"{}", b"no json", record_line(b"", service="audit"), b'{"value_base64":"*"}']
)
def test_a_line_that_is_no_record_is_named(tmp_path: Path, line: bytes) -> None:
    """The message says which line of which file."""
    path = tmp_path / "r.jsonl"
    path.write_bytes(record_line(b"") + b"\n" + line)
    with pytest.raises(RecordsUnreadable, match=r"r\.jsonl:2"):
        read_records(path)


def test_every_type_of_submission_names_a_service_that_takes_it() -> None:
    """`zeren submit` can route whatever the registry holds."""
    assert {entry.service for entry in SUBMISSIONS.values()} == {"enrolment", "certification", "payment"}


def fact_of(data: Any, stream: str) -> bytes:
    given = Circumstances(
        occurredat=datetime(2024, 5, 14, tzinfo=UTC),
        businessdate=date(2024, 5, 14),
        actor=f"institution:{USCC}",
        duty="SYSTEM",
        region="350100",
        correlationid=stream,
        causationid=stream,
        traceparent="",
    )
    return encode("enrolment", data, stream=stream, version=1, given=given, now=datetime.now(UTC)).state


def test_a_receipt_says_what_became_of_a_submission() -> None:
    """Accepted with its refused lines, rejected with its reasons and what it waited for."""
    stream = receipt_id("enrolment", USCC, "S-1")
    common = {"submission_id": "S-1", "submission_type": "t", "institution": USCC, "origin": ORIGIN}
    refused = Reason(code="sheet.minutes_over_session", field="data.lines.minutes", line=3)
    accepted = read_receipt(
        fact_of(
            SubmissionAccepted(**common, lines=3, refused_lines=[refused], fact_count=2, facts=["a", "b"]),
            stream,
        )
    )
    assert accepted is not None
    assert (accepted.outcome, accepted.reasons, accepted.facts) == ("accepted", (refused,), ("a", "b"))
    assert (accepted.service, accepted.business_date) == ("enrolment", "2024-05-14")
    late = Reason(code="parking.deadline_passed")
    rejected = read_receipt(
        fact_of(SubmissionRejected(**common, reasons=[late], awaited="enrolment:x"), stream)
    )
    assert rejected is not None
    assert (rejected.outcome, rejected.awaited) == ("rejected", "enrolment:x")
    assert rejected.told()["reasons"][0]["text"].startswith("等待期满")


def test_what_is_no_receipt_is_passed_over() -> None:
    """Another fact, a type of a later release and rubbish give none."""
    quarantined = SubmissionQuarantined(origin=ORIGIN, reasons=[], claimed_key="", size=0)
    assert read_receipt(fact_of(quarantined, derive_id("x"))) is None
    assert read_receipt(b'{"type":"zeren.enrolment.Later.v9"}') is None
    assert read_receipt(b"") is None


def test_a_resent_receipt_counts_once() -> None:
    """The stored bytes come again, so the same fact id says that it is the same receipt."""
    data = SubmissionRejected(
        submission_id="S-1",
        submission_type="t",
        institution=USCC,
        origin=ORIGIN,
        reasons=[Reason(code="c.d")],
    )
    state = fact_of(data, receipt_id("enrolment", USCC, "S-1"))
    receipts = [one for one in map(read_receipt, [state, state]) if one]
    assert len(receipts) == 2
    assert len(distinct(receipts)) == 1


PROFILE = Profile(
    uscc=USCC,
    name='福州"某某"\\培训学校\n',
    kind="TRAINING",
    bootstrap="127.0.0.1:1",
    user=f"inst-{USCC}",
    password="secret-password",
    security_protocol="SASL_PLAINTEXT",
    receipts_topic=f"zeren.receipts.{USCC}.v1",
    key_id="K-1",
    key_file="/k.jwk",
)


def test_a_profile_is_private_and_reads_back(tmp_path: Path) -> None:
    """Mode 0600, the same values whatever characters a name has, and no password in its repr."""
    path = write_profile(tmp_path, PROFILE)
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_profile(path) == PROFILE
    assert read_profiles(tmp_path) == {USCC: PROFILE}
    assert "secret-password" not in repr(PROFILE)


def test_a_profile_that_others_may_read_is_not_used(tmp_path: Path) -> None:
    """It holds a password."""
    path = write_profile(tmp_path, PROFILE)
    path.chmod(0o644)
    with pytest.raises(ProfileUnusable, match="chmod 600"):
        read_profile(path)


def test_a_missing_profile_says_what_to_do(tmp_path: Path) -> None:
    """Register first."""
    with pytest.raises(ProfileUnusable, match="zeren institution register"):
        read_profile(tmp_path / "none.toml")
