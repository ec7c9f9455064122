"""Writes golden files for fact versions that have none. Never overwrites one: a changed fact is a new version.

    python -m tests.contracts.make_golden

`<name>.json` has every field filled, `<name>.required.json` only what a fact must have (where that differs),
`submissions/<name>.json` is a submission, and `fact-names.txt` and `submission-names.txt` are every name ever
registered: they only grow.
"""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import msgspec

from shared.contracts import audit, certification, enrolment, payment
from shared.contracts.fact import Circumstances, FactType, encode, registered
from shared.contracts.submission import SUBMISSIONS, Document, SubmissionType, Trainee
from shared.contracts.trace import DecisionTrace, PolicyRef, TraceStep, decided

CONTRACTS = (enrolment, certification, payment, audit)
"""Importing them fills the registry."""

GOLDEN = Path(__file__).parent / "golden"
FACT_NAMES = GOLDEN / "fact-names.txt"
SUBMISSION_NAMES = GOLDEN / "submission-names.txt"

SAMPLE_UUID = "6f1d3f0a-52f6-5f0e-9d3b-1f0c7a9e4b21"
SAMPLE_USCC = "91350200MA0000001W"
SAMPLE_DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
SHANGHAI = timezone(timedelta(hours=8))
GIVEN = Circumstances(
    occurredat=datetime(2024, 8, 5, 9, 30, tzinfo=SHANGHAI),
    businessdate=date(2024, 8, 5),
    actor=f"institution:{SAMPLE_USCC}",
    duty="D5",
    region="350200",
    correlationid=SAMPLE_UUID,
    causationid="0c4f1e52-8a57-5d8b-8a0e-6d0f1c2b3a49",
    traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
)
NOW = datetime(2024, 8, 5, 1, 30, 0, 123456, tzinfo=UTC)

TRACE = decided(
    "STANDARD",
    TraceStep(
        rule="subsidy_standard",
        ref=PolicyRef(package="demo-standards", version=1, sha256=SAMPLE_DIGEST, entry="level-5", demo=True),
        inputs={"occupation_id": "4-03-02-01", "level": "5"},
        result="STANDARD",
        amount_fen=120_000,
        over=("fujian-2024@1#level-5",),
    ),
    amount_fen=120_000,
)
BARE_TRACE = decided("ADMITTED", TraceStep(rule="age", result="ADMITTED"))

TEXTS = {
    "actor": GIVEN.actor,
    "certificate_kind": "SKILL_LEVEL",
    "code": "entitlement.already_used",
    "ends_at": "11:30",
    "evidence": SAMPLE_DIGEST,
    "jws": "eyJhbGciOiJFZDI1NTE5In0..c2lnbmF0dXJl",
    "level": "5",
    "name": "示例职业培训学校",
    "occupation_id": "4-03-02-01",
    "public_key": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    "region": "350200",
    "starts_at": "09:00",
    "submission_type": "zeren.submission.EnrolTrainee.v1",
    "topic": "zeren.enrolment.intake.v1",
    "version": "1",
}
DIGESTS = ("digest", "sha256", "commitment")
ORGANISATIONS = ("uscc", "institution", "assessment_body", "bank", "claimant")


SENT: dict[str, str | int] = {
    "certificate_kind": "SKILL_LEVEL",
    "certificate_no": "S000035020024000001",
    "group": "RURAL",
    "norm": "GZB-4-03-02-01",
    "training_kind": "EMPLOYMENT_SKILL",
    "occupation_id": "elder-carer",
    "code": "",
    "line": 1,
    "minutes": 150,
    "practice": 80,
    "theory": 85,
}
"""Where a submission's values differ from a fact's."""
PERSON = Trainee(name="李娜", national_id="110105199003071095", phone="")
"""Nobody: the number has a right check digit and belongs to an example."""


def missing() -> Iterator[tuple[Path, bytes]]:
    """Golden files that should be there and aren't, with their bytes."""
    for entry in registered():
        for path, state in wanted(entry):
            if not path.exists():
                yield path, state
    for submission in SUBMISSIONS.values():
        path = golden_submission(submission.name)
        if not path.exists():
            yield path, submitted(submission)


