"""What the bank answers: `ConfirmPayments` documents of at most 200 lines, signed with its own key."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.contracts.submission import MAX_LINES
from zeren.bank.bank_file import BankFile, Order

TYPE = "zeren.submission.ConfirmPayments.v1"
FAILURE = "ACCOUNT_CLOSED"


@dataclass(frozen=True, slots=True)
class Answer:
    """A signed document, ready to be sent; the record key is the batch."""

    batch_id: str
    value: bytes
    jws: bytes


def read_signer(key_file: Path) -> Callable[[bytes], bytes]:
    """Signs with the key of a JWK file: a detached JWS (RFC 7797) over the exact bytes."""
    row = json.loads(key_file.read_text("utf-8"))
    private = Ed25519PrivateKey.from_private_bytes(
        base64.urlsafe_b64decode(row["d"] + "=" * (-len(row["d"]) % 4))
    )
    header = {"alg": "Ed25519", "b64": False, "crit": ["b64"], "kid": row["kid"]}
    protected = _base64url(json.dumps(header, separators=(",", ":")).encode())

    def sign(value: bytes) -> bytes:
        return protected + b".." + _base64url(private.sign(protected + b"." + value))

    return sign


def _base64url(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")


def documents(file: BankFile, *, paid_on: date, now: datetime, fail_every: int = 0) -> list[bytes]:
    """The documents that answer a whole file.

    Args:
        file: the batch.
        paid_on: the bank's value date.
        now: the bank's clock, with an offset.
        fail_every: every so manieth line fails; 0 for none.
    """
    return [
        _document(file, part, paid_on=paid_on, now=now, lines=[_line(one, fail_every) for one in orders])
        for part, orders in enumerate(_parts(file.orders), 1)
    ]


def _parts(orders: Sequence[Order]) -> list[Sequence[Order]]:
    return [orders[at : at + MAX_LINES] for at in range(0, len(orders), MAX_LINES)]


def _line(order: Order, fail_every: int) -> dict[str, Any]:
    failed = fail_every > 0 and order.line % fail_every == 0
    return {
        "claim_id": order.claim_id,
        "amount_fen": order.amount_fen,
        "result": "FAILED" if failed else "PAID",
        "code": FAILURE if failed else "",
        "bank_ref": f"B-{order.claim_id[:8]}-{order.line:03d}",
    }


def _document(
    file: BankFile, part: int, *, paid_on: date, now: datetime, lines: list[dict[str, Any]]
) -> bytes:
    document = {
        "specversion": "1.0",
        "id": f"pay-{file.head.batch_id}-{part}",
        "source": f"urn:uscc:{file.head.bank}",
        "type": TYPE,
        "time": now.isoformat(timespec="seconds"),
        "nonce": secrets.token_urlsafe(16),
        "data": {"batch_id": file.head.batch_id, "paid_on": paid_on.isoformat(), "lines": lines},
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
