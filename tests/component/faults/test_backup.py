"""The drill: all databases are lost, put back from a backup, recovered from Kafka, and everything goes on."""

from __future__ import annotations

import json
import shutil
import stat
from datetime import date, timedelta
from pathlib import Path

import httpx
import pytest
from confluent_kafka import Producer
from psycopg import sql

from tests.component.faults.outage import assert_facts_are_the_same_everywhere, receipts_held, until
from tests.component.faults.sending import Outgoing, Town
from zeren.cli.entry import main
from zeren.stack import whole
from zeren.stack.backup import MANIFEST, BackupRefused, back_up, put_back, read_manifest
from zeren.stack.days import business_date, open_days, wait_drained
from zeren.stack.local import SERVICES
from zeren.stack.supervisor import Supervisor
from zeren.verify import ledger

STORE_BEHIND = 4
QUERIES = {
    "events": "SELECT notification_id, originator_id, originator_version, topic, state FROM events ORDER BY 1",
    "reservations": "SELECT scope, key, holder FROM reservations WHERE scope NOT LIKE 'recovered.%' ORDER BY 1, 2",
    "deadlines": "SELECT kind, key, due, marked FROM deadlines ORDER BY 1, 2",
}


def class_applied(town: Town, name: str) -> Outgoing:
    """A class application by the school."""
    school = town.parties["school"]
    session = {"session_ref": f"{name}-s1", "held_on": "2024-06-14", "starts_at": "09:00", "ends_at": "11:00",
               "teacher_ref": "t1"}  # fmt: skip
    document = {
        "specversion": "1.0", "id": name, "source": f"urn:uscc:{school.uscc}",
        "type": "zeren.submission.ApplyClass.v1", "time": "2024-05-14T09:00:00+08:00", "nonce": "n" * 22,
        "data": {
            "class_ref": name, "region": "350100", "occupation_id": "elder-carer", "level": "5",
            "training_kind": "EMPLOYMENT_SKILL", "programme_tags": [], "max_trainees": 30, "sessions": [session],
        },
    }  # fmt: skip
    value = json.dumps(document).encode()
    return Outgoing(value=value, headers=school.signed(value))


def table(town: Town, service: str, name: str) -> list[tuple]:
    with town.servers.postgres.connect(service) as connection:
        return connection.execute(QUERIES[name]).fetchall()


def tables(town: Town) -> dict[tuple[str, str], list[tuple]]:
    return {(service, name): table(town, service, name) for service in SERVICES for name in QUERIES}


def stop_services(town: Town) -> None:
    for service in SERVICES:
        Supervisor(town.state).stop(service)


def lose(town: Town) -> None:
    """Every service's database is gone."""
    stop_services(town)
    with town.servers.postgres.connect() as connection:
        for service in SERVICES:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(service)))


@pytest.mark.timeout(400)
def test_lost_databases_come_back_whole_from_a_backup_and_kafka(town: Town, tmp_path: Path, capfd) -> None:
    """Backup, more work, loss, restore, refusal to start, recover: same bytes, same ledger, nothing decided twice."""
    first, second, junk = (
        class_applied(town, "kept-1"),
        class_applied(town, "later-1"),
        Outgoing(value=b"?", headers=[]),
    )
    assert town.told(first) == ["accepted"]
    wait_drained(town.local)
    manifest = back_up(town.servers, tmp_path / "backup")
    now = business_date(town.local)
    assert now is not None
    assert town.told(second, junk)[0] == "accepted"
    open_days(town.local, now + timedelta(days=1))
    log, vkey = f"{town.local.url('audit')}/log", whole.ledger_vkey(town.state)
    promised = httpx.get(f"{log}/checkpoint", trust_env=False).text
    before = tables(town)
    assert all(len(before[one, "events"]) > manifest["databases"][one]["position"] - 1 for one in SERVICES)

    lose(town)
    done = put_back(town.servers, tmp_path / "backup", SERVICES, with_vault=False)
    assert done == list(SERVICES)
    for service in SERVICES:
        refused = whole.run_task(town.state, service, "--roles", "worker")
        assert refused.returncode == STORE_BEHIND
        assert f"zeren recover {service}" in capfd.readouterr().err
    assert main(["recover", *SERVICES, "--state", town.state.path.name, "--json"]) == 0
    recovered = json.loads(capfd.readouterr().out)["recovered"]
    assert all(one["put_back"] > 0 and one["half_decided"] == 0 for one in recovered)
    assert tables(town) == before

    whole.start(town.state)
    wait_drained(town.local)
    assert business_date(town.local) == now + timedelta(days=1)
    assert ledger.verify_growth(log, vkey, promised).checkpoint.size >= int(promised.split("\n")[1])
    heads = {service: rows[-1][0] for (service, name), rows in before.items() if name == "events"}
    assert town.told(first, second) == []
    assert town.told(class_applied(town, "after-1")) == ["accepted"]
    new = [row for row in table(town, "enrolment", "events") if row not in before["enrolment", "events"]]
    assert len(new) == 2
    assert all(row[0] > heads["enrolment"] for row in new)
    wait_drained(town.local)
    assert ledger.verify(log, vkey).size == sum(len(table(town, one, "events")) for one in SERVICES)


