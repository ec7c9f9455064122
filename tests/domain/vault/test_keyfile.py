"""The master-key file: private, never overwritten, newest key first."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from shared.vault.errors import KeyFileUnusable, SealBroken, UnknownMasterKey
from shared.vault.keyfile import add_key, create_key_file, read_key_file
from shared.vault.sealing import new_key
from shared.vault.wrapping import MasterKeys, WrappedKey

KEY = "A" * 43


def test_a_new_key_file_is_readable_by_its_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    """Mode 0600 from the first moment."""
    old = os.umask(0)
    try:
        create_key_file(tmp_path / "master.key")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "master.key").stat().st_mode) == 0o600


def test_a_key_file_is_never_overwritten(tmp_path: Path) -> None:
    """Overwriting would lose every person's data."""
    path = tmp_path / "master.key"
    create_key_file(path)
    before = path.read_bytes()
    with pytest.raises(KeyFileUnusable, match=r"已存在.* / .*exists"):
        create_key_file(path)
    assert path.read_bytes() == before


def test_an_added_key_wraps_and_the_old_one_still_unwraps(tmp_path: Path) -> None:
    """Newest first; nothing that was wrapped is lost."""
    path = tmp_path / "master.key"
    old_id = create_key_file(path)
    key = new_key()
    wrapped = read_key_file(path).wrap(key, "person")
    new_id = add_key(path)
    keys = read_key_file(path)
    assert (wrapped.key_id, keys.current) == (old_id, new_id)
    assert keys.unwrap(wrapped, "person") == key
    assert keys.wrap(key, "person").key_id == new_id
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    """A key that others could read is no key; the message says what to do."""
    path = tmp_path / "master.key"
    create_key_file(path)
    path.chmod(mode)
    with pytest.raises(KeyFileUnusable, match="0600"):
        read_key_file(path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "mk-1\n",
        f"mk-1 {KEY[:-1]}\n",
        f"mk-1  {KEY}\n",
        f"mk 1 {KEY}\n",
        f"mk-1 {KEY}\nmk-1 {KEY}\n",
    ],
)
def test_a_malformed_key_file_is_refused_without_quoting_it(tmp_path: Path, text: str) -> None:
    """The message names the file and the line, never what stands in it."""
    path = tmp_path / "master.key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(KeyFileUnusable) as refused:
        read_key_file(path)
    assert str(path) in str(refused.value)
    assert KEY[:-1] not in str(refused.value)


def test_a_missing_key_file_is_refused(tmp_path: Path) -> None:
    """No key is ever made silently: a lost file must be restored, not replaced."""
    with pytest.raises(KeyFileUnusable, match="FileNotFoundError"):
        read_key_file(tmp_path / "master.key")


def test_a_key_wrapped_for_one_owner_does_not_unwrap_for_another() -> None:
    """The owner and the master key's id are bound to it."""
    keys = MasterKeys({"new": new_key(), "old": new_key()})
    wrapped = keys.wrap(new_key(), "person")
    with pytest.raises(SealBroken):
        keys.unwrap(wrapped, "another")
    with pytest.raises(SealBroken):
        keys.unwrap(WrappedKey("old", wrapped.wrapped), "person")
    with pytest.raises(UnknownMasterKey, match="gone"):
        keys.unwrap(WrappedKey("gone", wrapped.wrapped), "person")
