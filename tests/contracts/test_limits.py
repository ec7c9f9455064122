"""Bounds of what is sent in files and documents: at the bound it is taken, one past it is refused with its code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.contracts.checking import Checked, Unreadable, check, complaints, preamble
from shared.contracts.submission import MAX_LINES, MAX_SUBMISSION_BYTES
from shared.intake.signature import MAX_JWS_BYTES, BadSignature, parse_jws
from shared.policy.loading import MAX_PACKAGE_BYTES, check_folder, read_package
from shared.policy.refusals import PolicyPackageError
from tests.contracts.make_golden import SAMPLE_USCC, SAMPLE_UUID
from zeren.bank.bank_file import MAX_FILE_BYTES, MAX_ORDERS, BankFileMalformed, parse_bank_file
from zeren.institution import records
from zeren.institution.keys import SigningKey, base64url
from zeren.institution.records import MAX_LINE_BYTES, RecordsUnreadable, read_lines

Document = dict[str, Any]


def document(kind: str, data: Document, **envelope: Any) -> Document:
    """A document that is right in everything."""
    return {
        "specversion": "1.0", "id": "d-1", "source": f"urn:uscc:{SAMPLE_USCC}",
        "type": f"zeren.submission.{kind}.v1", "time": "2024-05-14T09:00:00+08:00", "nonce": "n" * 22, "data": data,
    } | envelope  # fmt: skip


def plan(**changes: Any) -> Document:
    """A class application."""
    return document("ApplyClass", {
        "class_ref": "c-1", "region": "350100", "occupation_id": "elder-carer", "level": "5",
        "training_kind": "EMPLOYMENT_SKILL", "programme_tags": [], "max_trainees": 30,
        "sessions": [session(1)],
    } | changes)  # fmt: skip


def session(number: int) -> Document:
    """A planned session."""
    return {
        "session_ref": f"s-{number}", "held_on": "2024-05-15", "starts_at": "09:00", "ends_at": "11:00",
        "teacher_ref": "t-1",
    }  # fmt: skip


def enrolment(**changes: Any) -> Document:
    """An enrolment."""
    trainee = {"name": "李娜", "national_id": "110105199003071095", "phone": ""}
    return document("EnrolTrainee", {
        "enrolment_ref": "e-1", "class_ref": "c-1", "trainee": trainee | changes.pop("trainee", {}), "groups": [],
    } | changes)  # fmt: skip


def lines(kind: str, count: int, line: Callable[[int], Document], **more: Any) -> Document:
    """A list of so many lines."""
    return document(kind, more | {"lines": [line(number) for number in range(1, count + 1)]})


def sheet(count: int) -> Document:
    return lines(
        "RecordAttendanceSheet", count, lambda n: {"enrolment_ref": f"e-{n}", "minutes": 1, "method": "QR"},
        class_ref="c-1", session_ref="s-1", evidence="a" * 64,
    )  # fmt: skip


def results(count: int) -> Document:
    marks = {"theory": 60, "practice": 60}
    return lines(
        "RecordResults", count, lambda n: marks | {"candidate_ref": f"k-{n}"}, assessed_on="2024-05-14"
    )


def approvals(count: int) -> Document:
    return lines(
        "ApproveResults", count, lambda n: {"candidate_ref": f"k-{n}", "certificate_no": f"n-{n}"},
        issued_on="2024-05-14", certificate_kind="SKILL_LEVEL", norm="GZB",
    )  # fmt: skip


def claims(count: int) -> Document:
    return lines(
        "ApplySubsidy", count, lambda n: {"line": n, "certificate_id": f"{SAMPLE_UUID[:-3]}{n:03}"},
        application_ref="a-1",
    )  # fmt: skip


def payments(count: int) -> Document:
    paid = {"amount_fen": 1, "result": "PAID", "code": "", "bank_ref": "b"}
    return lines(
        "ConfirmPayments", count, lambda n: paid | {"claim_id": f"{SAMPLE_UUID[:-3]}{n:03}"},
        batch_id=SAMPLE_UUID, paid_on="2024-05-14",
    )  # fmt: skip


INVALID = "submission.invalid_field"
BOUNDS: list[tuple[str, Callable[[int], Document], int, str]] = [
    ("lines of a sheet", sheet, MAX_LINES, f"{INVALID} data.lines"),
    ("lines of results", results, MAX_LINES, f"{INVALID} data.lines"),
    ("lines of approvals", approvals, MAX_LINES, f"{INVALID} data.lines"),
    ("lines of claims", claims, MAX_LINES, f"{INVALID} data.lines[200].line"),
    ("lines of payments", payments, MAX_LINES, f"{INVALID} data.lines"),
    ("sessions", lambda n: plan(sessions=[session(at) for at in range(n)]), MAX_LINES, f"{INVALID} data.sessions"),
    ("trainees of a class", lambda n: plan(max_trainees=n), 1_000, f"{INVALID} data.max_trainees"),
    ("tags", lambda n: plan(programme_tags=[f"t-{at}" for at in range(n)]), 8, f"{INVALID} data.programme_tags"),
    ("a reference", lambda n: plan(class_ref="R" * n), 64, f"{INVALID} data.class_ref"),
    ("groups", lambda n: enrolment(
        groups=[{"group": "RURAL", "evidence": "DOCUMENT", "as_of": "2024-05-14"}] * n), 8, f"{INVALID} data.groups"),
    ("a name", lambda n: enrolment(trainee={"name": "名" * n}), 64, f"{INVALID} data.trainee.name"),
    ("a phone", lambda n: enrolment(trainee={"phone": "1" * n}), 20, f"{INVALID} data.trainee.phone"),
    ("minutes", lambda n: document("RecordAttendanceSheet", {
        "class_ref": "c-1", "session_ref": "s-1", "evidence": "a" * 64,
        "lines": [{"enrolment_ref": "e-1", "minutes": n, "method": "QR"}]}), 720, f"{INVALID} data.lines[0].minutes"),
    ("a nonce", lambda n: plan() | {"nonce": "n" * n}, 64, f"{INVALID} nonce"),
]  # fmt: skip


def told(whole: Document) -> str:
    """The first code and field; "" where it passes."""
    value = json.dumps(whole).encode()
    outcome = check(value, preamble(value))
    return "" if isinstance(outcome, Checked) else f"{outcome[0].code} {outcome[0].field}"


@pytest.mark.parametrize(("name", "make", "bound", "refusal"), BOUNDS, ids=[row[0] for row in BOUNDS])
def test_a_document_at_its_bound_is_taken_and_one_past_it_refused(
    name: str, make: Callable[[int], Document], bound: int, refusal: str
) -> None:
    """With the code that `zeren validate` and the receipt tell, and the field."""
    assert (told(make(bound)), told(make(bound + 1))) == ("", refusal), name


def test_the_bound_of_a_whole_document() -> None:
    """262,144 bytes are read, one more is not."""
    value = json.dumps(plan()).encode()
    most = value[:-1] + b" " * (MAX_SUBMISSION_BYTES - len(value)) + b"}"
    assert preamble(most).id == "d-1"
    with pytest.raises(Unreadable, match="too_large"):
        preamble(most + b" ")


def test_the_bound_of_an_id() -> None:
    """64 characters; a longer one names no receipt, so the document can't be answered."""
    assert preamble(json.dumps(plan() | {"id": "i" * 64}).encode()).id
    with pytest.raises(Unreadable, match="id_unreadable"):
        preamble(json.dumps(plan() | {"id": "i" * 65}).encode())


