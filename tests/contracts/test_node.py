"""What is checked with Node: contracts, by the official AsyncAPI parser and CloudEvents SDK, and a strict validator.

And what the sample institution says before it sends anything; it sends in tests/stories/test_node_institution.py.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT
from tests.contracts.make_golden import SAMPLE_USCC
from tests.nodejs import install, install_example, run_node
from zeren.institution.keys import SigningKey, write_key
from zeren.institution.profile import Profile, write_profile

HERE = ROOT / "tests" / "node"
FILES = sorted(HERE.glob("*.test.mjs"))
SECONDS = 300


@pytest.fixture(scope="module")
def installed() -> Path:
    """The folder of the checks with its pinned packages."""
    install(HERE)
    return HERE


@pytest.mark.timeout(2 * SECONDS)
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_checks_in_node_pass(installed: Path, path: Path) -> None:
    """Every one of a file; Node's own report tells which did not."""
    ran = run_node(installed, "--test", "--test-reporter=tap", path.name, seconds=SECONDS)
    counted = {name: int(count) for name, count in re.findall(r"^# (\w+) (\d+)$", ran.stdout, re.MULTILINE)}
    assert ran.returncode == 0, ran.stdout
    assert counted["pass"] >= 1
    assert (counted["fail"], counted["skipped"], counted["todo"]) == (0, 0, 0)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample institution with its packages."""
    return install_example(tmp_path_factory.mktemp("node-institution"))


def sends(sample: Path, folder: Path, document: str, *more: str) -> str:
    """What it says, with exit code 2, of a document where no Kafka answers."""
    key = folder / "school.jwk"
    write_key(key, SigningKey.generate("school-1"))
    written = Profile(
        uscc=SAMPLE_USCC, name="示例学校", kind="TRAINING", bootstrap="127.0.0.1:1", user="u", password="p",
        security_protocol="SASL_PLAINTEXT", receipts_topic="r", key_id="school-1", key_file=str(key),
    )  # fmt: skip
    file = folder / "document.json"
    file.write_text(document, "utf-8")
    command = ("--profile", str(write_profile(folder, written)), "--document", str(file), *more)
    ran = run_node(sample, "index.mjs", *command, seconds=SECONDS)
    assert (ran.returncode, ran.stdout) == (2, "")
    return ran.stderr


def completion(uscc: str = SAMPLE_USCC) -> str:
    """A document on one line."""
    kind = "zeren.submission.CompleteClass.v1"
    return json.dumps({"id": "c-1", "source": f"urn:uscc:{uscc}", "type": kind, "data": {"class_ref": "k-1"}})


def test_the_sample_sends_nothing_where_it_could_not_keep_the_receipt(sample: Path, tmp_path: Path) -> None:
    """A file that is there already, or a folder that is not."""
    kept = tmp_path / "receipt.json"
    kept.write_text("an earlier one", "utf-8")
    assert "已存在，未报送" in sends(sample, tmp_path, completion(), "--receipt", str(kept))
    assert kept.read_text("utf-8") == "an earlier one"
    (folder := tmp_path / "other").mkdir()
    nowhere = folder / "none" / "receipt.json"
    assert "请先建立" in sends(sample, folder, completion(), "--receipt", str(nowhere))


@pytest.mark.parametrize(
    ("document", "told"),
    [
        (json.dumps(json.loads(completion()), indent=2), "jq -c ."),
        (f"{completion()}\n{completion()}", "jq -c ."),
        (completion("91350200MA0000001X"), f"must be urn:uscc:{SAMPLE_USCC}"),
        ("null", f"must be urn:uscc:{SAMPLE_USCC}"),
        ("{", "zeren validate"),
        (f"\n{completion()}\n", "run zeren up"),
    ],
    ids=["over several lines", "two of them", "another's", "no object", "no JSON", "right, but no Kafka"],
)
def test_the_sample_says_what_to_do_before_it_sends(
    sample: Path, tmp_path: Path, document: str, told: str
) -> None:
    """One document on one line, of the profile's institution; and where Kafka is away, how to start it."""
    assert told in sends(sample, tmp_path, document)
