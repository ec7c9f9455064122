"""What `zeren doctor` finds, and what it advises."""

from __future__ import annotations

import os
import signal

from zeren.stack import doctor
from zeren.stack.local import start_servers
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