def wanted(entry: FactType) -> Iterator[tuple[Path, bytes]]:
    """The golden files of a fact version as today's code would write them."""
    complete = encoded(entry, whole=True)
    yield golden_path(entry.name), complete
    required = encoded(entry, whole=False)
    if required != complete:
        yield golden_path(f"{entry.name}.required"), required


def golden_path(name: str) -> Path:
    """Where the golden file of a name stands."""
    return GOLDEN / f"{name}.json"


def encoded(entry: FactType, *, whole: bool) -> bytes:
    """A sample fact's bytes, every field filled or only the required ones."""
    data = sample(entry.cls, whole=whole)
    return encode(entry.service, data, stream=SAMPLE_UUID, version=3, given=GIVEN, now=NOW).state


def golden_submission(name: str) -> Path:
    """Where the golden file of a submission stands."""
    return GOLDEN / "submissions" / f"{name}.json"


def submitted(entry: SubmissionType) -> bytes:
    """A sample submission's bytes, every field filled."""
    document: Document[Any] = Document(
        specversion="1.0",
        id=f"{entry.cls.__name__}-1",
        source=f"urn:uscc:{SAMPLE_USCC}",
        type=entry.name,
        time=datetime(2024, 8, 5, 17, 40, tzinfo=SHANGHAI),
        nonce="q83vEjRWeJCrze8SNFZ4kA",
        data=sample(entry.cls, whole=True),
    )
    return msgspec.json.encode(document)


def sample(cls: type[Any], *, whole: bool) -> Any:
    """An instance of a contract class; what is optional is left out unless `whole`."""
    if cls is DecisionTrace:
        return TRACE if whole else BARE_TRACE
    if cls is Trainee:
        return PERSON
    hints = typing.get_type_hints(cls)
    fields = msgspec.structs.fields(cls)
    chosen = [field for field in fields if whole or field.required]
    filled = {field.name: value_of(field.name, hints[field.name], whole=whole) for field in chosen}
    if cls.__module__ == Document.__module__:
        filled |= {name: value for name, value in SENT.items() if name in filled}
    return cls(**filled)


def value_of(name: str, hint: Any, *, whole: bool) -> Any:
    """A plausible value of a field, by its type and name."""
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) is types.UnionType:
        return value_of(name, arguments[0], whole=whole) if whole else None
    if typing.get_origin(hint) is typing.Literal:
        return arguments[0]
    if typing.get_origin(hint) in (list, tuple):
        return [value_of(name, arguments[0], whole=whole)] if whole else []
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return sample(hint, whole=whole)
    plain = {bool: True, int: 120_000 if name.endswith("_fen") else 45, date: date(2024, 8, 5)}
    if hint in plain:
        return plain[hint]
    if hint is datetime:
        return datetime(2024, 8, 5, 1, 30, tzinfo=UTC)
    if hint is str:
        return text_of(name)
    raise TypeError(f"{name}: no sample for {hint}; facts hold text, integers, dates and contract classes")


def text_of(name: str) -> str:
    """A plausible text of a field by its name."""
    if name in TEXTS:
        return TEXTS[name]
    if name in ORGANISATIONS:
        return SAMPLE_USCC
    if name.endswith(DIGESTS):
        return SAMPLE_DIGEST
    if name.endswith("_id") or name in {"facts", "claims", "subject", "conflicts_with"}:
        return str(uuid5(NAMESPACE_URL, name))
    return f"{name.replace('_', '-')}-1"


def grown(path: Path, names: Iterable[str]) -> list[str]:
    """The names in a list file and the new ones, sorted; nothing is ever taken out."""
    old = path.read_text("utf-8").split() if path.exists() else []
    return sorted({*old, *names})


def main() -> int:
    """Writes what is missing and says what."""
    (GOLDEN / "submissions").mkdir(parents=True, exist_ok=True)
    for path, state in missing():
        path.write_bytes(state)
        sys.stdout.write(f"{path.name}: {len(state)} B\n")
    for path, names in (
        (FACT_NAMES, [entry.name for entry in registered()]),
        (SUBMISSION_NAMES, list(SUBMISSIONS)),
    ):
        path.write_text("\n".join(grown(path, names)) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