@pytest.mark.parametrize(
    ("without", "code"),
    [("id", "id_unreadable"), ("source", "source_unreadable")],
)
def test_a_document_that_cannot_be_attributed_says_what_it_lacks(without: str, code: str) -> None:
    """It is no matter of its encoding; the sender is told in the decoder's words."""
    value = json.dumps({name: held for name, held in plan().items() if name != without}).encode()
    with pytest.raises(Unreadable, match=code):
        preamble(value)
    assert complaints(value) == [f"Object missing required field `{without}`"]


@pytest.mark.parametrize(
    ("whole", "field", "said"),
    [
        ({name: held for name, held in plan().items() if name != "nonce"}, "nonce", "missing required field"),
        ({name: held for name, held in plan().items() if name != "data"}, "data", "missing required field"),
        (plan(sessions=[{"session_ref": "s-1"}]), "data.sessions[0].held_on", "missing required field"),
        (plan(maxTrainees=3), "data", "unknown field `maxTrainees`"),
        (plan(level="9"), "data.level", "matching regex"),
        (plan(max_trainees=0), "data.max_trainees", ">= 1"),
    ],
)
def test_a_field_is_named_and_the_sender_told_what_the_decoder_says(
    whole: Document, field: str, said: str
) -> None:
    """A superfluous field's own name is for its sender alone: a receipt says where it stands."""
    assert told(whole) == f"{INVALID} {field}"
    assert said in complaints(json.dumps(whole).encode())[0]


