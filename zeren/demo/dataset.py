"""A generated run, read back from its folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from zeren.institution.onboarding import Organisation, read_organisations
from zeren.institution.records import Record, read_records


@dataclass(frozen=True, slots=True)
class Day:
    """A business day with work, and its steps in order."""

    date: date
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonClaim:
    """What one person claims by themselves. Never shown."""

    day: date
    phase: int
    national_id: str = field(repr=False)
    application_ref: str
    certificate_id: str
    account: dict[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusing:
    """A handler's exceptional decision on the claim for a certificate.

    Attributes:
        stage: ACCEPT or FIRST_REVIEW.
    """

    stage: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """Everything but the truth, which is read when all is over.

    Attributes:
        refusing: by certificate.
    """

    folder: Path
    days: list[Day]
    organisations: list[Organisation]
    records: list[Record]
    people: list[PersonClaim]
    refusing: dict[str, Refusing]

    @property
    def bank(self) -> str:
        """The USCC of the bank."""
        return next(one.uscc for one in self.organisations if one.kind == "BANK")

    @property
    def records_file(self) -> Path:
        """What institutions send."""
        return self.folder / "records.jsonl"

    def key_file(self, uscc: str) -> Path:
        """An organisation's signing key."""
        return self.folder / "keys" / f"{uscc}.jwk"

    def phases(self, day: date) -> list[int]:
        """The phases of a day, in order: one is over before the next begins."""
        records = {record.phase for record in self.records if record.day == day.isoformat()}
        return sorted(records | {claim.phase for claim in self.people if claim.day == day})

    def claims_of(self, day: date, phase: int) -> list[PersonClaim]:
        """What people claim in a phase."""
        return [claim for claim in self.people if (claim.day, claim.phase) == (day, phase)]

    def truth(self) -> dict[str, Any]:
        """What should come of it."""
        return _read(self.folder / "truth.json")


def read_dataset(folder: Path) -> Dataset:
    """Raises: OSError and decoding errors where the folder is no run."""
    manifest = _read(folder / "manifest.json")
    return Dataset(
        folder=folder,
        days=[Day(date.fromisoformat(row["date"]), tuple(row["steps"])) for row in manifest["days"]],
        organisations=read_organisations(folder / "organisations.jsonl"),
        records=read_records(folder / "records.jsonl"),
        people=[
            PersonClaim(
                day=date.fromisoformat(row["day"]),
                phase=row["phase"],
                national_id=row["national_id"],
                application_ref=row["application_ref"],
                certificate_id=row["certificate_id"],
                account=row["account"],
            )
            for row in _lines(folder / "people.jsonl")
        ],
        refusing={
            row["certificate_id"]: Refusing(stage=row["stage"], code=row["code"])
            for row in _lines(folder / "decisions.jsonl")
        },
    )


def record_digest(record: Record) -> str:
    """What makes two records the same: SHA-256 of value, a zero byte and signature, hex."""
    return hashlib.sha256(record.value + b"\0" + (record.jws or b"")).hexdigest()


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in path.read_text("utf-8").splitlines())
