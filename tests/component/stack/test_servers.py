"""Starting, taking over and stopping real servers."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from contextlib import suppress

import psutil
import psycopg
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from zeren.cli.entry import main
from zeren.stack.accounts import postgres_folder, unprivileged_account
from zeren.stack.downloads import differing_jars, read_jar_list
from zeren.stack.errors import PortTaken, ProcessFailed, StateBroken
from zeren.stack.kafka import broker_version
from zeren.stack.local import reset, running_servers, servers_as_found, start_servers, stop_everything
from zeren.stack.postgres import server_version
from zeren.stack.processes import MARK_STATE, identify, marked, working_in
from zeren.stack.provision import missing_topics
from zeren.stack.state import StateFolder, port_is_free
from zeren.stack.supervisor import ProcessSpec, Supervisor
from zeren.stack.whole import secure_ports

FACTS = "zeren.enrolment.facts.v1"


def pids(state: StateFolder) -> dict[str, int]:
    """Each running server's pid by its name."""
    return {one.name: one.pid for one in Supervisor(state).status() if one.running}


def keep_a_row(servers, value: int) -> None:
    """Commit one row in enrolment's database."""
    with psycopg.connect(servers.database_url("enrolment").replace("+psycopg", "")) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (value int)")
        connection.execute("INSERT INTO kept VALUES (%s)", (value,))


def kept_rows(servers) -> list[int]:
    """All rows that `keep_a_row` committed."""
    with psycopg.connect(servers.database_url("enrolment").replace("+psycopg", "")) as connection:
        return [row[0] for row in connection.execute("SELECT value FROM kept ORDER BY value")]


def keep_a_record(servers, value: bytes) -> None:
    """Send one acknowledged record to enrolment's facts."""
    producer = Producer({**servers.kafka_as("svc-enrolment").settings(), "acks": "all"})
    producer.produce(FACTS, value=value, partition=0)
    assert producer.flush(30) == 0


def kept_records(servers) -> list[bytes]:
    """All records in the first partition of enrolment's facts."""
    client = servers.kafka_as("svc-enrolment").settings()
    consumer = Consumer({**client, "group.id": "enrolment.check", "enable.auto.commit": False})
    low, high = consumer.get_watermark_offsets(TopicPartition(FACTS, 0), timeout=30)
    consumer.assign([TopicPartition(FACTS, 0, low)])
    records = consumer.consume(high - low, timeout=30)
    consumer.close()
    return [record.value() for record in records]


def test_the_servers_are_the_versions_that_were_promised(own_servers):
    """Kafka 4.3.1 by its own log line and the listed digests of its jars; PostgreSQL 18 by its own answer."""
    assert broker_version(own_servers.state.log("kafka")) == "4.3.1"
    jars = read_jar_list()
    assert len(jars) == 46
    assert {jar.version for jar in jars if jar.group == "org.apache.kafka"} == {"4.3.1"}
    assert differing_jars(jars) == ()
    assert server_version(own_servers.postgres).split(".")[0] == "18"


def test_a_second_start_changes_nothing(own_servers):
    """Both servers stay the same processes, with the same ports and passwords."""
    before = pids(own_servers.state)
    again = start_servers(own_servers.state)
    assert set(before) == {"postgres", "kafka"}
    assert pids(own_servers.state) == before
    assert (again.postgres, again.kafka) == (own_servers.postgres, own_servers.kafka)
    assert again.database_url("payment") == own_servers.database_url("payment")
    assert running_servers(own_servers.state).kafka == own_servers.kafka


def test_every_declared_topic_exists_as_declared(own_servers):
    """Six partitions for facts and intake, one for checkpoints."""
    topics = own_servers.kafka.admin().list_topics(timeout=10).topics
    found = {name: len(topic.partitions) for name, topic in topics.items() if name.startswith("zeren.")}
    services = ("enrolment", "certification", "payment", "audit")
    wanted = {f"zeren.{service}.facts.v1": 6 for service in services}
    wanted |= {f"zeren.{service}.intake.v1": 6 for service in services[:3]}
    wanted |= {"zeren.audit.checkpoints.v1": 1}
    assert {name: found.get(name) for name in wanted} == wanted
    assert missing_topics(own_servers.kafka) == ()


