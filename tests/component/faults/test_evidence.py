"""Raw submissions lie sealed; the entitled read them, and each look is a fact."""

from __future__ import annotations

import hashlib
import json
import stat
import subprocess
import sys

import pytest

from tests.component.faults.sending import Outgoing, Town
from zeren.stack.client import ServiceRefused
from zeren.stack.paths import CHECKOUT

pytestmark = pytest.mark.timeout(300)

JUNK = b"\x00 no document, perhaps somebody's name"
REASON = {"reason": "QUARANTINE_REVIEW"}


@pytest.fixture(scope="module")
def digest(town: Town) -> str:
    """SHA-256 of a record that nobody can attribute, once it lies in quarantine."""
    assert town.told(Outgoing(value=JUNK, headers=None)) == ["quarantined submission.unreadable"]
    return hashlib.sha256(JUNK).hexdigest()


def path(digest: str) -> str:
    return f"/evidence/enrolment/{digest}"


def test_an_auditor_reads_what_lies_in_quarantine_and_the_look_is_a_fact(town, digest):
    """The bytes as they were sent; the fact names reader, digest and reason, never a value."""
    before = looks_at(town, digest)
    bearer = town.local.as_duty("AUDITOR")
    assert town.local.get_bytes("audit", path(digest), bearer=bearer, params=REASON) == JUNK
    (look,) = looks_at(town, digest)[len(before) :]
    assert look["data"]["fields"] == ["submission.body"]
    assert look["data"]["reason"] == REASON["reason"]
    assert look["correlationid"] == look["subject"], "a digest is no case: the reader's day is"


def looks_at(town: Town, digest: str) -> list[dict]:
    """What audit recorded of looks at one digest, in order."""
    query = """SELECT state FROM events WHERE topic = 'zeren.audit.PersonalDataRead.v1'
               AND position(%s::bytea IN state) > 0 ORDER BY notification_id"""
    with town.servers.postgres.connect("audit") as connection:
        return [json.loads(row[0]) for row in connection.execute(query, (digest.encode(),))]


@pytest.mark.parametrize(
    ("duty", "params", "code"),
    [("OPERATOR", REASON, "action.duty_not_held"), ("AUDITOR", {}, "reading.reason_missing")],
)
def test_without_the_duty_or_a_reason_nothing_is_shown(town, digest, duty, params, code):
    """And nothing is opened."""
    with pytest.raises(ServiceRefused) as refused:
        town.local.get_bytes("audit", path(digest), bearer=town.local.as_duty(duty), params=params)
    assert refused.value.code == code


def test_an_unknown_digest_is_told_as_such(town):
    """A look at nothing is a look all the same."""
    with pytest.raises(ServiceRefused) as refused:
        town.local.get_bytes("audit", path("0" * 64), bearer=town.local.as_duty("AUDITOR"), params=REASON)
    assert refused.value.code == "evidence.unknown"


def test_the_command_writes_a_file_that_only_its_owner_reads_and_never_over_another(town, digest, tmp_path):
    """Mode 0600; a second time it refuses before anything is read."""
    file = tmp_path / "evidence.bin"
    options = ("--reason", REASON["reason"], "--to", str(file), "--state", town.state.path.name)
    command = (sys.executable, "-m", "zeren", "audit", "evidence", "enrolment", digest, *options)
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert file.read_bytes() == JUNK
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    elsewhere = (*command[:-3], str(tmp_path / "nowhere" / "x"), *command[-2:])
    before = looks_at(town, digest)
    refused = subprocess.run(elsewhere, cwd=CHECKOUT, capture_output=True, timeout=60, check=False)
    assert refused.returncode == 2
    assert f"没有目录 {tmp_path / 'nowhere'}" in refused.stderr.decode()
    again = subprocess.run(command, cwd=CHECKOUT, capture_output=True, timeout=60, check=False)
    assert again.returncode == 2
    assert looks_at(town, digest) == before
