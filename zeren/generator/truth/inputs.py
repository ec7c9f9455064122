"""The generated files, read back as they lie in the folder: the truth knows nothing else."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Sent:
    """A record as it was sent."""

    day: date
    phase: int
    service: str
    jws: str | None
    value: bytes


@dataclass(frozen=True, slots=True)
class PersonClaim:
    """A person's own claim, over HTTP."""

    day: date
    phase: int
    national_id: str
    application_ref: str
    certificate_id: str


@dataclass(frozen=True, slots=True)
class Inputs:
    """A whole run.

    Attributes:
        days: the steps of each active day, in order.
        decisions: stage and code by certificate, where a handler refuses.
    """

    days: dict[date, list[str]]
    organisations: list[dict[str, Any]]
    records: list[Sent]
    people: list[PersonClaim]
    decisions: dict[str, tuple[str, str]]


def read_inputs(folder: Path) -> Inputs:
    """Reads manifest, organisations, records, people and decisions."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return Inputs(
        days={date.fromisoformat(day["date"]): day["steps"] for day in manifest["days"]},
        organisations=_lines(folder / "organisations.jsonl"),
        records=[_sent(row) for row in _lines(folder / "records.jsonl")],
        people=[
            PersonClaim(
                day=date.fromisoformat(row["day"]),
                phase=row["phase"],
                national_id=row["national_id"],
                application_ref=row["application_ref"],
                certificate_id=row["certificate_id"],
            )
            for row in _lines(folder / "people.jsonl")
        ],
        decisions={
            row["certificate_id"]: (row["stage"], row["code"]) for row in _lines(folder / "decisions.jsonl")
        },
    )


def _sent(row: dict[str, Any]) -> Sent:
    return Sent(
        day=date.fromisoformat(row["day"]),
        phase=row["phase"],
        service=row["service"],
        jws=row["headers"].get("jws"),
        value=base64.b64decode(row["value_base64"]),
    )


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
