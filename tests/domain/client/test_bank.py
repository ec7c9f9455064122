"""The bank simulator: it reads payment's own file form, answers each line once, and never in two ways."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from services.payment.bank import render
from shared.contracts.checking import Checked, check, preamble
from shared.contracts.payment import PaymentBatchCreated, PaymentOrdered
from shared.identity import derive_id
from shared.intake.signature import parse_jws
from zeren.bank.answered import Answered
from zeren.bank.answers import Answer, documents, read_signer
from zeren.bank.bank_file import BankFile, BankFileMalformed, parse_bank_file
from zeren.institution.keys import SigningKey, write_key

BANK = "91350100M000100Y43"
BATCH = derive_id("batch")
NOW = datetime(2024, 6, 14, 17, tzinfo=ZoneInfo("Asia/Shanghai"))


def content(lines: int) -> bytes:
    """A bank file as payment writes it."""
    claims = [derive_id("claim", str(number)) for number in range(lines)]
    batch = PaymentBatchCreated(
        batch_id=BATCH,
        region="350200",
        bank=BANK,
        claims=claims,
        total_fen=70_000 * lines,
        decision_jws=None,
    )
    orders = {
        claim: PaymentOrdered(
            claim_id=claim,
            person_id="p",
            enrolment_id="e",
            batch_id=BATCH,
            amount_fen=70_000,
            account_id="a",
            handler_id="h-finance-1",
        )
        for claim in claims
    }
    account = SimpleNamespace(number="6222000000000000001", holder="某某", bank="某某银行")
    return render(batch, orders, {"a": account})


def lines_of(values: Sequence[bytes]) -> list[list[dict[str, object]]]:
    return [json.loads(value)["data"]["lines"] for value in values]


def test_every_line_is_answered_in_documents_that_payment_takes() -> None:
    """450 lines in three documents of at most 200, each sound by the services' own check."""
    file = parse_bank_file(content(450))
    values = documents(file, paid_on=date(2024, 6, 14), now=NOW)
    assert [len(lines) for lines in lines_of(values)] == [200, 200, 50]
    answered = [line["claim_id"] for lines in lines_of(values) for line in lines]
    assert answered == [order.claim_id for order in file.orders]
    for value in values:
        checked = check(value, preamble(value), "payment")
        assert isinstance(checked, Checked)
        assert checked.entry.case(BANK, checked.document.data) == BATCH
        assert checked.entry.sender == "BANK"
    assert len({preamble(value).id for value in values}) == 3


def test_no_account_leaves_the_bank_file() -> None:
    """Neither the answers nor the repr of the file hold an account number."""
    file = parse_bank_file(content(3))
    values = documents(file, paid_on=date(2024, 6, 14), now=NOW)
    assert all(b"6222000000000000001" not in value for value in values)
    assert "6222000000000000001" not in repr(file)


def test_every_nth_line_fails_where_that_is_wanted() -> None:
    """The same lines fail whenever the file is answered."""
    file = parse_bank_file(content(7))
    [lines] = lines_of(documents(file, paid_on=date(2024, 6, 14), now=NOW, fail_every=3))
    assert [line["result"] for line in lines] == ["PAID", "PAID", "FAILED", "PAID", "PAID", "FAILED", "PAID"]
    assert {line["code"] for line in lines if line["result"] == "PAID"} == {""}


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"{}",
        b"\xff",
        content(2).replace(b"zeren.bank-file.v1", b"zeren.bank-file.v9"),
        content(2).rsplit(b"\n", 2)[0],
        content(2).replace(b'"total_fen":140000', b'"total_fen":140001'),
    ],
)
def test_a_file_that_is_not_whole_is_refused(broken: bytes) -> None:
    """Another format, a missing line or a sum that differs: nothing is paid on it."""
    with pytest.raises(BankFileMalformed):
        parse_bank_file(broken)


def test_the_bank_signs_as_any_organisation_does(tmp_path: Path) -> None:
    """With the key of a JWK file, in the form that the services parse."""
    key = SigningKey.generate("B-1")
    write_key(tmp_path / "b.jwk", key)
    detached = parse_jws(read_signer(tmp_path / "b.jwk")(b"value"))
    assert detached.key_id == "B-1"
    key.private.public_key().verify(detached.signature, detached.protected + b".value")


def signed(file: BankFile) -> list[Answer]:
    return [Answer(BATCH, value, b"jws") for value in documents(file, paid_on=date(2024, 6, 14), now=NOW)]


def test_a_restart_sends_the_same_bytes_again(tmp_path: Path) -> None:
    """Crash between keeping and marking: the kept answer is sent, no second one is made."""
    raw = content(2)
    name = Answered.name_of(raw)
    answers = signed(parse_bank_file(raw))
    Answered(tmp_path).keep(name, answers)
    restarted = Answered(tmp_path)
    assert restarted.knows(name)
    assert restarted.unsent() == [(name, answers)]


def test_a_sent_answer_is_known_for_ever_and_not_sent_again(tmp_path: Path) -> None:
    """Also after a restart."""
    name = Answered.name_of(content(2))
    answered = Answered(tmp_path)
    answered.keep(name, signed(parse_bank_file(content(2))))
    answered.mark_sent(name)
    restarted = Answered(tmp_path)
    assert restarted.knows(name)
    assert restarted.unsent() == []
    assert not restarted.knows(Answered.name_of(content(3)))
