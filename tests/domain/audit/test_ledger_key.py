"""The log's key file: made once, its owner's alone, never overwritten."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest

from services.audit.ledger.key import LedgerKeyUnusable, create_ledger_key, read_ledger_key


def test_a_new_key_signs_under_the_log_s_name(tmp_path: Path) -> None:
    """The verifier key is the same at every start."""
    path = tmp_path / "ledger.key"
    create_ledger_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    signer = read_ledger_key(path)
    assert str(signer.vkey).startswith("zeren.fujian.example/ledger+")
    assert signer.vkey == read_ledger_key(path).vkey
    assert signer.vkey.verifies("text\n", signer.sign("text\n").signature)


def test_an_existing_key_is_never_overwritten(tmp_path: Path) -> None:
    """Another key would be another log."""
    path = tmp_path / "ledger.key"
    create_ledger_key(path)
    before = path.read_bytes()
    with pytest.raises(LedgerKeyUnusable):
        create_ledger_key(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("content", "mode", "name"),
    [
        (b64encode(b"k" * 32), 0o640, "a.example/log"),
        (b64encode(b"k" * 31), 0o600, "a.example/log"),
        (b"no base64!", 0o600, "a.example/log"),
        (b"\xff\xfe", 0o600, "a.example/log"),
        (b"", 0o600, "a.example/log"),
        (b64encode(b"k" * 32), 0o600, "a+b"),
        (b64encode(b"k" * 32), 0o600, ""),
    ],
)
def test_a_key_that_can_not_be_trusted_is_refused(
    tmp_path: Path, content: bytes, mode: int, name: str
) -> None:
    """Open to others, malformed, or under a name that no verifier takes; the message never shows the seed."""
    path = tmp_path / "ledger.key"
    path.write_bytes(content)
    path.chmod(mode)
    with pytest.raises(LedgerKeyUnusable) as refused:
        read_ledger_key(path, name)
    assert b64encode(b"k" * 32).decode() not in str(refused.value)


def test_a_missing_key_is_told(tmp_path: Path) -> None:
    """With the path, so that its owner can put it back."""
    with pytest.raises(LedgerKeyUnusable, match=r"missing\.key"):
        read_ledger_key(tmp_path / "missing.key")
