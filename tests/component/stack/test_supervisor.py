"""Starting, watching and stopping processes, with small real ones."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from zeren.stack.errors import ProcessFailed
from zeren.stack.files import write_private
from zeren.stack.processes import identify, is_alive, marked, wait_until
from zeren.stack.supervisor import ProcessSpec, Supervisor, answers_http, listens

SLEEPER = (sys.executable, "-c", "import time; time.sleep(600)")
STUBBORN = (
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(600)",
)


@pytest.fixture
def supervisor(fresh_state):
    """A supervisor of an empty state folder; the folder's end stops whatever a test left."""
    supervisor = Supervisor(fresh_state())
    yield supervisor
    supervisor.stop_all()


def said_ready(supervisor: Supervisor, name: str):
    """Ready once the process wrote so into its log."""
    return lambda: "ready" in supervisor.state.log(name).read_text()


def test_a_process_is_ready_only_when_it_serves(supervisor):
    """Start returns once the address answers, not once the process runs."""
    port = supervisor.state.port("page")
    argv = (sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port))
    supervisor.start(ProcessSpec(name="page", argv=argv, ready=answers_http(f"http://127.0.0.1:{port}/")))
    assert listens(port)()


def test_a_process_that_ends_at_once_is_an_error_with_its_last_words(supervisor):
    """The message shows the end of the log, so that nobody has to look for it."""
    argv = (sys.executable, "-c", "raise SystemExit('no such table')")
    with pytest.raises(ProcessFailed, match="no such table"):
        supervisor.start(ProcessSpec(name="broken", argv=argv, ready=lambda: False))
    assert supervisor.status() == []


def test_a_process_that_is_not_ready_in_time_is_stopped(supervisor):
    """It doesn't stay behind half started."""
    with pytest.raises(ProcessFailed, match=r"0\.3"):
        supervisor.start(ProcessSpec(name="slow", argv=SLEEPER, ready=lambda: False, ready_seconds=0.3))
    assert list(marked(supervisor.state.id)) == []


def test_a_program_that_does_not_exist_is_named(supervisor):
    """The message says which one."""
    with pytest.raises(ProcessFailed, match="/no/such/program"):
        supervisor.start(ProcessSpec(name="absent", argv=("/no/such/program",)))


def test_the_same_process_is_kept_and_another_replaces_it(supervisor):
    """Starting again is harmless; other settings mean another process."""
    first = supervisor.start(ProcessSpec(name="one", argv=SLEEPER))
    assert supervisor.start(ProcessSpec(name="one", argv=SLEEPER)) == first
    changed = supervisor.start(ProcessSpec(name="one", argv=SLEEPER, environment={"PORT": "1"}))
    assert changed != first
    assert not is_alive(first)
    assert is_alive(changed)


def test_a_running_process_that_becomes_ready_is_kept(supervisor):
    """Its starter was killed before it was ready, or the machine is busy: that is no reason to start afresh."""
    first = supervisor.start(ProcessSpec(name="one", argv=SLEEPER))
    answers = iter((False, False, True))
    assert supervisor.start(ProcessSpec(name="one", argv=SLEEPER, ready=lambda: next(answers))) == first


def test_a_running_process_that_hangs_is_replaced(supervisor):
    """One that never answers again makes room for one that does."""
    hung = supervisor.start(ProcessSpec(name="one", argv=SLEEPER))
    spec = ProcessSpec(name="one", argv=SLEEPER, ready=lambda: not is_alive(hung), ready_seconds=0.5)
    successor = supervisor.start(spec)
    assert successor != hung
    assert is_alive(successor)


def test_processes_stop_in_reverse_order(supervisor):
    """What was started last is stopped first."""
    lines: list[str] = []
    supervisor.progress = lines.append
    for name in ("database", "broker", "service"):
        supervisor.start(ProcessSpec(name=name, argv=SLEEPER))
    supervisor.stop_all()
    stopped = [line.rpartition(" ")[2] for line in lines if "stopping" in line]
    assert stopped == ["service", "broker", "database"]
    assert list(marked(supervisor.state.id)) == []


def test_servers_that_were_started_again_stay_until_the_services_have_stopped(supervisor):
    """They were started last, and everybody stands on them."""
    lines: list[str] = []
    supervisor.progress = lines.append
    for name in ("service", "bank", "database", "broker"):
        supervisor.start(ProcessSpec(name=name, argv=SLEEPER))
    supervisor.stop_all(last=("database", "broker"))
    stopped = [line.rpartition(" ")[2] for line in lines if "stopping" in line]
    assert stopped == ["bank", "service", "broker", "database"]


