"""Backups of all databases of a stack, and putting them back.

A backup is a folder: one dump a database, and `manifest.json`, written last. The vault is dumped last: persons are
written before the facts that name them. No key is in it: who holds a backup alone can't read a person's data.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from confluent_kafka import TopicPartition
from confluent_kafka.admin import OffsetSpec
from psycopg import sql

from zeren.stack.accounts import installed_programs
from zeren.stack.client import ISSUER
from zeren.stack.errors import StackError
from zeren.stack.files import private_folder, put_back_mark, write_private
from zeren.stack.kafka import KafkaEndpoint
from zeren.stack.local import SERVICES, Servers
from zeren.stack.postgres import PostgresEndpoint, read_layout
from zeren.stack.provision import provision_postgres
from zeren.stack.supervisor import INHERITED, Progress, Supervisor, silent

VAULT = "vault"
MANIFEST = "manifest.json"
VERSION = 1
CALL_SECONDS = 30.0
INCOMING = "_incoming"
"""A database is put back under this name first: one that fails half way leaves the old one whole."""
ERASURES = "enrolment.erasure"
"""The position row by which enrolment knows how far erasures are carried out in the vault."""


class BackupRefused(StackError):
    """A folder that can't be written to or put back from, or a stack that isn't in the state for it."""


def back_up(servers: Servers, folder: Path, *, progress: Progress = silent) -> dict[str, Any]:
    """Dumps every database of a running PostgreSQL into a new or empty folder. Returns the manifest.

    The services may run: each dump is one snapshot, and what comes later is in Kafka.

    Raises: BackupRefused.
    """
    demand_new(folder)
    private_folder(folder).chmod(0o700)
    topics = end_offsets(servers.kafka)
    databases = {}
    for name in (*SERVICES, VAULT):
        progress(f"备份 {name} / dumping {name}")
        databases[name] = _dump(servers.postgres, name, folder)
    manifest = {
        "version": VERSION,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "databases": databases,
        "topics": topics,
    }
    write_private(folder / MANIFEST, json.dumps(manifest, indent=2, sort_keys=True) + "\n")
    return manifest


def demand_new(folder: Path) -> None:
    """A backup goes into a folder of its own. Raises: BackupRefused: something lies there."""
    if folder.exists() and any(folder.iterdir()):
        raise BackupRefused(f"目录 {folder} 不为空，请另选新目录", f"{folder} isn't empty: name a new folder")


def end_offsets(kafka: KafkaEndpoint) -> dict[str, list[int]]:
    """By topic of Zeren, where each partition ends. What lies before is in a backup that begins now.

    Raises: KafkaException.
    """
    admin = kafka.admin()
    found = admin.list_topics(timeout=CALL_SECONDS).topics
    places = [
        TopicPartition(name, partition)
        for name, topic in found.items()
        if name.startswith("zeren.")
        for partition in topic.partitions
    ]
    ends_only: Any = OffsetSpec.latest()  # type: ignore[no-untyped-call]
    latest = admin.list_offsets(dict.fromkeys(places, ends_only), request_timeout=CALL_SECONDS)
    offsets: dict[str, dict[int, int]] = {}
    for place, future in latest.items():
        offsets.setdefault(place.topic, {})[place.partition] = int(future.result(CALL_SECONDS).offset)
    return {topic: [ends[p] for p in sorted(ends)] for topic, ends in sorted(offsets.items())}


def _dump(postgres: PostgresEndpoint, name: str, folder: Path) -> dict[str, Any]:
    file = folder / f"{name}.dump"
    with _snapshot(postgres, name) as (snapshot, noted):
        options = ("--format=custom", f"--snapshot={snapshot}", f"--file={file}", name)
        _run(postgres, "pg_dump", *options)
    return {"file": file.name, "bytes": file.stat().st_size, "sha256": _digest(file), **noted}


@contextmanager
def _snapshot(postgres: PostgresEndpoint, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """A snapshot for pg_dump, and what the manifest says of the very same state."""
    with postgres.connect(name) as connection:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        row = connection.execute("SELECT pg_export_snapshot()").fetchone()
        assert row is not None
        noted: dict[str, Any] = {}
        if name != VAULT:
            query = """SELECT (SELECT coalesce(max(notification_id), 0) FROM events),
                              (SELECT incarnation::text FROM store)"""
            found = connection.execute(query).fetchone()
            assert found is not None
            noted = {"position": found[0], "incarnation": found[1]}
        yield str(row[0]), noted
        connection.execute("COMMIT")


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a backup whose files are as they were written.

    Raises: BackupRefused: none, not finished, of another version, or a file differs.
    """
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text("utf-8"))
        files = {str(one["file"]): str(one["sha256"]) for one in manifest["databases"].values()}
        whole = manifest["version"] == VERSION and all(Path(file).name == file for file in files)
        differing = [file for file, digest in files.items() if whole and _digest(folder / file) != digest]
    except FileNotFoundError as error:
        raise BackupRefused(
            f"没有文件 {error.filename}：{folder} 不是备份，或备份未完成；请给出 zeren backup 写成的目录",
            f"{error.filename} isn't there: {folder} is no backup, or one that was broken off; "
            "name the folder that zeren backup wrote",
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackupRefused(
            f"{folder} 不是完整的备份（{MANIFEST}：{type(error).__name__}）",
            f"{folder} is no finished backup ({MANIFEST}: {type(error).__name__})",
        ) from error
    if not whole:
        raise BackupRefused(f"{folder} 是另一版本的备份", f"{folder} is a backup of another version")
    if differing:
        raise BackupRefused(
            f"备份文件 {folder / differing[0]} 与清单不符（已损坏或被改动），不予恢复",
            f"{folder / differing[0]} is not the file of the manifest (damaged or altered): not restored",
        )
    return manifest


def refuse_while_running(supervisor: Supervisor, names: Sequence[str], *, stop: bool) -> None:
    """What uses the databases must not run: it is stopped if that was asked for. Raises: BackupRefused."""
    running = [one.name for one in supervisor.status() if one.running and one.name in names]
    if running and not stop:
        listed = "、".join(running)
        raise BackupRefused(
            f"{listed} 正在运行：请先 zeren down，或加 --stop",
            f"{', '.join(running)} runs: zeren down first, or --stop",
        )
    for name in running:
        supervisor.stop(name)


def put_back(
    servers: Servers,
    folder: Path,
    services: Sequence[str],
    *,
    with_vault: bool,
    stop: bool = False,
    progress: Progress = silent,
) -> list[str]:
    """Replaces databases by those of a backup. The caller holds the state folder's lock. Returns their names.

    Args:
        servers: that run.
        folder: of the backup; its files are checked before anything is touched.
        services: whose databases.
        with_vault: the vault too. It then lacks the persons of later facts, and has those that were erased later.
        stop: stop services that run, rather than refuse.
        progress: told of each database.

    Raises: BackupRefused, ProvisioningFailed.
    """
    manifest = read_manifest(folder)
    wanted = [*services, *([VAULT] if with_vault else [])]
    missing = [name for name in wanted if name not in manifest["databases"]]
    if missing:
        listed = ", ".join(missing)
        raise BackupRefused(f"备份中没有 {listed}", f"the backup has no {listed}")
    users = (*SERVICES, ISSUER) if with_vault else tuple(services)
    refuse_while_running(Supervisor(servers.state, progress), users, stop=stop)
    for name in wanted:
        progress(f"恢复 {name} / putting {name} back")
        _replace(servers.postgres, name, folder / manifest["databases"][name]["file"])
    provision_postgres(servers.postgres, read_layout(), servers.state.secret, servers.state.id)
    if with_vault:
        _erase_again(servers.postgres)
    for name in services:
        write_private(put_back_mark(servers.state.path, name), "")
    return wanted


def _replace(postgres: PostgresEndpoint, name: str, file: Path) -> None:
    """The new database is made beside the old one and takes its name once it is whole."""
    incoming = name + INCOMING
    with postgres.connect() as connection:
        _drop(connection, incoming)
        made = sql.SQL("CREATE DATABASE {} OWNER {}")
        connection.execute(made.format(sql.Identifier(incoming), sql.Identifier(name)))
    _run(postgres, "pg_restore", "--exit-on-error", "--single-transaction", f"--dbname={incoming}", str(file))
    with postgres.connect() as connection:
        _drop(connection, name)
        renamed = sql.SQL("ALTER DATABASE {} RENAME TO {}")
        connection.execute(renamed.format(sql.Identifier(incoming), sql.Identifier(name)))


def _drop(connection: psycopg.Connection, name: str) -> None:
    connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _erase_again(postgres: PostgresEndpoint) -> None:
    """Erasures that the older vault does not know are carried out again, from the first; once is as good as twice."""
    with postgres.connect("enrolment") as connection:
        connection.execute("DELETE FROM positions WHERE consumer = %s", (ERASURES,))


def _run(postgres: PostgresEndpoint, program: str, *arguments: str) -> None:
    """Runs one of PostgreSQL's programs; the password goes by its environment, new files are ours alone."""
    inherited = {one: os.environ[one] for one in INHERITED if one in os.environ}
    access = {
        "PGHOST": postgres.host,
        "PGPORT": str(postgres.port),
        "PGUSER": postgres.user,
        "PGPASSWORD": postgres.password,
    }
    done = subprocess.run(
        (str(installed_programs() / program), "--no-password", *arguments),
        env={**inherited, **access},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        umask=0o077,
        check=False,
    )
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()[-3:]
        raise BackupRefused(f"{program} 失败：{' '.join(said)}", f"{program} failed")


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
