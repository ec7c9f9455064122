"""Erasure (删除): one trainee of a whole demo is erased. Nothing of them can be read anywhere, every proof stands.

The person has been paid, to an account of their own, so that every kind of personal value was kept of them.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, TopicPartition
from psycopg import sql
from sqlalchemy import text

from shared.vault.accounts import Accounts
from shared.vault.database import make_engine
from shared.vault.keyfile import read_key_file
from shared.vault.names import PersonNames
from shared.vault.vault import Vault
from tests.stories.bundles import bundled
from tests.stories.running import Demo
from zeren.stack.client import Local
from zeren.stack.paths import CHECKOUT

SERVICES = ("enrolment", "certification", "payment", "audit")
INTAKE = tuple(f"zeren.{service}.intake.v1" for service in ("enrolment", "certification", "payment"))
PARTITIONS = 6
SECONDS = 60.0
COMMAND_SECONDS = 240
LEFT_OUT = ("dataset/", "kafka/")
"""What institutions and people have themselves, and the broker's own files: its topics are read as records."""


@dataclass(frozen=True, slots=True)
class Before:
    """The person, and how everything stood before the erasure.

    Attributes:
        values: name, ID number, phone and account number.
        facts: SHA-256 of every fact by service and position.
        leaves: of the ledger.
        size, root: of the ledger's signed head.
        wrapped: the person's wrapped data key.
    """

    person: str
    claim: dict[str, Any]
    values: tuple[str, ...]
    facts: dict[tuple[str, int], bytes]
    leaves: list[bytes]
    size: int
    root: str
    wrapped: bytes


@pytest.fixture(scope="module")
def before(demo: Demo) -> Before:
    """A trainee who was paid to an account of their own."""
    claim = _paid_to_a_person(demo)
    person = claim["person_id"]
    vault = _vault(demo)
    named = PersonNames(vault).read([person])[person]
    account = Accounts(vault).read([claim["account_id"]])[claim["account_id"]]
    values = [named.name, named.national_id, account.number]
    with vault.begin() as connection:
        key = vault.data_keys(connection, [person])[person]
        sealed = text("SELECT sealed FROM sealed_values WHERE person_id = :person AND field = 'phone'")
        phone = connection.execute(sealed, {"person": person}).scalar_one_or_none()
        if phone is not None:
            values.append(key.open(bytes(phone), person, "phone").decode())
        wrapped = text("SELECT wrapped FROM data_keys WHERE person_id = :person")
        kept = bytes(connection.execute(wrapped, {"person": person}).scalar_one())
    with Local(demo.state) as local:
        log = f"{local.url('audit')}/log"
    leaves = bundled(log)
    size, root = _head(demo)
    return Before(person, claim, tuple(values), _facts(demo), leaves, size, root, kept)


@pytest.fixture(scope="module")
def erased(demo: Demo, before: Before) -> dict[str, Any]:
    """What `zeren person erase` answers; the intake topics are past their retention then."""
    assert _seen_in_topics(demo, before.values), "the scan of topics must see the values before"
    assert _on_disk(demo, before.wrapped), "the scan of files must see the key before"
    done = _zeren(demo, "person", "erase", before.person, "--reason", "CONSENT_WITHDRAWN", "--json")
    assert done.returncode == 0, done.stderr
    _past_retention(demo)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_the_command_tells_what_was_deleted_and_what_is_kept(erased: dict[str, Any], before: Before) -> None:
    """Two people stand for it; counts, never a value."""
    assert (erased["status"], erased["order_no"], erased["open_claims"]) == ("ERASED", 1, [])
    assert erased["ordered_by"] != erased["confirmed_by"]
    deleted = erased["deleted"]
    assert (deleted["data_keys"], deleted["accounts"]) == (1, 1)
    assert deleted["values"] >= 2
    assert deleted["submissions"] >= 2
    assert set(erased["kept"]) == {"facts", "blind_index", "intake"}
    assert not any(value in json.dumps(erased, ensure_ascii=False) for value in before.values)


def test_the_ledger_verifies_and_its_old_sizes_are_what_they_were(
    demo: Demo, before: Before, erased: dict[str, Any]
) -> None:
    """Every old leaf is the same bytes, and the old root follows from today's leaves."""
    assert erased
    verified = _zeren(demo, "ledger", "verify", "--json")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    with Local(demo.state) as local:
        leaves = bundled(f"{local.url('audit')}/log")
    assert len(leaves) > len(before.leaves)
    assert leaves[: len(before.leaves)] == before.leaves
    assert _root(leaves[: before.size]).hex() == before.root


