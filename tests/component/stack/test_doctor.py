"""What `zeren doctor` finds, and what it advises."""

from __future__ import annotations

import os
import signal

import pytest

from shared.messaging.relay import StoreBehindKafka
from zeren.stack import doctor
from zeren.stack.files import put_back_mark
from zeren.stack.local import start_servers
from zeren.stack.service_states import ended, judge, relay_between
from zeren.stack.supervisor import Supervisor


def by_check(findings: list[doctor.Finding]) -> dict[str, doctor.Finding]:
    """The findings by the name of their check."""
    return {finding.check: finding for finding in findings}


def test_a_healthy_stack_has_nothing_to_advise(own_servers):
    """Versions and addresses are shown, no advice is given."""
    start_servers(own_servers.state)
    found = by_check(doctor.examine(own_servers.state.path.name))
    assert [finding for finding in found.values() if not finding.ok or finding.advice] == []
    assert "4.3.1" in found["kafka"].found
    assert "18." in found["postgres"].found
    assert {"python", "java", "kafka jars", "disk", "process kafka", "process postgres"} <= set(found)


def test_a_dead_server_is_found_with_its_log(own_servers):
    """The advice names the command and the log."""
    dead = next(one for one in Supervisor(own_servers.state).status() if one.name == "kafka")
    os.kill(dead.pid, signal.SIGKILL)
    found = by_check(doctor.examine(own_servers.state.path.name))["process kafka"]
    assert not found.ok
    assert "zeren up" in found.advice
    assert str(dead.log) in found.advice
    start_servers(own_servers.state)


def test_a_wrong_java_is_found(monkeypatch):
    """Also before anything was ever started, and nothing is started by looking."""
    monkeypatch.setenv("ZEREN_JAVA", "/no/such/java")
    found = by_check(doctor.examine("test-never-made"))
    assert not found["java"].ok
    assert "ZEREN_JAVA" in found["java"].advice
    assert found["state"].ok


def test_an_existing_server_that_is_named_badly_is_found(monkeypatch):
    """The advice shows the form that is expected."""
    monkeypatch.setenv("ZEREN_DATABASE_URL", "somewhere")
    found = by_check(doctor.examine("test-never-made"))["existing servers"]
    assert not found.ok
    assert "postgresql://" in found.advice


@pytest.mark.parametrize(
    ("where", "why", "found", "advice"),
    [
        (
            "payment.policies zeren.enrolment.facts.v1/3",
            "gap: enrolment@0b6c is missing its link after position 811",
            "缺口",
            "zeren resend enrolment --from 812",
        ),
        (
            "payment.policies zeren.enrolment.facts.v1/3",
            "other_digest at position 812 at offset 900",
            "另一份内容",
            "zeren recover enrolment",
        ),
        (
            "audit.ledger zeren.payment.facts.v1/0",
            "other bytes than ledgered at position 7, offset 9",
            "另一份内容",
            "zeren audit reconcile --service payment",
        ),
        (
            "audit.ledger zeren.payment.facts.v1/0",
            "unreadable headers or no value at offset 17",
            "没有可读的头",
            "deploy/local/acls.toml",
        ),
        (
            "audit.ledger zeren.payment.facts.v1/0",
            "70000 bytes at offset 17, the ledger's limit is 65535",
            "超过账本条目上限",
            "deploy/local/acls.toml",
        ),
        (
            "enrolment.intake zeren.enrolment.intake.v1/1",
            "KeyError at offset 3",
            "已停止",
            "zeren logs enrolment",
        ),
    ],
)
def test_each_reason_why_a_partition_stopped_has_its_way_out(where, why, found, advice):
    """What stopped, where, why in the service's words, and a command."""
    name = where.partition(".")[0]
    ready = {"ready": True, "database": True, "assigned": True, "stopped": {where: why}}
    well, finding = judge(name, ready, "zeren up")
    assert well.ok
    assert (finding.ok, finding.check) == (False, f"partition {where}")
    assert found in finding.found
    assert why in finding.found
    assert advice in finding.advice


@pytest.mark.parametrize("lacking", ["database", "kafka", "relay", "assigned", "projector"])
def test_a_service_that_waits_tells_for_what(lacking):
    """PostgreSQL, Kafka, its relay, its partitions; the advice names the command that starts the stack."""
    (finding,) = judge("payment", {"ready": False, lacking: False, "stopped": {}}, "zeren up --state x")
    assert not finding.ok
    assert finding.advice
    (finding,) = judge("payment", {"ready": False, "database": False}, "zeren up --state x")
    assert "zeren up --state x" in finding.advice


def test_a_relay_that_does_not_move_is_told_from_one_that_does():
    """Facts that are just being sent are no finding to act on."""
    behind, moved = {"head": 100, "unsent_facts": 40}, {"head": 120, "unsent_facts": 30}
    assert list(relay_between("payment", [{"head": 9, "unsent_facts": 0}])) == []
    (moving,) = relay_between("payment", [behind, moved])
    assert moving.ok
    (stuck,) = relay_between("payment", [behind, {"head": 120, "unsent_facts": 60}])
    assert not stuck.ok
    assert "60" in stuck.found


def test_a_service_whose_database_was_put_back_is_told_to_recover(tmp_path):
    """It ends with code 4 and its last words; to start it again as it is would be refused again."""
    log = tmp_path / "enrolment.log"
    log.write_text(
        '{"message":"service starts"}\n' + f"{StoreBehindKafka('enrolment', '数据库', 'the database')}\n"
    )
    put_back = ended("enrolment", log, "zeren up")
    assert "zeren recover enrolment" in put_back.advice
    log.write_text('{"message":"service failed","why":"x"}\n')
    crashed = ended("enrolment", log, "zeren up")
    assert "service failed" in crashed.found
    assert "recover" not in crashed.advice


def test_a_restored_service_is_told_to_recover_before_it_has_refused_anything(tmp_path):
    """From the restore on, and with the name of the stack that it belongs to."""
    log = tmp_path / "logs" / "enrolment.log"
    log.parent.mkdir()
    log.write_text('{"message":"service stopped"}\n')
    assert "recover" not in ended("enrolment", log, "zeren up --state x").advice
    put_back_mark(tmp_path, "enrolment").touch()
    advice = ended("enrolment", log, "zeren up --state x").advice
    assert "zeren recover enrolment --state x" in advice
    assert "zeren up --state x" in advice


def test_what_stands_still_for_want_of_the_database_is_not_told_as_a_fault_of_its_own():
    """Kafka is well: nobody is to be sent there."""
    ready = {"ready": False, "database": False, "relay": False, "projector": False, "stopped": {}}
    (finding,) = judge("payment", ready, "zeren up")
    assert "PostgreSQL" in finding.found


def test_a_disk_that_is_nearly_full_is_found(monkeypatch):
    """Before PostgreSQL and Kafka stop on it."""
    monkeypatch.setattr(doctor, "LEAST_FREE_BYTES", 1 << 60)
    found = by_check(doctor.examine("test-never-made"))["disk"]
    assert not found.ok
    assert "2 GB" in found.advice


def test_a_stack_that_is_down_is_examined_without_waiting(fresh_state):
    """Nothing answers, and nothing is asked of the services."""
    found = by_check(doctor.examine(fresh_state().path.name))
    assert not [check for check in found if check.startswith(("service", "process", "relay", "parked"))]
    assert found["disk"].ok
