"""PostgreSQL's programs and folders where the user that runs it reaches them."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest

from zeren.stack import accounts
from zeren.stack.accounts import (
    can_run,
    copy_programs,
    installed_programs,
    own_folder,
    postgres_programs,
    unprivileged_account,
)
from zeren.stack.errors import ProcessFailed


@pytest.fixture
def postgres_root(tmp_path, monkeypatch):
    """A root of our own for what the unprivileged user must reach."""
    # pytest's own folders are private, so it lies outside them.
    root = Path(tempfile.gettempdir()) / f"zeren-{os.getpid()}-{tmp_path.name}"
    monkeypatch.setenv("ZEREN_POSTGRES_ROOT", str(root))
    yield root
    shutil.rmtree(root, ignore_errors=True)


def test_root_never_runs_postgresql_itself():
    """Root names another user; everybody else runs it as himself."""
    account = unprivileged_account()
    assert (account is None) == (os.geteuid() != 0)
    assert account is None or account.uid != 0


def test_the_installed_programs_run_for_the_account():
    """Whatever the way, the programs that are named can be run by whoever runs the server."""
    account = unprivileged_account()
    assert can_run(postgres_programs(account), account)


def test_a_copy_of_the_programs_runs_alone(postgres_root):
    """The copy holds its libraries, every user may run it, and it is made once."""
    copy = copy_programs(installed_programs())
    assert copy.is_relative_to(postgres_root)
    done = subprocess.run([copy / "initdb", "--version"], capture_output=True, check=True)
    assert b"18." in done.stdout
    assert stat.S_IMODE((copy / "postgres").stat().st_mode) == 0o755
    assert copy_programs(installed_programs()) == copy
    assert [path.name for path in postgres_root.iterdir() if path.name.startswith(".")] == []
    assert can_run(copy, unprivileged_account())


def test_programs_that_the_account_cannot_reach_are_copied_not_opened_up(
    postgres_root, tmp_path, monkeypatch
):
    """An installation in a private home stays private; the server runs from the copy."""
    package = installed_programs().parents[1]
    private = tmp_path / "private"
    shutil.copytree(package / "pginstall", private / package.name / "pginstall")
    shutil.copytree(package.with_name(f"{package.name}.libs"), private / f"{package.name}.libs")
    private.chmod(0o700)
    programs = private / package.name / "pginstall" / "bin"
    monkeypatch.setattr(accounts, "installed_programs", lambda: programs)
    account = unprivileged_account()
    found = postgres_programs(account)
    assert can_run(found, account)
    assert found.is_relative_to(private if account is None else postgres_root)
    assert stat.S_IMODE(private.stat().st_mode) == 0o700


def test_an_own_folder_is_private(postgres_root):
    """Only its owner enters it, whatever the umask."""
    account = unprivileged_account()
    own_folder(postgres_root / "one", account)
    found = (postgres_root / "one").stat()
    assert stat.S_IMODE(found.st_mode) == 0o700
    assert found.st_uid == (os.geteuid() if account is None else account.uid)


def test_a_user_that_does_not_exist_is_named(monkeypatch):
    """A configured user is never silently exchanged; without root none is needed."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("ZEREN_POSTGRES_USER", "no-such-user")
    with pytest.raises(ProcessFailed, match="no-such-user"):
        unprivileged_account()