def test_every_fact_is_the_same_bytes(demo: Demo, before: Before, erased: dict[str, Any]) -> None:
    """An erasure adds facts; it changes none."""
    assert erased
    now = _facts(demo)
    assert {place: now[place] for place in before.facts} == before.facts
    assert len(now) > len(before.facts)


def test_no_value_of_the_person_is_readable_anywhere(
    demo: Demo, before: Before, erased: dict[str, Any]
) -> None:
    """Not in a table of any database, a topic, a log, the bank's folder or another file; nor by the vault itself."""
    assert erased
    assert PersonNames(_vault(demo)).read([before.person]) == {}
    assert Accounts(_vault(demo)).read([before.claim["account_id"]]) == {}
    forms = [value.encode() for value in before.values]
    places = {"databases": _databases(demo), "files": _files(demo.state.path)}
    hits = {
        place: sorted({where for where, content in rows if any(form in content for form in forms)})
        for place, rows in places.items()
    }
    assert hits == {"databases": [], "files": []}
    assert not _seen_in_topics(demo, before.values)


def test_the_wrapped_key_is_in_no_file_of_the_vaults_database(
    demo: Demo, before: Before, erased: dict[str, Any]
) -> None:
    """Not even as a dead row: neither the master key nor a copied disk brings the values back."""
    assert erased
    assert not _on_disk(demo, before.wrapped)


def test_audit_shows_the_person_as_erased(demo: Demo, before: Before, erased: dict[str, Any]) -> None:
    """The claim's replay is whole; in the place of the name stands that it was erased."""
    assert erased
    with Local(demo.state) as local:
        told = local.get(
            "audit",
            f"/claims/{before.claim['claim_id']}/replay",
            bearer=local.as_duty("AUDITOR"),
            params={"reason": "CASE_REVIEW"},
        )
    assert told["claim"]["state"] == "PAID"
    assert "erased" in told["persons"][before.person]


def test_the_no_repeat_rule_still_holds_for_the_person(
    demo: Demo, before: Before, erased: dict[str, Any], tmp_path: Path
) -> None:
    """A new claim for the same person, occupation and level is refused as used."""
    assert erased
    document = {
        "specversion": "1.0",
        "id": "after-the-erasure",
        "source": f"urn:uscc:{before.claim['institution']}",
        "type": "zeren.submission.ApplySubsidy.v1",
        "time": "2024-12-01T09:00:00+08:00",
        "nonce": "q83vEjRWeJCrze8SNFZ4kA",
        "data": {
            "application_ref": "after-the-erasure",
            "lines": [{"line": 1, "certificate_id": before.claim["certificate_id"]}],
        },
    }
    file = tmp_path / "claims.jsonl"
    file.write_text(json.dumps(document), "utf-8")
    key = demo.dataset / "keys" / f"{before.claim['institution']}.jwk"
    sent = _zeren(demo, "submit", str(file), "--key", str(key), "--wait", "--json")
    (result,) = json.loads(sent.stdout)["results"]
    assert [reason["code"] for reason in result["receipt"]["reasons"]] == ["entitlement.already_used"]


def test_erasing_again_finds_nothing_and_is_no_error(
    demo: Demo, before: Before, erased: dict[str, Any]
) -> None:
    """A second order is carried out like the first; its counts are all zero."""
    assert erased
    done = _zeren(demo, "person", "erase", before.person, "--reason", "OTHER_LAW", "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["order_no"], sum(answer["deleted"].values())) == (2, 0)


def _zeren(demo: Demo, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, "-m", "zeren", *arguments, "--state", demo.state.path.name),
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )


def _paid_to_a_person(demo: Demo) -> dict[str, Any]:
    """The data of a paid claim whose payee is the person and who has no other claim of their own still open."""
    claimed: dict[str, dict[str, Any]] = {}
    ended: set[str] = set()
    paid: set[str] = set()
    for state in _states(demo, "payment").values():
        fact = json.loads(state)
        kind, content = fact["type"].split(".")[2], fact["data"]
        if kind == "SubsidyClaimed" and content["payee_kind"] == "PERSON":
            claimed[content["claim_id"]] = content
        elif kind in ("SubsidyPaid", "ClaimRefused"):
            ended.add(content["claim_id"])
            if kind == "SubsidyPaid":
                paid.add(content["claim_id"])
    busy = {claim["person_id"] for name, claim in claimed.items() if name not in ended}
    free = [claim for name, claim in claimed.items() if name in paid and claim["person_id"] not in busy]
    assert free, "no person of this run was paid to an account of their own"
    return free[0]


