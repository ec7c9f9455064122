"""The sample institution in Node gets its receipts from a running stack, following docs/wire-format.md alone."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from shared.contracts.checking import Checked, check, preamble
from shared.intake.signature import parse_jws
from tests.nodejs import EXAMPLE, install_example, run_node
from tests.stories.running import Demo
from zeren.institution.keys import SigningKey, write_key
from zeren.stack.paths import CHECKOUT

USCC = "91350200MA0000001W"
SECONDS = 240
NEXT_STEPS = (
    "zeren parked list",
    f"zeren institution key list --uscc {USCC}",
    f"zeren institution receipts --uscc {USCC}",
)
"""What shows why no receipt came."""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, installed."""
    return install_example(tmp_path_factory.mktemp("node-institution"))


@pytest.fixture(scope="module")
def profile(demo: Demo) -> str:
    """The profile that the README's own command of registration writes."""
    readme = (EXAMPLE / "README.md").read_text("utf-8")
    (command,) = re.findall(r"^\.venv/bin/zeren (institution register .+)$", readme, re.MULTILINE)
    registered = _zeren(demo, *command.split())
    assert USCC in command
    return registered.stdout.strip().rpartition(" → ")[2]


def test_it_gets_an_accepted_receipt_that_the_ledger_proves(
    demo: Demo, program: Path, profile: str, tmp_path: Path
) -> None:
    """Exit code 0, the receipt on one line, its exact bytes in a file: they are the ledger's entry."""
    kept = tmp_path / "receipt.json"
    ran = run_node(program, "index.mjs", "--profile", profile, "--receipt", str(kept), seconds=SECONDS)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert (told["outcome"], len(told["facts"]), told["reasons"]) == ("accepted", 1, [])
    receipt = json.loads(kept.read_bytes())
    assert receipt["id"] == told["receipt"]
    assert receipt["data"]["institution"] == USCC
    assert parse_jws(receipt["data"]["origin"]["jws"].encode()).key_id.startswith(USCC)
    assert _proven(demo, told["receipt"], tmp_path) == kept.read_bytes()


def test_a_rejection_a_wait_and_a_fault_have_their_own_exit_codes(
    demo: Demo, program: Path, profile: str, tmp_path: Path
) -> None:
    """A class in the past is rejected; a completion of no class waits; a wrong password is told as such.

    A file is one submission, whoever sends it: `zeren submit` signs the same bytes and gets the same receipt.
    """
    past = _document("past-1", "ApplyClass", {
        "class_ref": "node-past", "region": "350200", "occupation_id": "elder-carer", "level": "5",
        "training_kind": "EMPLOYMENT_SKILL", "programme_tags": [], "max_trainees": 30,
        "sessions": [{"session_ref": "node-past-s", "held_on": "2020-01-06", "starts_at": "09:00", "ends_at": "11:00",
                      "teacher_ref": "t-1"}],
    })  # fmt: skip
    rejected = _sent(program, profile, tmp_path, past)
    assert rejected.returncode == 1, rejected.stderr
    told = json.loads(rejected.stdout)
    assert [reason["code"] for reason in told["reasons"]] == ["class.starts_in_past"]
    assert _sent_by_zeren(demo, profile, tmp_path / "document.json")["fact_id"] == told["receipt"]

    waits = _document("waits-1", "CompleteClass", {"class_ref": "nowhere"})
    silent = _sent(program, profile, tmp_path, waits, "--seconds", "1")
    assert silent.returncode == 2
    assert "没有 waits-1 的回执" in silent.stderr
    assert all(silent.stderr.count(command) == 2 for command in NEXT_STEPS), "in Chinese and in English"

    unknown = tmp_path / "unknown.toml"
    secret = re.sub(
        r"^password = .+$", 'password = "wrong"', Path(profile).read_text("utf-8"), flags=re.MULTILINE
    )
    unknown.write_text(secret, "utf-8")
    readable = run_node(program, "index.mjs", "--profile", str(unknown), seconds=SECONDS)
    assert (readable.returncode, "chmod 600" in readable.stderr) == (2, True)
    unknown.chmod(0o600)
    refused = run_node(program, "index.mjs", "--profile", str(unknown), seconds=SECONDS)
    assert refused.returncode == 2
    assert "无法使用 Kafka" in refused.stderr


def test_a_key_that_is_not_the_registered_one_gets_no_receipt_and_the_next_steps(
    demo: Demo, profile: str, tmp_path: Path
) -> None:
    """Under the registered key's id, yet another key: nobody can be answered."""
    (key_id,) = re.findall(r'^key_id = "(.+)"$', Path(profile).read_text("utf-8"), re.MULTILINE)
    key = tmp_path / "other.jwk"
    write_key(key, SigningKey.generate(key_id))
    file = tmp_path / "document.jsonl"
    file.write_bytes(_document("other-1", "CompleteClass", {"class_ref": "nowhere"}))
    call = ("submit", str(file), "--key", str(key), "--wait", "--timeout", "2")
    silent = _zeren(demo, *call, check=False)
    assert silent.returncode == 1
    assert all(command in silent.stdout for command in NEXT_STEPS)


def _document(name: str, kind: str, data: dict[str, Any]) -> bytes:
    whole = {
        "specversion": "1.0", "id": name, "source": f"urn:uscc:{USCC}", "type": f"zeren.submission.{kind}.v1",
        "time": "2024-12-01T09:00:00+08:00", "nonce": "q83vEjRWeJCrze8SNFZ4kA", "data": data,
    }  # fmt: skip
    value = json.dumps(whole).encode()
    assert isinstance(check(value, preamble(value)), Checked)
    return value


def _sent(
    program: Path, profile: str, folder: Path, document: bytes, *more: str
) -> subprocess.CompletedProcess[str]:
    file = folder / "document.json"
    file.write_bytes(document + b"\n")
    command = ("index.mjs", "--profile", profile, "--document", str(file), *more)
    return run_node(program, *command, seconds=SECONDS)


def _sent_by_zeren(demo: Demo, profile: str, file: Path) -> dict[str, Any]:
    """The receipt that `zeren submit` gets for a file of one document."""
    (key,) = re.findall(r'^key_file = "(.+)"$', Path(profile).read_text("utf-8"), re.MULTILINE)
    ran = _zeren(demo, "submit", str(file), "--key", key, "--wait", "--json", check=False)
    (result,) = json.loads(ran.stdout)["results"]
    receipt: dict[str, Any] = result["receipt"]
    return receipt


def _proven(demo: Demo, fact: str, folder: Path) -> bytes:
    """The entry that the ledger proves for a fact, once it has it."""
    deadline = time.monotonic() + SECONDS
    while True:
        ran = _zeren(demo, "ledger", "prove", fact, "--out", str(folder / "proof"), check=False)
        if ran.returncode == 0 or time.monotonic() > deadline:
            assert ran.returncode == 0, ran.stderr
            (entry,) = (folder / "proof").glob("*.json")
            return entry.read_bytes()
        time.sleep(0.5)


def _zeren(demo: Demo, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    ran = subprocess.run(
        (sys.executable, "-m", "zeren", *arguments, "--state", demo.state.path.name),
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert ran.returncode == 0 or not check, ran.stderr
    return ran
