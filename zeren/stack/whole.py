"""The whole stack of a state folder: servers, vault, issuer, the four services, the bank simulator.

start      makes all of it run; what runs already is kept
stop       stops all of it; the data stays

PostgreSQL ∥ Kafka → vault ∥ issuer → enrolment ∥ certification ∥ payment ∥ audit → bank
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from shared.tlog.base64text import from_base64
from shared.tlog.notes import Signer
from zeren.stack import kafka, postgres
from zeren.stack.client import ISSUER, ISSUER_SECRET
from zeren.stack.downloads import DownloadProgress
from zeren.stack.errors import ProcessFailed
from zeren.stack.files import private_folder, put_back_mark, write_private
from zeren.stack.handlers import HANDLERS_FILE, handlers_with
from zeren.stack.local import (
    SERVICES,
    Servers,
    existing_database,
    existing_kafka,
    own_servers,
    start_servers,
    stop_everything,
)
from zeren.stack.paths import CHECKOUT
from zeren.stack.processes import MARK_PROCESS, MARK_STATE, POLL_SECONDS, listens
from zeren.stack.state import HOST, StateFolder
from zeren.stack.supervisor import (
    INHERITED,
    LOG_TAIL_LINES,
    ProcessSpec,
    Progress,
    Supervisor,
    answers_http,
    silent,
)
from zeren.stack.traces import trace_environment, trace_token

BANK = "bank"
VAULT_SECONDS = 60
SERVICE_SECONDS = 90.0
LEDGER_NAME = "zeren.local/ledger"
"""The name of the local ledger's log; part of its verifier key."""
POLICY_FOLDER = CHECKOUT / "policy"


def bank_folder(state: StateFolder) -> Path:
    """Where payment puts its bank files and the bank finds them."""
    return state.path / "bank"


def institutions_folder(state: StateFolder) -> Path:
    """The credentials profiles of the institutions that were registered from here."""
    return state.path / "institutions"


def jwks_file(state: StateFolder) -> Path:
    """The issuer's public keys."""
    return state.path / "keys" / "issuer.jwks"


def ledger_key_file(state: StateFolder) -> Path:
    """The ledger's signing key, made by audit."""
    return state.path / "keys" / "ledger.key"


def ledger_vkey(state: StateFolder) -> str:
    """The verifier key of the local ledger, from its key file rather than from the server; "" before the first start.

    Whoever checks from elsewhere gets it printed by `zeren status` and hands it over by a way of their own.
    """
    try:
        seed = from_base64(ledger_key_file(state).read_text("ascii").strip())
    except FileNotFoundError:
        return ""
    return "" if seed is None else str(Signer.from_seed(LEDGER_NAME, seed).vkey)


def _master_key_file(state: StateFolder) -> Path:
    return state.path / "keys" / "vault-master.key"


