"""A bank file as the bank reads it (docs/bank-file.md): a payment batch with one line a claim."""

from __future__ import annotations

import msgspec

FORMAT = "zeren.bank-file.v1"
SUFFIX = ".bank.jsonl"
MAX_FILE_BYTES = 1 << 20
MAX_ORDERS = 1_000
"""More than a payment batch of Zeren holds (300)."""


class BankFileMalformed(ValueError):
    """The file is not of the documented form, or its lines don't make up its head's figures."""


class Head(msgspec.Struct, frozen=True):
    """The first line. `bank` is the USCC of the bank that is to pay."""

    format: str
    batch_id: str
    region: str
    bank: str
    lines: int
    total_fen: int


class Payee(msgspec.Struct, frozen=True):
    """Whom to pay. Never logged, never answered."""

    number: str
    holder: str
    bank: str

    def __repr__(self) -> str:
        return "Payee(***)"


class Order(msgspec.Struct, frozen=True):
    """One claim to pay, in fen."""

    line: int
    claim_id: str
    amount_fen: int
    account: Payee


class BankFile(msgspec.Struct, frozen=True):
    """A batch: its head and its orders, in the file's order."""

    head: Head
    orders: tuple[Order, ...]


_head = msgspec.json.Decoder(Head)
_order = msgspec.json.Decoder(Order)


def parse_bank_file(content: bytes) -> BankFile:
    """Raises: BankFileMalformed."""
    if len(content) > MAX_FILE_BYTES:
        raise BankFileMalformed(f"文件超过 {MAX_FILE_BYTES} 字节 / the file is over {MAX_FILE_BYTES} bytes")
    first, *rest = [line for line in content.split(b"\n") if line] or [b""]
    try:
        found = BankFile(_head.decode(first), tuple(_order.decode(line) for line in rest))
    except msgspec.MsgspecError as error:
        raise BankFileMalformed(f"无法读取银行文件 / not a bank file: {type(error).__name__}") from None
    head, orders = found.head, found.orders
    if head.format != FORMAT:
        raise BankFileMalformed(f"格式不是 {FORMAT} / the format is not {FORMAT}")
    if len(orders) > MAX_ORDERS:
        raise BankFileMalformed(f"超过 {MAX_ORDERS} 行 / over {MAX_ORDERS} lines")
    if len(orders) != head.lines or sum(one.amount_fen for one in orders) != head.total_fen:
        raise BankFileMalformed("行数或总额与首行不符 / lines or total differ from the first line")
    return found
