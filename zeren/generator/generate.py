"""Writes a whole run: organisations, keys, signed records, people's claims, decisions, and the truth."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from zeren.generator import files, timetable
from zeren.generator.attendance_story import AttendanceStory
from zeren.generator.broken import send_broken
from zeren.generator.cast import Cast, Role, make_cast
from zeren.generator.certificate_story import CertificateStory
from zeren.generator.claim_story import ClaimStory
from zeren.generator.documents import Outbox, Record
from zeren.generator.names import People
from zeren.generator.organisations import Organisations, found
from zeren.generator.policy_files import POLICY_FOLDER, PolicyFiles
from zeren.generator.training_story import TrainingStory
from zeren.generator.truth.inputs import read_inputs
from zeren.generator.truth.working_out import work_out

LEAST_TRAINEES = 30
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Summary:
    """What was written.

    Attributes:
        cases: how often each case of real life occurs.
    """

    folder: Path
    seed: int
    trainees: int
    organisations: int
    records: int
    people: int
    days: int
    cases: dict[str, int]


@dataclass(frozen=True, slots=True)
class _Run:
    organisations: Organisations
    people: People
    cast: Cast
    records: list[Record]
    claims: ClaimStory
    cases: Counter[str]


def generate(
    folder: Path, *, trainees: int = 300, seed: int = 1, policy_folder: Path = POLICY_FOLDER
) -> Summary:
    """Writes a run into a new folder; the same arguments and packages give the same bytes.

    Raises:
        ValueError: fewer than 30 trainees, too few for every case.
        FileExistsError: the folder is not empty.
    """
    if trainees < LEAST_TRAINEES:
        raise ValueError(
            f"学员至少 {LEAST_TRAINEES} 名，给的是 {trainees} / at least {LEAST_TRAINEES} trainees, not {trainees}"
        )
    policy = PolicyFiles(policy_folder)
    rng = Random(f"zeren/{seed}/{trainees}")  # noqa: S311 - the same seed must give the same bytes
    run = _play(rng, policy, seed=seed, trainees=trainees)
    files.new_folder(folder)
    _write(folder, run, policy, seed=seed, trainees=trainees)
    files.write_json(folder / "truth.json", work_out(read_inputs(folder), policy))
    return Summary(
        folder=folder,
        seed=seed,
        trainees=trainees,
        organisations=len(run.organisations.registered),
        records=len(run.records),
        people=len(run.claims.people),
        days=len(timetable.STEPS),
        cases=_counted(run.cases),
    )


def _play(rng: Random, policy: PolicyFiles, *, seed: int, trainees: int) -> _Run:
    people = People(rng)
    organisations = found(rng, people, seed=seed, trainees=trainees)
    cast = make_cast(organisations, people, policy, trainees)
    outbox = Outbox(rng)
    training = TrainingStory(rng, outbox, people, cast, policy.codes("group"))
    training.apply()
    training.enrol()
    AttendanceStory(rng, outbox, cast).attend()
    training.enrol_late()
    training.complete()
    certificates = CertificateStory(rng, outbox, people, cast)
    certificates.register()
    certificates.assess()
    certificates.certify()
    claims = ClaimStory(outbox, cast, certificates.certified)
    claims.claim()
    claims.repeat()
    send_broken(outbox, organisations, cast)
    for role in (Role.ABSENT, Role.JUST_ENOUGH):
        outbox.cases[role] += len(cast.with_role(role))
    records = sorted(outbox.records, key=lambda record: (record.day, record.phase))
    return _Run(organisations, people, cast, records, claims, outbox.cases)


def _write(folder: Path, run: _Run, policy: PolicyFiles, *, seed: int, trainees: int) -> None:
    keys = folder / "keys"
    keys.mkdir(mode=0o700)
    for organisation in run.organisations.registered:
        files.write_json(keys / f"{organisation.uscc}.jwk", files.private_key(organisation))
    files.write_json(folder / "manifest.json", _manifest(run, policy, seed=seed, trainees=trainees))
    files.write_lines(
        folder / "organisations.jsonl", map(files.organisation_row, run.organisations.registered)
    )
    files.write_lines(folder / "records.jsonl", map(files.record_row, run.records))
    files.write_lines(folder / "people.jsonl", run.claims.people)
    files.write_lines(folder / "decisions.jsonl", run.claims.decisions)
    personal = sorted(set(run.people.personal))
    files.write_lines(folder / "personal.jsonl", ({"kind": kind, "value": value} for kind, value in personal))


def _manifest(run: _Run, policy: PolicyFiles, *, seed: int, trainees: int) -> dict[str, Any]:
    days = sorted(timetable.STEPS)
    return {
        "seed": seed,
        "trainees": trainees,
        "first_day": days[0].isoformat(),
        "last_day": days[-1].isoformat(),
        "days": [{"date": day.isoformat(), "steps": list(timetable.STEPS[day])} for day in days],
        "cases": _counted(run.cases),
        "versions": {
            "format": FORMAT,
            "policy": {name: package["version"] for name, package in sorted(policy.packages.items())},
        },
    }


def _counted(cases: Counter[str]) -> dict[str, int]:
    return {str(case): count for case, count in sorted(cases.items())}