def _download_progress(progress: Progress) -> DownloadProgress:
    def show(done: int, whole: int, name: str) -> None:
        if done == whole or done % max(whole // 8, 1) == 0:
            progress(f"下载 {done}/{whole} {name} / downloading {done} of {whole}")

    return show


def start(state: StateFolder, *, progress: Progress = silent, bank_fail_every: int = 0) -> Servers:
    """Make the whole stack run and ready. It opens no business day.

    The bank simulator fails every `bank_fail_every`th line of a file; 0 none.

    Raises:
        StackError: what failed, and what to do. What started already keeps running.
    """
    with state.locked():
        servers = start_servers(state, progress=progress, downloads=_download_progress(progress))
        supervisor = Supervisor(state, progress)
        for folder in (bank_folder(state), institutions_folder(state)):
            private_folder(folder)
        secure_ports(state, supervisor)
        with ThreadPoolExecutor(2) as pool:
            vault = pool.submit(_set_up_vault, servers, progress)
            issuer = pool.submit(supervisor.start, _issuer(state))
            vault.result()
            issuer.result()
        supervisor.start_all(service_spec(servers, name) for name in SERVICES)
        for name in SERVICES:
            put_back_mark(state.path, name).unlink(missing_ok=True)  # it found nothing lacking
        supervisor.start(_bank(servers, bank_fail_every))
    return servers


def stop(state: StateFolder, *, progress: Progress = silent) -> None:
    """Stop all of it, last started first; the data stays. Raises: StateBusy."""
    stop_everything(state, progress=progress)


def start_interruptibly(
    state: StateFolder, *, progress: Progress = silent, bank_fail_every: int = 0
) -> Servers:
    """As `start`, but Ctrl-C stops everything at once, also what is just starting, before it is raised."""
    with state.locked(), ThreadPoolExecutor(1) as pool:
        starting = pool.submit(start, state, progress=progress, bank_fail_every=bank_fail_every)
        try:
            return starting.result()
        except KeyboardInterrupt:
            with _deaf():
                progress("停止全部进程 / stopping everything")
                # The start goes on in its thread until it misses what is killed under it.
                while not starting.done():
                    Supervisor(state).stop_all()
                    time.sleep(POLL_SECONDS)
                stop_everything(state)
            raise


@contextmanager
def running_stack(
    state: StateFolder, *, progress: Progress = silent, bank_fail_every: int = 0
) -> Iterator[Servers]:
    """The whole stack for as long as the body runs; whatever ends it, everything is stopped then.

    Ctrl-C, SIGTERM and a closed terminal arrive in the body as KeyboardInterrupt. Call it in the main thread.

    Raises: StackError: see `start`.
    """
    before = {number: signal.signal(number, _interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        with state.locked():
            yield start_interruptibly(state, progress=progress, bank_fail_every=bank_fail_every)
    finally:
        with _deaf():
            stop_everything(state, progress=progress)
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


@contextmanager
def _deaf() -> Iterator[None]:
    """Nothing interrupts the stopping: a second Ctrl-C would leave processes behind."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def missing(state: StateFolder) -> tuple[str, ...]:
    """The processes of a whole stack that don't run; existing servers of ours are not looked at."""
    found = {one.name for one in Supervisor(state).status() if one.running}
    return tuple(name for name in (*own_servers(state), ISSUER, *SERVICES, BANK) if name not in found)


def secure_ports(state: StateFolder, supervisor: Supervisor) -> None:
    """Every port that isn't ours yet must be free before anyone is told of it, or stopped for another one."""
    ours = {one.name: one.pid for one in supervisor.status() if one.running}
    for name in (ISSUER, *SERVICES):
        if name not in ours or not listens(ours[name], state.port(name)):
            state.secure_port(name)


def _url(state: StateFolder, name: str) -> str:
    return f"http://{HOST}:{state.port(name)}"


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *arguments)


def _set_up_vault(servers: Servers, progress: Progress) -> None:
    """Migrates the vault, makes its master key, enters the handlers; harmless to do again."""
    progress("准备保险库 / setting up the vault")
    state = servers.state
    environment = {
        "VAULT_OWNER_URL": servers.database_url("vault"),
        "VAULT_MASTER_KEY_FILE": str(_master_key_file(state)),
        "VAULT_DIRECTORY_FILE": str(HANDLERS_FILE),
    }
    done = _run_once(state, "vault-setup", _python("shared.vault", "setup"), environment)
    if done.returncode != 0:
        tail = "\n".join(done.stdout.decode("utf-8", "replace").splitlines()[-LOG_TAIL_LINES:])
        raise ProcessFailed(
            "保险库准备失败；请看 zeren logs vault-setup",
            f"the vault can't be set up; see zeren logs vault-setup, which ends:\n{tail}",
        )


def _run_once(
    state: StateFolder, name: str, argv: tuple[str, ...], environment: Mapping[str, str]
) -> subprocess.CompletedProcess[bytes]:
    """Runs a command to its end, marked as this state folder's, its output kept in its log."""
    inherited = {one: os.environ[one] for one in INHERITED if one in os.environ}
    done = subprocess.run(
        argv,
        env={**inherited, **environment, MARK_STATE: state.id, MARK_PROCESS: name},
        cwd=CHECKOUT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        timeout=VAULT_SECONDS,
        check=False,
    )
    write_private(state.log(name), done.stdout)
    return done


def run_task(state: StateFolder, service: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs one of a service's tasks beside it to its end, however long; which servers it needs is its own matter.

    What it says for people goes to our own standard error, its answer is `stdout`.
    """
    servers = Servers(
        state=state,
        postgres=existing_database() or postgres.endpoint_of(state),
        kafka=existing_kafka() or kafka.endpoint_of(state),
    )
    spec = service_spec(servers, service)
    inherited = {one: os.environ[one] for one in INHERITED if one in os.environ}
    marks = {MARK_STATE: state.id, MARK_PROCESS: f"{service}-{arguments[0]}"}
    return subprocess.run(
        (*spec.argv, *arguments),
        env={**inherited, **spec.environment, **marks},
        cwd=CHECKOUT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        check=False,
    )


def _issuer(state: StateFolder) -> ProcessSpec:
    return ProcessSpec(
        name=ISSUER,
        argv=_python("zeren", "issuer"),
        environment={
            "ISSUER_HTTP_PORT": str(state.port(ISSUER)),
            "ISSUER_KEY_FILE": str(state.path / "keys" / "issuer.jwk"),
            "ISSUER_JWKS_FILE": str(jwks_file(state)),
            "ISSUER_SECRET": state.secret(ISSUER_SECRET),
            "ISSUER_ENROLMENT_URL": _url(state, "enrolment"),
            "ISSUER_AUDIT_URL": _url(state, "audit"),
        },
        cwd=CHECKOUT,
        ready=answers_http(f"{_url(state, ISSUER)}/health/ready"),
    )


def service_spec(servers: Servers, name: str) -> ProcessSpec:
    """How one of the four services is run, with all its roles."""
    state = servers.state
    extra = {
        "MASTER_KEY_FILE": str(_master_key_file(state)),
        "ISSUER_JWKS_FILE": str(jwks_file(state)),
        "POLICY_FOLDER": str(POLICY_FOLDER),
    }
    if name == "payment":
        extra["BANK_FOLDER"] = str(bank_folder(state))
    if name == "audit":
        extra |= {"LEDGER_KEY_FILE": str(ledger_key_file(state)), "LOG_NAME": LEDGER_NAME}
        extra["TRACE_TOKEN"] = trace_token(state)
    return ProcessSpec(
        name=name,
        argv=_python(f"services.{name}"),
        environment={**servers.service_environment(name, extra), **trace_environment(state)},
        cwd=CHECKOUT,
        ready=answers_http(f"{_url(state, name)}/health/ready"),
        ready_seconds=SERVICE_SECONDS,
    )


def _bank(servers: Servers, fail_every: int) -> ProcessSpec:
    state = servers.state
    return ProcessSpec(
        name=BANK,
        argv=_python("zeren", "bank", "--fail-every", str(fail_every)),
        environment={
            "BANK_FOLDER": str(bank_folder(state)),
            "BANK_ANSWERS_FOLDER": str(private_folder(state.path / "bank-answers")),
            "BANK_PROFILES_FOLDER": str(institutions_folder(state)),
            "BANK_ENROLMENT_URL": _url(state, "enrolment"),
            "BANK_ISSUER_URL": _url(state, ISSUER),
            "BANK_ISSUER_SECRET": state.secret(ISSUER_SECRET),
            "BANK_HANDLER": handlers_with("OPERATOR")[0],
        },
        cwd=CHECKOUT,
    )
