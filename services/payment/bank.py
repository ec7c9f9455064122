"""The bank file (拨付文件): how a payment batch reaches the bank.

One file a batch, `<batch_id>.bank.jsonl`: UTF-8, one JSON object a line, each ended by a line feed. It alone
holds account numbers and holders outside the vault, so it is readable by its owner only (0600, folder 0700) and
goes as soon as the bank has answered every line. `docs/bank-file.md` is the format for the bank.

    line 1   {"format":"zeren.bank-file.v1","batch_id":…,"region":…,"bank":…,"lines":2,"total_fen":154000}
    line 2…  {"line":1,"claim_id":…,"amount_fen":70000,"account":{"number":…,"holder":…,"bank":…}}
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import msgspec

from shared.contracts.fact import Envelope, decode
from shared.contracts.payment import PaymentBatchCreated, PaymentBatchReconciled, PaymentOrdered
from shared.eventstore.changes import Reads
from shared.eventstore.store import Store

FORMAT = "zeren.bank-file.v1"
FILE_MODE = 0o600
FOLDER_MODE = 0o700


class Account(Protocol):
    """An account in full, as the vault gives it."""

    @property
    def number(self) -> str:
        """Of the account, without spaces."""

    @property
    def holder(self) -> str:
        """The name that the bank knows."""

    @property
    def bank(self) -> str:
        """The bank's name or code."""


Accounts = Callable[[Collection[str]], Mapping[str, Account]]
"""Reads accounts from the vault by account id; unknown ones and those of erased persons are missing."""


class BankFileIncomplete(Exception):
    """The batch can't be written: orders or accounts of some claims are missing. Nothing was written.

    Attributes:
        batch_id: the batch.
        claims: the claims without an order or a readable account. A person may have been erased: look them up.
    """

    def __init__(self, batch_id: str, claims: Sequence[str]) -> None:
        super().__init__(
            f"批次 {batch_id} 有 {len(claims)} 笔缺少账户或拨付指令，请核查后重试 / "
            f"batch {batch_id}: {len(claims)} claims have no account or order; look them up, then try again"
        )
        self.batch_id, self.claims = batch_id, tuple(claims)


class _Head(msgspec.Struct, frozen=True, kw_only=True):
    format: str
    batch_id: str
    region: str
    bank: str
    lines: int
    total_fen: int


class _Payee(msgspec.Struct, frozen=True, kw_only=True):
    number: str
    holder: str
    bank: str

    def __repr__(self) -> str:
        return "_Payee(***)"


class _Line(msgspec.Struct, frozen=True, kw_only=True):
    line: int
    claim_id: str
    amount_fen: int
    account: _Payee


def render(
    batch: PaymentBatchCreated, orders: Mapping[str, PaymentOrdered], accounts: Mapping[str, Account]
) -> bytes:
    """The file's bytes, the same for the same batch.

    Args:
        batch: the batch; its claims give the order of the lines.
        orders: by claim id, of this batch.
        accounts: by account id.

    Raises:
        BankFileIncomplete: an order or an account is missing.
        ValueError: the lines don't sum to the batch's total.
    """
    missing = [c for c in batch.claims if c not in orders or orders[c].account_id not in accounts]
    if missing:
        raise BankFileIncomplete(batch.batch_id, missing)
    lines = [
        _line(number, orders[claim_id], accounts[orders[claim_id].account_id])
        for number, claim_id in enumerate(batch.claims, 1)
    ]
    if sum(line.amount_fen for line in lines) != batch.total_fen:
        raise ValueError(f"the lines of batch {batch.batch_id} don't sum to its total")
    head = _Head(
        format=FORMAT,
        batch_id=batch.batch_id,
        region=batch.region,
        bank=batch.bank,
        lines=len(lines),
        total_fen=batch.total_fen,
    )
    return b"".join(msgspec.json.encode(row) + b"\n" for row in (head, *lines))


def _line(number: int, order: PaymentOrdered, account: Account) -> _Line:
    payee = _Payee(number=account.number, holder=account.holder, bank=account.bank)
    return _Line(line=number, claim_id=order.claim_id, amount_fen=order.amount_fen, account=payee)


@dataclass(frozen=True, slots=True)
class BankFiles:
    """The files of the batches that the bank has still to answer. One loop owns the folder.

    Attributes:
        folder: made with 0700 where it is missing.
        store: payment's own; a batch's orders stand in its claims' streams.
        accounts: reads the vault; called once a file.
    """

    folder: Path
    store: Store
    accounts: Accounts = field(repr=False)

    def apply(self, facts: Sequence[Envelope[Any]]) -> None:
        """Follows payment's own facts, from any position, again or for the first time; others are passed over.

        Raises: BankFileIncomplete, OSError, and what the store and the vault raise. Try the same facts again.
        """
        for fact in facts:
            match fact.data:
                case PaymentBatchCreated() as batch:
                    if not self._reconciled(batch.batch_id):
                        self.write(batch)
                case PaymentBatchReconciled(batch_id=batch_id):
                    self.remove(batch_id)
                case _:
                    pass

    def path(self, batch_id: str) -> Path:
        """Where a batch's file stands."""
        return self.folder / f"{batch_id}.bank.jsonl"

    def write(self, batch: PaymentBatchCreated) -> Path:
        """Writes the file whole or not at all; one that stands already is left. Raises: see `apply`."""
        path = self.path(batch.batch_id)
        if path.exists():
            return path
        orders = self._orders(batch)
        accounts = self.accounts({order.account_id for order in orders.values()})
        content = render(batch, orders, accounts)
        self.folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        draft = self.folder / f".{batch.batch_id}.part"
        draft.unlink(missing_ok=True)
        # Never wider than 0600, not even for a moment: the mode is given at creation.
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        return path

    def remove(self, batch_id: str) -> None:
        """The bank has answered every line: the file goes, and a half-written one too."""
        self.path(batch_id).unlink(missing_ok=True)
        (self.folder / f".{batch_id}.part").unlink(missing_ok=True)

    def _reconciled(self, batch_id: str) -> bool:
        rows = self.store.read(Reads(streams=frozenset((batch_id,)))).streams.get(batch_id, [])
        return any(isinstance(decode(row.state, row.type).data, PaymentBatchReconciled) for row in rows)

    def _orders(self, batch: PaymentBatchCreated) -> dict[str, PaymentOrdered]:
        streams = self.store.read(Reads(streams=frozenset(batch.claims))).streams
        facts = (decode(row.state, row.type).data for rows in streams.values() for row in rows)
        return {
            fact.claim_id: fact
            for fact in facts
            if isinstance(fact, PaymentOrdered) and fact.batch_id == batch.batch_id
        }
