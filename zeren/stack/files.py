"""Files written whole or not at all, and files that only their owner may read."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def write_whole(
    path: Path, content: bytes, *, mode: int = 0o644, owner: tuple[int, int] | None = None
) -> None:
    """Replace `path` in one step: a reader or a crash sees the old bytes or the new ones, never a part.

    `mode` holds from the file's first moment, so a secret is never readable by others. `owner` is (uid, gid)
    and goes to the open file, never to a name that someone could have turned into a link meanwhile.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(content)
            handle.flush()
            if owner is not None:
                os.fchown(handle.fileno(), *owner)
            os.fsync(handle.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_private(path: Path, content: str | bytes) -> None:
    """Like `write_whole`, mode 0600."""
    write_whole(path, content.encode() if isinstance(content, str) else content, mode=0o600)


def private_folder(path: Path) -> Path:
    """Create `path` with mode 0700 (parents as the system creates them) and return it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def put_back_mark(folder: Path, service: str) -> Path:
    """Stands in the state folder from the restore of a service's database until what it lacks is back."""
    return folder / f"put-back-{service}"