def test_a_warm_start_keeps_what_was_written(own_servers):
    """Stopped in order and started again, both servers still have everything."""
    keep_a_row(own_servers, 1)
    keep_a_record(own_servers, b"before the stop")
    stop_everything(own_servers.state)
    assert pids(own_servers.state) == {}
    again = start_servers(own_servers.state)
    assert 1 in kept_rows(again)
    assert b"before the stop" in kept_records(again)


def test_servers_are_left_as_they_were_found(own_servers):
    """What runs stays the same process; what was started for a while is gone after it, whatever happens."""
    before = pids(own_servers.state)
    with servers_as_found(own_servers.state) as servers:
        assert servers.kafka == own_servers.kafka
    assert pids(own_servers.state) == before
    Supervisor(own_servers.state).stop("kafka")
    with suppress(RuntimeError), servers_as_found(own_servers.state):
        meanwhile = pids(own_servers.state)
        raise RuntimeError
    assert meanwhile.keys() == {"postgres", "kafka"}
    assert pids(own_servers.state) == {"postgres": before["postgres"]}
    start_servers(own_servers.state)


def test_killed_servers_start_again_with_everything_that_was_acknowledged(own_servers):
    """A kill -9 of the postmaster and the broker loses no commit and no acknowledged record."""
    keep_a_row(own_servers, 2)
    keep_a_record(own_servers, b"before the kill")
    before = pids(own_servers.state)
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    again = start_servers(own_servers.state)
    assert set(pids(own_servers.state).values()).isdisjoint(before.values())
    assert 2 in kept_rows(again)
    assert b"before the kill" in kept_records(again)


def test_one_killed_server_leaves_the_other_alone(own_servers):
    """Only the dead one is started again."""
    before = pids(own_servers.state)
    os.kill(before["postgres"], signal.SIGKILL)
    start_servers(own_servers.state)
    after = pids(own_servers.state)
    assert after["kafka"] == before["kafka"]
    assert after["postgres"] != before["postgres"]


def test_a_killed_starter_leaves_nothing_that_cannot_be_taken_over(fresh_state):
    """The command that started the servers dies by kill -9: the next start finds and keeps them."""
    state = fresh_state()
    program = (
        "import os, signal, sys; from pathlib import Path; from zeren.stack.local import start_servers;"
        "from zeren.stack.state import StateFolder; start_servers(StateFolder(Path(sys.argv[1])));"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(state.path)], check=False, timeout=100)
    assert done.returncode == -signal.SIGKILL
    before = pids(state)
    assert set(before) == {"postgres", "kafka"}
    start_servers(state)
    assert pids(state) == before


def test_no_secret_stands_in_any_argument_or_log(own_servers):
    """Nobody who lists processes or reads logs learns a password; the environment of children isn't listed."""
    passwords = json.loads((own_servers.state.path / "secrets.json").read_text()).values()
    assert len(list(passwords)) >= 15
    arguments = "\n".join(
        " ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])
    )
    logs = "\n".join(path.read_text("utf-8", "replace") for path in own_servers.state.path.glob("logs/*"))
    assert str(own_servers.state.path) in arguments
    assert "Kafka version" in logs
    assert [one for one in passwords if one in arguments or one in logs] == []


def test_files_with_secrets_are_their_owners_alone(own_servers):
    """Every file that holds a password has mode 0600, and the folder lets nobody else in."""
    state = own_servers.state
    passwords = json.loads((state.path / "secrets.json").read_text()).values()
    holders = [
        path
        for path in state.path.rglob("*")
        if path.is_file() and any(one.encode() in path.read_bytes() for one in passwords)
    ]
    assert {state.path / "secrets.json", state.path / "kafka" / "server.properties"} <= set(holders)
    assert {stat.S_IMODE(path.stat().st_mode) for path in (*holders, state.key_file("any"))} == {0o600}
    database = postgres_folder(state, unprivileged_account())
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in (state.path, database)} == {0o700}