def test_a_document_without_a_type_is_answered() -> None:
    """It has a sender and an id: its receipt says that there is no such type."""
    assert (
        told({name: held for name, held in plan().items() if name != "type"})
        == "submission.unknown_type type"
    )
    assert complaints(json.dumps(plan()).encode()) == []


def test_a_wrong_check_character_is_named() -> None:
    """A receipt can't be sent for it: `zeren validate` is where its sender learns of it."""
    value = json.dumps(plan() | {"source": f"urn:uscc:{SAMPLE_USCC[:-1]}0"}).encode()
    with pytest.raises(Unreadable, match="source_unreadable"):
        preamble(value)
    (told,) = complaints(value)
    assert "校验码" in told
    assert f"would be {SAMPLE_USCC[-1]}" in told
    assert complaints(json.dumps(plan() | {"source": "urn:uscc:91350100"}).encode()) == []


def test_the_bound_of_a_signature_header() -> None:
    """1,024 bytes, whatever is in them."""
    signed = SigningKey.generate("k" * 64).signer()(b"x").split(b"..")
    header = json.loads(json.dumps({"alg": "Ed25519", "b64": False, "crit": ["b64"], "kid": "k"}))

    def of(size: int) -> bytes:
        tag = b".." + signed[1]
        padded = json.dumps(header).ljust((size - len(tag)) * 3 // 4)
        return base64url(padded.encode()).encode() + tag

    assert len(of(MAX_JWS_BYTES)) == MAX_JWS_BYTES
    assert parse_jws(of(MAX_JWS_BYTES)).key_id == "k"
    with pytest.raises(BadSignature, match="malformed"):
        parse_jws(of(MAX_JWS_BYTES + 4))


def test_the_bounds_of_a_file_of_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `zeren submit`, `zeren validate` and the registration read."""
    path = tmp_path / "documents.jsonl"
    path.write_bytes(b"x" * MAX_LINE_BYTES + b"\n\n" + b"y" * MAX_LINE_BYTES)
    assert [number for number, _ in read_lines(path)] == [1, 3]
    path.write_bytes(b"x\n" + b"y" * (MAX_LINE_BYTES + 1))
    with pytest.raises(RecordsUnreadable, match=":2 "):
        list(read_lines(path))
    monkeypatch.setattr(records, "MAX_FILE_LINES", 3)
    path.write_bytes(b"1\n2\n3\n")
    assert len(list(read_lines(path))) == 3
    path.write_bytes(b"1\n2\n3\n4")
    with pytest.raises(RecordsUnreadable, match="3 行"):
        list(read_lines(path))


def test_the_bounds_of_a_policy_package(tmp_path: Path) -> None:
    """1 MiB a file, judged before it is parsed."""
    with pytest.raises(PolicyPackageError, match="字段不合规定"):
        read_package("p.toml", b"# " + b"x" * (MAX_PACKAGE_BYTES - 2))
    (tmp_path / "p.toml").write_bytes(b"# " + b"x" * MAX_PACKAGE_BYTES)
    assert [str(error) for error in check_folder(tmp_path) if "over 1048576 bytes" in str(error)]


def bank_file(count: int, *, blanks: int = 0) -> bytes:
    """A bank file of so many orders."""
    head = {"format": "zeren.bank-file.v1", "batch_id": SAMPLE_UUID, "region": "350100", "bank": SAMPLE_USCC}
    account = {"number": "6222", "holder": "某人", "bank": "某银行"}
    rows = [head | {"lines": count, "total_fen": count}]
    rows += [{"line": n, "claim_id": SAMPLE_UUID, "amount_fen": 1, "account": account} for n in range(count)]
    return b"\n".join(json.dumps(row).encode() for row in rows) + b" " * blanks


def test_the_bounds_of_a_bank_file() -> None:
    """1,000 orders, 1 MiB."""
    assert len(parse_bank_file(bank_file(MAX_ORDERS)).orders) == MAX_ORDERS
    with pytest.raises(BankFileMalformed, match="1000"):
        parse_bank_file(bank_file(MAX_ORDERS + 1))
    room = MAX_FILE_BYTES - len(bank_file(1))
    assert len(parse_bank_file(bank_file(1, blanks=room)).orders) == 1
    with pytest.raises(BankFileMalformed, match="1048576"):
        parse_bank_file(bank_file(1, blanks=room + 1))
