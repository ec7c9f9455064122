"""Every record is what an institution would send: its shape, its signature, its key, its day."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import date

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from shared.contracts.checking import Checked, check, preamble
from shared.contracts.submission import SUBMISSIONS
from tests.domain.generator.conftest import Generated


def unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def verifies(row: dict[str, object], key: Ed25519PublicKey) -> bool:
    """Whether the detached signature (RFC 7797) is over exactly these bytes."""
    headers, value = row["headers"], base64.b64decode(str(row["value_base64"]))
    assert isinstance(headers, dict)
    protected, nothing, signature = headers["jws"].split(".")
    assert nothing == ""
    try:
        key.verify(unpadded(signature), protected.encode() + b"." + value)
    except InvalidSignature:
        return False
    return True


def digest(row: dict[str, object]) -> str:
    headers = row["headers"]
    assert isinstance(headers, dict)
    proof = base64.b64decode(str(row["value_base64"])) + b"\0" + headers.get("jws", "").encode()
    return hashlib.sha256(proof).hexdigest()


def test_signatures_verify_but_for_the_quarantined(run: Generated) -> None:
    """Every record is signed by its source's registered key, unless the truth quarantines it."""
    keys = {
        row["uscc"]: Ed25519PublicKey.from_public_bytes(unpadded(row["public_key"]))
        for row in run.rows("organisations.jsonl")
    }
    quarantined = 0
    for row in run.rows("records.jsonl"):
        if digest(row) in run.truth["quarantined"]:
            quarantined += 1
            continue
        assert set(row["headers"]) == {"jws", "content-type"}
        assert verifies(row, keys[row["party"]])
    assert quarantined == len(run.truth["quarantined"])


def test_private_keys_fit_the_registered_ones(run: Generated) -> None:
    """The JWK of each organisation signs what its public key verifies."""
    for row in run.rows("organisations.jsonl"):
        jwk = json.loads((run.folder / "keys" / f"{row['uscc']}.jwk").read_text())
        key = Ed25519PrivateKey.from_private_bytes(unpadded(jwk["d"]))
        assert unpadded(jwk["x"]) == key.public_key().public_bytes_raw() == unpadded(row["public_key"])
        assert jwk["kid"] == row["key_id"]


def test_the_services_own_check_finds_the_same_fault_of_form(run: Generated) -> None:
    """Shape, references and ID numbers: the services' contract and the truth agree on every document."""
    form = {"reference.looks_personal", "reference.malformed", "trainee.id_number_invalid"}
    for row in run.rows("records.jsonl"):
        if digest(row) in run.truth["quarantined"]:
            continue
        value = base64.b64decode(row["value_base64"])
        found = preamble(value)
        receipt = run.truth["receipts"][f"{found.institution}/{found.id}"]
        checked = check(value, found, row["service"])
        if isinstance(checked, Checked):
            assert not form & set(receipt["codes"])
            assert row["key"] == SUBMISSIONS[found.type].case(found.institution, checked.document.data)
        else:
            assert sorted({reason.code for reason in checked}) == receipt["codes"]


def test_records_lie_in_order_on_active_days(run: Generated) -> None:
    """Days and phases never go back, and each day of a record has the step that sends it."""
    order = [(row["day"], row["phase"]) for row in run.rows("records.jsonl")]
    assert order == sorted(order)
    sending = {day["date"] for day in run.manifest["days"] if "send" in day["steps"]}
    assert {day for day, _ in order} <= sending
    assert {row["day"] for row in run.rows("people.jsonl")} <= sending
    assert len(run.manifest["days"]) <= 16
    assert (run.manifest["first_day"], run.manifest["last_day"]) == ("2024-05-13", "2024-06-17")


def test_every_region_has_an_institution(run: Generated) -> None:
    """All ten, 平潭 (350128) of its own; about 25 organisations from 100 trainees on."""
    rows = run.rows("organisations.jsonl")
    assert {row["region"] for row in rows if row["kind"] == "TRAINING"} == set(run.truth["regions"])
    assert len(run.truth["regions"]) == 10
    assert len(rows) == (25 if run.trainees >= 100 else 15)
    assert [row["kind"] for row in rows].count("BANK") == 1
    assert len({row["name"] for row in rows}) == len(rows)


def test_every_personal_value_of_the_run_is_listed(run: Generated) -> None:
    """What the scan of a run must look for: names, ID numbers, phones, accounts of every document and claim."""
    listed = {row["value"] for row in run.rows("personal.jsonl")}
    for row in run.rows("records.jsonl"):
        value = base64.b64decode(row["value_base64"])
        if digest(row) not in run.truth["quarantined"]:
            listed_there = json.loads(value)["data"].get("trainee", {})
            assert set(listed_there.values()) <= listed
    for row in run.rows("people.jsonl"):
        assert {row["name"], row["national_id"], row["account"]["number"]} <= listed
    for row in run.rows("organisations.jsonl"):
        assert row["kind"] != "TRAINING" or row["account"]["number"] in listed
        assert not any(value in row["name"] for value in listed)


@pytest.mark.parametrize("case", ["flipped_byte", "signature_over_other_bytes"])
def test_broken_signatures_spend_no_id(small: Generated, case: str) -> None:
    """The proper record of the same id comes later the same day and is answered as if nothing had been."""
    assert small.cases[case] == 1
    broken = [row for row in small.rows("records.jsonl") if digest(row) in small.truth["quarantined"]]
    ids = {}
    for row in broken:
        if small.truth["quarantined"][digest(row)] == "signature.invalid":
            found = preamble(base64.b64decode(row["value_base64"]))
            ids[f"{found.institution}/{found.id}"] = date.fromisoformat(row["day"])
    assert len(ids) == 2
    assert all(small.truth["receipts"][name]["codes"] != ["submission.id_reused"] for name in ids)
