"""The master-key file: one key a line, the newest first, readable by its owner alone.

    <key id> <32 bytes in base64url without padding>

Adding a key and then `rewrap` changes the master key; the old line may go once nothing is wrapped under it. Who
loses the file loses every person's data, and its copies must go the way of the backups: outside the database's.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import secrets
from pathlib import Path

from shared.vault.errors import KeyFileUnusable
from shared.vault.sealing import KEY_BYTES, new_key
from shared.vault.wrapping import MasterKeys

_LINE = re.compile(r"(?P<id>[A-Za-z0-9][A-Za-z0-9._-]{0,63}) (?P<key>[A-Za-z0-9_-]{43})")
_OPEN_TO_OTHERS = 0o077


def create_key_file(path: Path) -> str:
    """Make a key file, mode 0600 from its first moment, with one fresh key; gives the key's id.

    Raises:
        KeyFileUnusable: the file exists: overwriting it would lose every person's data.
    """
    key_id, line = _new_line()
    try:
        _write_new(path, line)
    except FileExistsError:
        raise KeyFileUnusable(
            f"主密钥文件 {path} 已存在，不会覆盖；请保留它或换一个路径 / "
            f"the master-key file {path} exists and is never overwritten; keep it or choose another path"
        ) from None
    return key_id


def add_key(path: Path) -> str:
    """Put a fresh key before the others; new keys are wrapped under it from the next start on. Gives its id.

    Raises:
        KeyFileUnusable: see `read_key_file`.
    """
    text = _read(path)
    key_id, line = _new_line()
    incoming = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        _write_new(incoming, line + text)
        incoming.replace(path)
    finally:
        incoming.unlink(missing_ok=True)
    return key_id


def read_key_file(path: Path) -> MasterKeys:
    """The master keys of a key file.

    Raises:
        KeyFileUnusable: missing, open to others, or malformed.
    """
    return MasterKeys(_parse(path, _read(path)))


def _new_line() -> tuple[str, str]:
    key_id = f"mk-{secrets.token_hex(4)}"
    key = base64.urlsafe_b64encode(new_key()).decode().rstrip("=")
    return key_id, f"{key_id} {key}\n"


def _write_new(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())


def _read(path: Path) -> str:
    try:
        with path.open(encoding="ascii") as handle:
            mode = os.fstat(handle.fileno()).st_mode
            text = handle.read()
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileUnusable(
            f"无法读取主密钥文件 {path}（{type(error).__name__}） / "
            f"can't read the master-key file {path} ({type(error).__name__})"
        ) from None
    if mode & _OPEN_TO_OTHERS:
        raise KeyFileUnusable(
            f"主密钥文件 {path} 可被他人读取；请设为 0600 / "
            f"the master-key file {path} is open to others; set its mode to 0600"
        )
    _parse(path, text)
    return text


def _parse(path: Path, text: str) -> dict[str, bytes]:
    keys: dict[str, bytes] = {}
    for number, line in enumerate(text.splitlines(), 1):
        found = _LINE.fullmatch(line)
        key = None if found is None else _decode(found["key"])
        if found is None or key is None or found["id"] in keys:
            raise KeyFileUnusable(
                f"主密钥文件 {path} 第 {number} 行格式不对或重复 / "
                f"line {number} of the master-key file {path} is malformed or repeats an id"
            )
        keys[found["id"]] = key
    if not keys:
        raise KeyFileUnusable(f"主密钥文件 {path} 为空 / the master-key file {path} is empty")
    return keys


def _decode(text: str) -> bytes | None:
    try:
        key = base64.b64decode(text + "=", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if len(key) == KEY_BYTES else None