def _states(demo: Demo, service: str) -> dict[int, bytes]:
    with demo.servers.postgres.connect(service) as connection:
        rows = connection.execute("SELECT notification_id, state FROM events").fetchall()
    return {position: bytes(state) for position, state in rows}


def _facts(demo: Demo) -> dict[tuple[str, int], bytes]:
    return {
        (service, position): hashlib.sha256(state).digest()
        for service in SERVICES
        for position, state in _states(demo, service).items()
    }


def _vault(demo: Demo) -> Vault:
    keys = read_key_file(demo.state.path / "keys" / "vault-master.key")
    return Vault(make_engine(demo.servers.database_url("vault"), pool_size=1), keys)


def _head(demo: Demo) -> tuple[int, str]:
    done = _zeren(demo, "ledger", "checkpoint", "--json")
    assert done.returncode == 0, done.stderr
    head = json.loads(done.stdout)
    return head["size"], head["root"]


def _root(leaves: list[bytes]) -> bytes:
    """RFC 6962 §2.1, by the book."""
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    left = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + _root(leaves[:left]) + _root(leaves[left:])).digest()


def _databases(demo: Demo) -> Iterator[tuple[str, bytes]]:
    """Every column of every table of every database, the vault's as well."""
    for name in (*SERVICES, "vault"):
        with demo.servers.postgres.connect(name) as connection:
            columns = connection.execute(
                """SELECT table_schema, table_name, column_name, data_type FROM information_schema.columns
                   WHERE table_schema NOT IN ('pg_catalog', 'information_schema')"""
            ).fetchall()
            assert len(columns) > 20
            for schema, table, column, kind in columns:
                cast = sql.SQL("{}") if kind == "bytea" else sql.SQL("{}::text")
                query = sql.SQL("SELECT {} FROM {}").format(
                    cast.format(sql.Identifier(column)), sql.Identifier(schema, table)
                )
                for (value,) in connection.execute(query):
                    if value is not None:
                        content = value.encode() if isinstance(value, str) else bytes(value)
                        yield f"{name}.{table}.{column}", content


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_file() and not name.startswith(LEFT_OUT):
            yield name, path.read_bytes()


def _seen_in_topics(demo: Demo, values: tuple[str, ...]) -> bool:
    """Whether a record of any topic holds one of the values."""
    forms = [value.encode() for value in values]
    consumer = Consumer({**demo.servers.kafka.settings(), "group.id": "scan", "enable.auto.commit": False})
    try:
        left: dict[tuple[str, int], int] = {}
        for name, topic in consumer.list_topics(timeout=SECONDS).topics.items():
            for partition in topic.partitions:
                low, high = consumer.get_watermark_offsets(TopicPartition(name, partition), SECONDS)
                if high > low and not name.startswith("__"):
                    left[name, partition] = high
        consumer.assign([TopicPartition(*place, OFFSET_BEGINNING) for place in left])
        while left:
            record = consumer.poll(SECONDS)
            assert record is not None, f"records are missing: {left}"
            assert record.error() is None
            if any(form in (record.value() or b"") for form in forms):
                return True
            place = record.topic(), record.partition()
            if record.offset() + 1 >= left.get(place, 0):  # type: ignore[operator, arg-type]
                left.pop(place, None)  # type: ignore[arg-type]
    finally:
        consumer.close()
    return False


def _past_retention(demo: Demo) -> None:
    """What the broker does with intake records after seven days."""
    ends = [TopicPartition(topic, number, OFFSET_END) for topic in INTAKE for number in range(PARTITIONS)]
    admin = demo.servers.kafka.admin()
    for future in admin.delete_records(ends).values():
        future.result(SECONDS)


def _on_disk(demo: Demo, content: bytes) -> bool:
    """Whether any file of the vault's database holds these bytes."""
    with demo.servers.postgres.connect("vault") as administrator:
        administrator.execute("CHECKPOINT")
        (folder,) = administrator.execute("SHOW data_directory").fetchone() or ("",)
        query = "SELECT oid FROM pg_database WHERE datname = current_database()"
        (oid,) = administrator.execute(query).fetchone() or (0,)
    files = [path for path in (Path(folder) / "base" / str(oid)).iterdir() if path.is_file()]
    assert files
    return any(content in path.read_bytes() for path in files)
