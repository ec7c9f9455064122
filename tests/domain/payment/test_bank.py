"""The bank file: what stands in it, who can read it, when it comes and goes."""

from __future__ import annotations

import json
import stat
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import msgspec
import pytest

from services.payment.bank import BankFileIncomplete, BankFiles, render
from shared.contracts.payment import PaymentBatchCreated
from shared.contracts.submission import ConfirmPayments, PaymentLine
from tests.domain.payment import facts as f
from tests.domain.payment.conftest import World

NUMBER = "6222021234567890123"
batch = PaymentBatchCreated(
    batch_id=f.BATCH, region=f.XIAMEN, bank=f.BANK, claims=[f.CLAIM], total_fen=70000, decision_jws=None
)


@dataclass(frozen=True)
class Payee:
    """An account as the vault gives it."""

    number: str = NUMBER
    holder: str = "李娜"
    bank: str = "某某银行"


@dataclass
class Vault:
    """Gives one account for every id, but for those it lost; counts how often it is asked."""

    lost: set[str] = field(default_factory=set)
    asked: int = 0

    def accounts(self, account_ids: Collection[str]) -> Mapping[str, Payee]:
        """See `Accounts`."""
        self.asked += 1
        return {account_id: Payee() for account_id in account_ids if account_id not in self.lost}


def names(folder: Path) -> list[str]:
    """Everything in a folder."""
    return sorted(path.name for path in folder.iterdir())


async def world_with_batch() -> tuple[World, str, str]:
    """Li Na's claim, ordered in a batch. Returns the batch and the claim."""
    world = World()
    world.moves_to(f.CLAIM_DAY)
    world.learns(f.registered(), *f.trained(f.LI_NA, ref="li"))
    account = {"number": NUMBER, "holder": "李娜", "bank": "某某银行"}
    certificate = f.certificate_of("li")
    request = {"application_ref": "SQ-1", "certificate_id": certificate, "account": account}
    claim = (await world.person(f.LI_NA).post("/claims", request)).json()["claim_id"]
    await world.handler(f.ACCEPTOR, "D8").decides("accept", claim)
    await world.handler(f.REVIEWER, "D9").decides("first_review", claim)
    await world.handler(f.PUBLISHER, "D11").decides("publicise", claim)
    world.moves_to(date(2024, 6, 14))
    await world.handler(f.APPROVER, "D12").decides("approve", claim)
    order = {"region": f.XIAMEN, "bank": f.BANK, "claims": [claim]}
    answer = await world.handler(f.PAYER, "D14").post("/payment-batches", order)
    return world, answer.json()["batch_id"], claim


def pay(world: World, batch_id: str, claim: str) -> None:
    """The bank's receipt for the one line."""
    line = PaymentLine(claim_id=claim, amount_fen=70000, result="PAID", code="", bank_ref="B-1")
    receipt = ConfirmPayments(batch_id=batch_id, paid_on=date(2024, 6, 14), lines=[line])
    world.decides(world.sent(receipt, by=f.BANK))


def test_the_file_has_a_head_and_a_line_a_claim() -> None:
    lines = render(batch, {f.CLAIM: f.ordered}, {"a-1": Payee()}).decode().splitlines()
    assert [json.loads(line) for line in lines] == [
        {
            "format": "zeren.bank-file.v1",
            "batch_id": f.BATCH,
            "region": f.XIAMEN,
            "bank": f.BANK,
            "lines": 1,
            "total_fen": 70000,
        },
        {
            "line": 1,
            "claim_id": f.CLAIM,
            "amount_fen": 70000,
            "account": {"number": NUMBER, "holder": "李娜", "bank": "某某银行"},
        },
    ]


def test_the_same_batch_gives_the_same_bytes_each_line_ended() -> None:
    once = render(batch, {f.CLAIM: f.ordered}, {"a-1": Payee()})
    assert once == render(batch, {f.CLAIM: f.ordered}, {"a-1": Payee()})
    assert once.endswith(b"}\n")


def test_lines_that_do_not_sum_to_the_total_are_no_file() -> None:
    wrong = msgspec.structs.replace(batch, total_fen=70001)
    with pytest.raises(ValueError, match="sum"):
        render(wrong, {f.CLAIM: f.ordered}, {"a-1": Payee()})


async def test_a_batch_gives_a_file_that_only_its_owner_can_read(tmp_path: Path) -> None:
    world, batch_id, claim = await world_with_batch()
    folder = tmp_path / "bank"
    BankFiles(folder, world.store, Vault().accounts).apply(world.all_facts())
    (path,) = folder.iterdir()
    assert path.name == f"{batch_id}.bank.jsonl"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [row["claim_id"] for row in rows[1:]] == [claim]
    assert rows[0]["total_fen"] == 70000


async def test_following_the_same_facts_again_writes_nothing_new(tmp_path: Path) -> None:
    world, batch_id, _ = await world_with_batch()
    vault = Vault()
    files = BankFiles(tmp_path, world.store, vault.accounts)
    files.apply(world.all_facts())
    before = files.path(batch_id).stat().st_ino
    files.apply(world.all_facts())
    assert files.path(batch_id).stat().st_ino == before
    assert vault.asked == 1


async def test_the_file_goes_once_the_bank_has_answered_and_never_comes_back(tmp_path: Path) -> None:
    world, batch_id, claim = await world_with_batch()
    vault = Vault()
    files = BankFiles(tmp_path, world.store, vault.accounts)
    files.apply(world.all_facts())
    pay(world, batch_id, claim)
    files.apply(world.all_facts()[-1:])
    assert names(tmp_path) == []
    # From the beginning, as after a restart without a position: account numbers must not return to the disk.
    for fact in world.all_facts():
        files.apply([fact])
        assert names(tmp_path) == []
    assert vault.asked == 1


async def test_a_half_written_file_of_a_crash_is_replaced(tmp_path: Path) -> None:
    world, batch_id, _ = await world_with_batch()
    (tmp_path / f".{batch_id}.part").write_text("half")
    BankFiles(tmp_path, world.store, Vault().accounts).apply(world.all_facts())
    assert names(tmp_path) == [f"{batch_id}.bank.jsonl"]


async def test_a_batch_with_an_unreadable_account_leaves_no_file(tmp_path: Path) -> None:
    world, batch_id, claim = await world_with_batch()
    vault = Vault(lost=set(world.accounts))
    with pytest.raises(BankFileIncomplete) as told:
        BankFiles(tmp_path, world.store, vault.accounts).apply(world.all_facts())
    assert (told.value.batch_id, told.value.claims) == (batch_id, (claim,))
    assert names(tmp_path) == []


def test_no_account_shows_in_what_is_logged(tmp_path: Path) -> None:
    files = BankFiles(tmp_path, World().store, Vault().accounts)
    told = repr(files) + str(BankFileIncomplete(f.BATCH, [f.CLAIM]))
    assert NUMBER not in told
    assert "李娜" not in told