def test_a_service_is_not_stopped_for_a_port_that_another_program_has(fresh_state, monkeypatch):
    """What runs goes on running on the port that it has."""
    state = fresh_state()
    serving = (sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(state.port("payment")))
    supervisor = Supervisor(state)
    supervisor.start(
        ProcessSpec(name="payment", argv=serving, ready=lambda: not port_is_free(state.port("payment")))
    )
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        monkeypatch.setenv("ZEREN_PAYMENT_PORT", str(other.getsockname()[1]))
        with pytest.raises(PortTaken, match="ZEREN_PAYMENT_PORT"):
            secure_ports(state, supervisor)
    assert pids(state).keys() == {"payment"}
    monkeypatch.delenv("ZEREN_PAYMENT_PORT")
    secure_ports(state, supervisor)
    supervisor.stop_all()


def test_a_demo_does_not_delete_what_is_no_demos(own_servers, capsys):
    """A stack of that name stays as it is, and runs on."""
    before = pids(own_servers.state)
    assert main(["demo", "--no-serve", "--state", own_servers.state.path.name]) == 1
    assert "zeren reset --state" in capsys.readouterr().err
    assert pids(own_servers.state) == before


def test_a_configured_port_that_is_taken_is_a_clear_error(fresh_state, monkeypatch):
    """The message names the port and the variable, and nothing is left running."""
    state = fresh_state()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        monkeypatch.setenv("ZEREN_POSTGRES_PORT", str(port))
        with pytest.raises(PortTaken, match=f"{port}.*ZEREN_POSTGRES_PORT"):
            start_servers(state)
    stop_everything(state)
    assert list(marked(state.id)) == []


def test_after_a_reset_nothing_is_left(fresh_state):
    """No process, no port, no file, neither in the state folder nor where the database lay."""
    state = fresh_state()
    servers = start_servers(state)
    database = postgres_folder(state, unprivileged_account())
    ports = [servers.postgres.port, int(servers.kafka.bootstrap.rpartition(":")[2])]
    started = [identify(pid) for pid in pids(state).values()]
    reset(state)
    assert all(port_is_free(port) for port in ports)
    assert not any(identify(one.pid) == one for one in started)
    assert list(marked(state.id)) == []
    assert list(working_in(database / "data")) == []
    assert not state.path.exists()
    assert not database.exists()
    with pytest.raises(ProcessFailed, match="zeren up"):
        running_servers(fresh_state())


def test_lost_passwords_are_said_to_be_lost(fresh_state):
    """Old data can't be opened with new passwords: the start says so instead of making some."""
    state = fresh_state()
    start_servers(state)
    stop_everything(state)
    (state.path / "secrets.json").unlink()
    with pytest.raises(StateBroken, match="zeren reset"):
        start_servers(state)


def test_a_deleted_state_folder_leaves_a_database_that_the_next_one_replaces(fresh_state):
    """Whoever deletes `.local/` by hand can start again at the same place."""
    state = fresh_state()
    keep_a_row(start_servers(state), 5)
    stop_everything(state)
    state.remove()
    again = start_servers(StateFolder(state.path))
    with psycopg.connect(again.database_url("enrolment").replace("+psycopg", "")) as connection:
        assert connection.execute("SELECT to_regclass('kept')").fetchone() == (None,)


def test_children_know_no_secret_of_their_starter(own_servers, monkeypatch):
    """A server inherits a short list of variables, whatever stands in the environment of whoever started it."""
    monkeypatch.setenv("SOME_TOKEN", "not for children")
    stop_everything(own_servers.state)
    start_servers(own_servers.state)
    environment = psutil.Process(pids(own_servers.state)["kafka"]).environ()
    assert environment[MARK_STATE] == own_servers.state.id
    assert "SOME_TOKEN" not in environment