def test_one_that_does_not_listen_is_killed_with_its_children(supervisor):
    """After the deadline nothing of its group is left."""
    program = (
        f"import signal, subprocess, time; child = subprocess.Popen({STUBBORN!r});"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(600)"
    )
    argv = (sys.executable, "-c", program)
    spec = ProcessSpec(name="deaf", argv=argv, ready=said_ready(supervisor, "deaf"), stop_seconds=0.5)
    supervisor.start(spec)
    assert wait_until(lambda: len(list(marked(supervisor.state.id))) == 2, 10)
    started = time.monotonic()
    supervisor.stop("deaf")
    assert 0.5 <= time.monotonic() - started < 10
    assert list(marked(supervisor.state.id)) == []


def test_a_killed_process_is_seen_as_dead_and_started_again(supervisor):
    """Also while its zombie still has the pid."""
    spec = ProcessSpec(name="one", argv=SLEEPER)
    first = supervisor.start(spec)
    os.kill(first.pid, signal.SIGKILL)
    assert wait_until(lambda: not is_alive(first), 10)
    assert [one.running for one in supervisor.status()] == [False]
    assert is_alive(supervisor.start(spec))


def test_a_reused_pid_is_never_signalled(supervisor):
    """A record whose pid now belongs to another program stops nothing."""
    bystander = subprocess.Popen(SLEEPER, start_new_session=True)
    try:
        # Two processes of one clock tick (10 ms) share their start; a pid is never reused that soon.
        while (
            supervisor.start(ProcessSpec(name="one", argv=SLEEPER)).started == identify(bystander.pid).started
        ):
            supervisor.stop("one")
        record = supervisor.record("one")
        text = (supervisor.state.path / "processes" / "one.json").read_text()
        supervisor.stop("one")
        stale = text.replace(f'"pid": {record.pid},', f'"pid": {bystander.pid},')
        assert stale != text
        write_private(supervisor.state.path / "processes" / "one.json", stale)
        assert [one.running for one in supervisor.status()] == [False]
        supervisor.stop_all()
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_process_that_nobody_recorded_is_found_and_replaced(supervisor):
    """Its starter was killed between the start and the record."""
    spec = ProcessSpec(name="one", argv=SLEEPER)
    orphan = supervisor.start(spec)
    (supervisor.state.path / "processes" / "one.json").unlink()
    successor = supervisor.start(spec)
    assert successor != orphan
    assert list(marked(supervisor.state.id)) == [successor]


def test_a_torn_record_counts_as_none(supervisor):
    """A record cut by a crash hides no process: the mark still finds it."""
    orphan = supervisor.start(ProcessSpec(name="one", argv=SLEEPER))
    (supervisor.state.path / "processes" / "one.json").write_text('{"name": "one", "pi')
    assert supervisor.status() == []
    supervisor.stop_all()
    assert not is_alive(orphan)


def test_independent_processes_start_together(supervisor):
    """Two that each take half a second are both ready well before a second start would begin."""
    program = "import time; time.sleep(0.5); print('ready', flush=True); time.sleep(600)"
    specs = [
        ProcessSpec(name=name, argv=(sys.executable, "-c", program), ready=said_ready(supervisor, name))
        for name in ("left", "right")
    ]
    supervisor.start_all(specs)
    assert [one.running for one in supervisor.status()] == [True, True]
    orders = [record.order for record in supervisor.records()]
    assert orders[1] - orders[0] < 500_000_000


def test_secrets_reach_a_process_by_its_environment_only(supervisor):
    """The record keeps a digest, never the value."""
    spec = ProcessSpec(
        name="one",
        argv=(
            sys.executable,
            "-c",
            "import os, time; print('ready', len(os.environ['PASSWORD'])); time.sleep(600)",
        ),
        environment={"PASSWORD": "a-long-secret", "PYTHONUNBUFFERED": "1"},
        ready=said_ready(supervisor, "one"),
    )
    supervisor.start(spec)
    assert "ready 13" in supervisor.state.log("one").read_text()
    assert "a-long-secret" not in (supervisor.state.path / "processes" / "one.json").read_text()
    assert "a-long-secret" not in repr(supervisor.record("one"))


def test_an_identity_survives_as_long_as_its_process(supervisor):
    """The same process has the same identity each time it is asked."""
    mine = identify(os.getpid())
    assert mine is not None
    assert identify(os.getpid()) == mine
    assert is_alive(mine)
