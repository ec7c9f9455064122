"""The folder of a run: written once, readable by its owner alone, the same bytes for the same input."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from zeren.generator.documents import Record, base64url
from zeren.generator.organisations import VALID_FROM, Organisation, levels_by_occupation


def new_folder(path: Path) -> None:
    """Makes a folder, or takes an empty one. Raises: FileExistsError where something lies in it."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(path.iterdir()):
        raise FileExistsError(f"{path} 不是空文件夹：请另选 / {path} is not empty: choose another folder")
    path.chmod(0o700)


def write_private(path: Path, content: str) -> None:
    """Writes a new file that only its owner may read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as handle:
        handle.write(content)


def write_json(path: Path, content: Any) -> None:
    """One JSON document for people to read."""
    write_private(path, json.dumps(content, ensure_ascii=False, indent=1) + "\n")


def write_lines(path: Path, rows: Iterable[Any]) -> None:
    """JSON lines."""
    write_private(
        path, "".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows)
    )


def read_lines(path: Path) -> list[dict[str, Any]]:
    """JSON lines as they were written."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def organisation_row(organisation: Organisation) -> dict[str, Any]:
    """A line of organisations.jsonl."""
    row: dict[str, Any] = {
        "uscc": organisation.uscc,
        "name": organisation.name,
        "kind": organisation.kind,
        "region": organisation.region,
        "key_id": organisation.key_id,
        "public_key": base64url(organisation.key.public_key().public_bytes_raw()),
        "valid_from": VALID_FROM,
    }
    if organisation.kind == "ASSESSMENT":
        row["scope"] = levels_by_occupation(organisation.scope)
    if organisation.account is not None:
        row["account"] = asdict(organisation.account)
    return row


def private_key(organisation: Organisation) -> dict[str, str]:
    """The organisation's signing key as a JWK (RFC 8037)."""
    key = organisation.key
    return {
        "kty": "OKP",
        "crv": "Ed25519",
        "kid": organisation.key_id,
        "x": base64url(key.public_key().public_bytes_raw()),
        "d": base64url(key.private_bytes_raw()),
    }


def record_row(record: Record) -> dict[str, Any]:
    """A line of records.jsonl: publishable as it is."""
    headers = {"content-type": "application/cloudevents+json"}
    if record.jws is not None:
        headers["jws"] = record.jws
    return {
        "day": record.day.isoformat(),
        "phase": record.phase,
        "party": record.party,
        "service": record.service,
        "key": record.key,
        "headers": headers,
        "value_base64": base64.b64encode(record.value).decode(),
    }
