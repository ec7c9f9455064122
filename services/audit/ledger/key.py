"""The log's signing key: an Ed25519 seed in a file that its owner alone can read.

Who loses the file can sign no further checkpoint under the log's name; who copies it can sign false ones.
"""

from __future__ import annotations

import os
import secrets
from base64 import b64encode
from pathlib import Path

from shared.tlog.base64text import from_base64
from shared.tlog.notes import Signer, is_key_name

SEED_BYTES = 32
DEFAULT_LOG_NAME = "zeren.fujian.example/ledger"
"""The log's name: its checkpoints' origin and its key's name."""

_OPEN_TO_OTHERS = 0o077


class LedgerKeyUnusable(RuntimeError):
    """The key file is missing, malformed, open to others, or would be overwritten."""


def create_ledger_key(path: Path) -> None:
    """Makes a key file, mode 0600 from its first moment, with a fresh seed.

    Raises:
        LedgerKeyUnusable: the file exists: another key would be another log.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise LedgerKeyUnusable(
            f"账本签名密钥 {path} 已存在，不会覆盖；请保留它或换一个路径 / "
            f"the ledger's key file {path} exists and is never overwritten; keep it or choose another path"
        ) from None
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(b64encode(secrets.token_bytes(SEED_BYTES)) + b"\n")
        handle.flush()
        os.fsync(handle.fileno())


def read_ledger_key(path: Path, log_name: str = DEFAULT_LOG_NAME) -> Signer:
    """The log's signer; its `vkey` is what auditors need.

    Raises:
        LedgerKeyUnusable: missing, open to others, malformed, or the name can't be a key's.
    """
    try:
        with path.open("rb") as handle:
            mode = os.fstat(handle.fileno()).st_mode
            text = handle.read(1_024)
    except OSError as error:
        raise LedgerKeyUnusable(
            f"无法读取账本签名密钥 {path}（{type(error).__name__}） / "
            f"can't read the ledger's key file {path} ({type(error).__name__})"
        ) from None
    if mode & _OPEN_TO_OTHERS:
        raise LedgerKeyUnusable(
            f"账本签名密钥 {path} 可被他人读取；请设为 0600 / "
            f"the ledger's key file {path} is open to others; set its mode to 0600"
        )
    seed = from_base64(text.decode("ascii", "replace").removesuffix("\n"))
    if seed is None or len(seed) != SEED_BYTES or not is_key_name(log_name):
        raise LedgerKeyUnusable(
            f"账本签名密钥 {path} 或账本名称格式不对 / "
            f"the ledger's key file {path} or the log's name is malformed"
        )
    return Signer.from_seed(log_name, seed)