@pytest.mark.timeout(400)
def test_everything_goes_on_after_kafka_and_all_that_was_in_it_is_lost(town: Town) -> None:
    """Topics, principals and rights are made again, facts sent again, and what is sent then is decided.

    Its offsets were decided before, in a log that is no more.
    """
    school, before = town.parties["school"], class_applied(town, "before-the-loss-1")
    assert town.told(before) == ["accepted"]
    wait_drained(town.local)
    whole.stop(town.state)
    shutil.rmtree(town.state.path / "kafka")
    whole.start(town.state)
    town.sent.clear()
    places = {(row[1], row[2]) for row in table(town, "enrolment", "events")}
    after = class_applied(town, "after-the-loss-1")
    own = Producer(town.servers.kafka_as(f"inst-{school.uscc}").settings())
    for sent in (after, before):
        own.produce(
            "zeren.enrolment.intake.v1", sent.value, b"c", sent.partition, headers=list(sent.headers or ())
        )
    assert own.flush(60) == 0
    until(
        lambda: len(table(town, "enrolment", "events")) == len(places) + 2,
        "the new one is decided, the old one not",
    )
    wait_drained(town.local)
    new = [row for row in table(town, "enrolment", "events") if (row[1], row[2]) not in places]
    assert [row[3] for row in new] == [
        "zeren.enrolment.ClassApplied.v1",
        "zeren.enrolment.SubmissionAccepted.v1",
    ]
    assert_facts_are_the_same_everywhere(town)
    assert len(receipts_held(town)) == 2, "that of the one sent again is what was stored"
    assert main(["audit", "reconcile", "--state", town.state.path.name]) == 0


def test_facts_that_kafka_lost_are_sent_again_when_an_operator_asks(town: Town, capfd) -> None:
    """`zeren resend`: every fact from a position on stands in Kafka once more; readers drop what they have."""
    wait_drained(town.local)
    size = ledger.verify(f"{town.local.url('audit')}/log", whole.ledger_vkey(town.state)).size
    state = town.state.path.name
    assert main(["resend", "enrolment", "--from", "1", "--state", state, "--json"]) == 0
    assert json.loads(capfd.readouterr().out) == {"from_position": 1, "head": town.head("enrolment")}
    assert main(["resend", "enrolment", "--from", "99999", "--state", state]) == 2
    assert f"从 1 至 {town.head('enrolment')}" in capfd.readouterr().err
    wait_drained(town.local)
    assert town.stopped() == {}
    assert ledger.verify(f"{town.local.url('audit')}/log", whole.ledger_vkey(town.state)).size == size


def test_a_backup_is_private_whole_and_never_written_over(town: Town, tmp_path: Path) -> None:
    """Folder 0700, files 0600, the vault last; no key is in it; a folder that holds something is refused."""
    folder = tmp_path / "backup"
    manifest = back_up(town.servers, folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    assert list(manifest["databases"])[-1] == "vault"
    assert read_manifest(folder)["topics"]["zeren.enrolment.facts.v1"] != [0] * 6
    master = (town.state.path / "keys" / "vault-master.key").read_bytes()
    assert all(
        line not in file.read_bytes()
        for file in folder.iterdir()
        for line in master.split()
        if len(line) > 30
    )
    with pytest.raises(BackupRefused, match="不为空"):
        back_up(town.servers, folder)


def test_a_damaged_or_unfinished_backup_and_a_running_stack_are_refused(town: Town, tmp_path: Path) -> None:
    """Before anything is touched: the digest says which file, the refusal which process."""
    folder = tmp_path / "backup"
    back_up(town.servers, folder)
    with pytest.raises(BackupRefused, match="正在运行"):
        put_back(town.servers, folder, SERVICES, with_vault=False)
    dump = folder / "payment.dump"
    dump.write_bytes(dump.read_bytes()[:-1] + b"?")
    with pytest.raises(BackupRefused, match=r"payment\.dump"):
        put_back(town.servers, folder, SERVICES, with_vault=False)
    (folder / MANIFEST).unlink()
    with pytest.raises(BackupRefused, match="备份未完成"):
        put_back(town.servers, folder, SERVICES, with_vault=False)
    assert date.fromisoformat("2024-05-14") <= (business_date(town.local) or date.min)
