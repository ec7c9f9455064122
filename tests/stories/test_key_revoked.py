"""A signing key is revoked on a running stack: what came before its end stays, what comes after goes to quarantine."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.stories.running import Demo
from zeren.stack.client import Local
from zeren.stack.local import SERVICES
from zeren.stack.paths import CHECKOUT

SECONDS = 60.0
COMMAND_SECONDS = 240


def test_a_revoked_key_counts_by_the_brokers_clock_in_every_service(demo: Demo, tmp_path: Path) -> None:
    """Accepted or rejected before, the sender has its receipt; from the end on the same key is quarantined."""
    with Local(demo.state) as local:
        handler = local.as_duty("REGISTRAR")
        page = local.get("enrolment", "/institutions", bearer=handler, params={"kind": "TRAINING"})
        uscc = page["items"][0]["uscc"]
        detail = local.get("enrolment", f"/institutions/{uscc}", bearer=handler)
    key_id = detail["keys"][0]["key_id"]
    before = _submit(demo, uscc, tmp_path, "before-the-end", "--wait")
    assert json.loads(before.stdout)["results"][0]["receipt"]["outcome"] == "rejected"

    revoke = ("institution", "revoke-key", "--uscc", uscc, "--key-id", key_id, "--reason", "LOST")
    done = _zeren(demo, *revoke, "--json")
    assert done.returncode == 0, done.stderr
    end = json.loads(done.stdout)["valid_until"]
    with Local(demo.state) as local:
        told = {service: local.get(service, f"/keys/{key_id}")["valid_until"] for service in SERVICES}
    assert {value.replace("+00:00", "Z") for value in told.values()} == {end}

    assert _submit(demo, uscc, tmp_path, "after-the-end").returncode == 0
    assert _quarantined(demo, key_id) == ["signature.key_not_valid_then"]
    again = _zeren(demo, *revoke)
    assert again.returncode == 1
    assert "institution.key_revoked_already" in again.stderr


def _submit(demo: Demo, uscc: str, folder: Path, name: str, *more: str) -> subprocess.CompletedProcess[str]:
    """A class that begins in the past: it is answered at once."""
    session = {"session_ref": f"{name}-s", "held_on": "2020-01-06", "starts_at": "09:00", "ends_at": "11:00"}
    document = {
        "specversion": "1.0",
        "id": name,
        "source": f"urn:uscc:{uscc}",
        "type": "zeren.submission.ApplyClass.v1",
        "time": "2024-12-01T09:00:00+08:00",
        "nonce": "q83vEjRWeJCrze8SNFZ4kA",
        "data": {
            "class_ref": name,
            "region": "350100",
            "occupation_id": "elder-carer",
            "level": "5",
            "training_kind": "EMPLOYMENT_SKILL",
            "programme_tags": [],
            "max_trainees": 30,
            "sessions": [{**session, "teacher_ref": "t-1"}],
        },
    }
    file = folder / f"{name}.jsonl"
    file.write_text(json.dumps(document), "utf-8")
    key = demo.dataset / "keys" / f"{uscc}.jwk"
    return _zeren(demo, "submit", str(file), "--key", str(key), "--json", *more)


def _quarantined(demo: Demo, key_id: str) -> list[str]:
    """The reasons of what enrolment has quarantined under this key, once there are any."""
    deadline = time.monotonic() + SECONDS
    while True:
        with demo.servers.postgres.connect("enrolment") as connection:
            query = "SELECT state FROM events WHERE topic = 'zeren.enrolment.SubmissionQuarantined.v1'"
            facts: list[dict[str, Any]] = [
                json.loads(bytes(row[0]))["data"] for row in connection.execute(query)
            ]
        found = [fact["reasons"][0]["code"] for fact in facts if fact["claimed_key"] == key_id]
        if found or time.monotonic() > deadline:
            return found
        time.sleep(0.2)


def _zeren(demo: Demo, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, "-m", "zeren", *arguments, "--state", demo.state.path.name),
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )
