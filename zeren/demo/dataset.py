"""A generated run, read back from its folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from zeren.generator.generate import generate
from zeren.institution.onboarding import Organisation, read_organisations
from zeren.institution.records import Record, read_records
from zeren.stack.errors import StackError
from zeren.stack.paths import state_root
from zeren.stack.state import StateFolder

FOLDER = "dataset"
"""Where the demo's generated run lies in its state folder."""


class NothingToGoOnWith(StackError):
    """No demo was interrupted there, or one of other trainees or another seed."""


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
        trainees, seed: what it was generated from.
        refusing: by certificate.
    """

    folder: Path
    trainees: int
    seed: int
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
        trainees=manifest["trainees"],
        seed=manifest["seed"],
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


def generated_dataset(state: StateFolder, *, trainees: int, seed: int) -> Dataset:
    """A new run. Its folder gets its name when it is whole: an interrupted demo has all of it or none."""
    draft, whole = state.path / f"{FOLDER}.part", state.path / FOLDER
    generate(draft, trainees=trainees, seed=seed)
    draft.rename(whole)
    return read_dataset(whole)


def dataset_to_go_on_with(state_name: str, *, trainees: int | None, seed: int | None) -> Path:
    """The folder of an interrupted demo's run. What isn't given isn't asked for.

    Raises:
        NothingToGoOnWith
    """
    folder = state_root() / state_name / FOLDER
    if not folder.exists():
        raise NothingToGoOnWith(
            f"{state_name} 没有可以继续的演示数据；请运行 zeren demo --state {state_name} 从头开始",
            f"{state_name} has no demo's dataset to go on with; start afresh: zeren demo --state {state_name}",
        )
    found = _read(folder / "manifest.json")
    for name, wanted in (("trainees", trainees), ("seed", seed)):
        if wanted not in (None, found[name]):
            raise NothingToGoOnWith(
                f"{state_name} 中演示的 {name} 是 {found[name]}，不是 {wanted}；请去掉 --{name}，或不加 --resume",
                f"the demo in {state_name} has {name} {found[name]}, not {wanted}; leave --{name} out, or start "
                "afresh without --resume",
            )
    return folder


def first_day_of_the_demo(state: StateFolder) -> date | None:
    """The first business day of the demo in a state folder; None where there is none."""
    try:
        return date.fromisoformat(_read(state.path / FOLDER / "manifest.json")["first_day"])
    except FileNotFoundError:
        return None


def record_digest(record: Record) -> str:
    """What makes two records the same: SHA-256 of value, a zero byte and signature, hex."""
    return hashlib.sha256(record.value + b"\0" + (record.jws or b"")).hexdigest()


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in path.read_text("utf-8").splitlines())
