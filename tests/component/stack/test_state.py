"""The state folder: who works on it, its ports and its secrets."""

from __future__ import annotations

import signal
import socket
import stat
import subprocess
import sys

import pytest

from zeren.stack.errors import PortTaken, StateBusy
from zeren.stack.state import StateFolder, port_is_free

HOLDER = (
    "import sys, time; from pathlib import Path; from zeren.stack.state import StateFolder\n"
    "with StateFolder(Path(sys.argv[1])).locked(): print('held', flush=True); time.sleep(600)"
)


def test_two_commands_never_work_on_one_folder(tmp_path):
    """The second is refused at once and told who holds it; when the first is killed, its lock is free."""
    state = StateFolder(tmp_path / "state")
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(state.path)], stdout=subprocess.PIPE)
    try:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(StateBusy, match=f"process {holder.pid}\\) is using {state.path}"), state.locked():
            pass
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        holder.stdout.close()
    with state.locked(5), state.locked():
        pass


def test_a_folder_keeps_its_identity(tmp_path):
    """Opened again it is the same; another folder is another."""
    first = StateFolder(tmp_path / "one")
    assert StateFolder(tmp_path / "one").id == first.id
    assert StateFolder(tmp_path / "two").id != first.id


def test_secrets_are_made_once_and_kept_from_others(tmp_path):
    """Each name has its own, of 256 bits, in a file of mode 0600 in a folder of mode 0700."""
    state = StateFolder(tmp_path / "state")
    assert state.known_secret("kafka/admin") is None
    secret = state.secret("kafka/admin")
    assert StateFolder(state.path).secret("kafka/admin") == secret
    assert state.secret("kafka/other") != secret
    assert len(secret) >= 43
    assert stat.S_IMODE((state.path / "secrets.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(state.path.stat().st_mode) == 0o700
    key = state.key_file("vault.key")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert len(bytes.fromhex(state.key_file("vault.key").read_text())) == 32


def test_ports_are_chosen_once_and_differ(tmp_path):
    """A later start finds its servers where they were."""
    state = StateFolder(tmp_path / "state")
    ports = [state.port(name) for name in ("kafka", "postgres", "payment")]
    assert len(set(ports)) == 3
    assert [StateFolder(state.path).port(name) for name in ("kafka", "postgres", "payment")] == ports


def test_a_chosen_port_that_another_program_took_is_chosen_anew(tmp_path):
    """Nobody asked for that number, so another does."""
    state = StateFolder(tmp_path / "state")
    port = state.port("kafka")
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        moved = state.secure_port("kafka")
        assert moved != port
        assert port_is_free(moved)
        assert state.port("kafka") == moved


def test_a_configured_port_is_used_or_refused(tmp_path, monkeypatch):
    """A demanded port is never silently exchanged, and nonsense is named."""
    state = StateFolder(tmp_path / "state")
    free = state.port("kafka")
    monkeypatch.setenv("ZEREN_PAYMENT_PORT", str(free))
    assert state.secure_port("payment") == free
    with socket.socket() as other:
        other.bind(("127.0.0.1", free))
        other.listen()
        with pytest.raises(PortTaken, match=f"{free}.*ZEREN_PAYMENT_PORT"):
            state.secure_port("payment")
    monkeypatch.setenv("ZEREN_PAYMENT_PORT", "eighty")
    with pytest.raises(PortTaken, match="eighty"):
        state.port("payment")


@pytest.mark.parametrize("name", ["", "../up", "Up", "a/b", "-x"])
def test_a_state_folder_never_lies_elsewhere(name):
    """A name can't lead out of `.local/`."""
    with pytest.raises(ValueError, match="state folder"):
        StateFolder.named(name)
