"""A published contract is kept: every way to break one is planted here, seen, and told with the way out."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from docs import generate
from docs.generation.compatibility import bare, changes, refusals
from docs.generation.schemas import schemas

FACT = "zeren.payment.SubsidyPaid.v1"
RECEIPT = "zeren.enrolment.SubmissionRejected.v1"
SHEET = "zeren.submission.RecordAttendanceSheet.v1"
TRACED = "zeren.enrolment.TraineeEnrolled.v1"

Schema = dict[str, Any]
Plant = Callable[[Schema], object]


def data_of(schema: Schema) -> Schema:
    """The properties of its data."""
    found: Schema = schema["properties"]["data"]["properties"]
    return found


def line_of(schema: Schema) -> Schema:
    """The properties of a sheet's line."""
    found: Schema = data_of(schema)["lines"]["items"]["properties"]
    return found


def told(name: str, plant: Plant) -> list[str]:
    """What is said of a type in which something was planted."""
    now = copy.deepcopy(dict(schemas()))
    plant(now[name])
    return refusals({name: bare(schemas()[name])}, now)


def drop(properties: Callable[[Schema], Schema], name: str) -> Plant:
    """Plants that a field is gone."""
    return lambda schema: properties(schema).pop(name)


def put(properties: Callable[[Schema], Schema], name: str, **keywords: Any) -> Plant:
    """Plants that a field says something else, or is new."""
    return lambda schema: properties(schema).setdefault(name, {}).update(keywords)


def require(name: str) -> Plant:
    """Plants that a field of the data is required."""
    return lambda schema: schema["properties"]["data"]["required"].append(name)


def excuse(name: str) -> Plant:
    """Plants that a field of the data is required no more."""
    return lambda schema: schema["properties"]["data"]["required"].remove(name)


OF_FACTS: list[tuple[str, str, Plant, str]] = [
    ("a removed field", FACT, drop(data_of, "bank_ref"), "data.bank_ref：字段不见了"),
    ("a new field", FACT, put(data_of, "note", type="string"), "data.note：新增字段"),
    ("a new required field", FACT, require("note"), "data.note：成为必填"),
    ("a field required no more", FACT, excuse("paid_on"), "data.paid_on：不再必填"),
    ("another type", FACT, put(data_of, "amount_fen", type="number"), "data.amount_fen：type 从 integer 改为 number"),
    ("a type more", FACT, put(data_of, "amount_fen", type=["integer", "null"]), "改为 integer, null"),
    ("a pattern", FACT, put(data_of, "claim_id", pattern="^x"), "data.claim_id：pattern 从 — 改为 ^x"),
    ("a pattern gone", FACT, lambda schema: data_of(schema)["paid_on"].pop("pattern"), "data.paid_on：pattern"),
    ("an enum", FACT, put(data_of, "bank_ref", enum=["A"]), "data.bank_ref：enum 从 — 改为 A"),
    ("a limit", FACT, put(data_of, "amount_fen", maximum=9), "data.amount_fen：maximum 从 — 改为 9"),
    ("another const", FACT, lambda schema: schema["properties"]["source"].update(const="urn:x"), "source：enum"),
    ("a wider limit", FACT, lambda schema: schema["properties"]["streamversion"].update(minimum=0), "streamversion"),
    ("no fields besides", FACT, lambda schema: schema["properties"]["data"].update(additionalProperties=False),
     "data：对未列明字段的态度变了"),
    ("another default", RECEIPT, put(data_of, "awaited", default="nothing"), "data.awaited：default"),
    ("a field within a list", RECEIPT,
     lambda schema: data_of(schema)["reasons"]["items"]["properties"].pop("code"), "data.reasons[].code：字段不见了"),
    ("what a map holds", TRACED,
     lambda schema: data_of(schema)["trace"]["properties"]["steps"]["items"]["properties"]["i"].update(
         additionalProperties={"type": "string"}), "data.trace.steps[].i.*：type"),
]  # fmt: skip
OF_SUBMISSIONS: list[tuple[str, Plant, str]] = [
    ("a removed field", drop(line_of, "method"), "data.lines[].method：字段不见了"),
    ("a new required field", require("note"), "data.note：成为必填"),
    ("a narrower enum", put(line_of, "method", enum=["FACE", "QR"]), "data.lines[].method：enum"),
    ("a shorter list", put(data_of, "lines", maxItems=100), "data.lines：maxItems 从 200 改为 100"),
    ("a higher minimum", put(line_of, "minutes", minimum=10), "data.lines[].minutes：minimum 从 1 改为 10"),
    ("a shorter text", put(data_of, "class_ref", maxLength=10), "data.class_ref：maxLength 从 64 改为 10"),
    ("another pattern", put(data_of, "evidence", pattern="^[0-9]$"), "data.evidence：pattern"),
    ("another type", put(line_of, "minutes", type="string"), "data.lines[].minutes：type"),
    ("a minimum where there was none", put(data_of, "lines", minItems=1), "data.lines：minItems 从 — 改为 1"),
]
ALLOWED_OF_SUBMISSIONS: list[tuple[str, Plant]] = [
    ("a new optional field", put(data_of, "note", type="string")),
    ("a field required no more", excuse("evidence")),
    ("a wider enum", put(line_of, "method", enum=["FACE", "QR", "SIGN", "ONLINE", "NFC"])),
    ("a longer list", put(data_of, "lines", maxItems=300)),
    ("a lower minimum", put(line_of, "minutes", minimum=0)),
    ("a limit gone", lambda schema: line_of(schema)["minutes"].pop("maximum")),
    ("a type more", put(line_of, "minutes", type=["integer", "null"])),
    ("other fields too", lambda schema: schema["properties"]["data"].pop("additionalProperties")),
]
WORDS: list[tuple[str, Plant]] = [
    ("another title", lambda schema: schema.update(title="x", description="y")),
    ("another meaning", put(data_of, "claim_id", description="another")),
]


def named(value: object) -> str:
    """A test is called by the words of its row; a function's address is another in each process."""
    return value[:30] if isinstance(value, str) else ""


@pytest.mark.parametrize(("what", "name", "plant", "said"), OF_FACTS, ids=named)
def test_a_published_fact_version_never_changes(what: str, name: str, plant: Plant, said: str) -> None:
    """Neither narrower, which would disown stored facts, nor wider, which would surprise their readers."""
    (line,) = told(name, plant)
    assert line.startswith(f"{name} ")
    assert said in line
    assert "另建新版本" in line
    assert "make a new version" in line


@pytest.mark.parametrize(("what", "plant", "said"), OF_SUBMISSIONS, ids=named)
def test_what_was_valid_of_a_submission_stays_valid(what: str, plant: Plant, said: str) -> None:
    """A narrower version is refused, and told with its field."""
    (line,) = told(SHEET, plant)
    assert said in line
    assert "请放宽" in line
    assert "loosen it" in line


@pytest.mark.parametrize(("what", "plant"), ALLOWED_OF_SUBMISSIONS, ids=named)
def test_a_submission_version_may_take_more(what: str, plant: Plant) -> None:
    """Institutions need not change anything."""
    assert told(SHEET, plant) == []


@pytest.mark.parametrize(("what", "plant"), WORDS, ids=named)
def test_words_may_change(what: str, plant: Plant) -> None:
    """They bind nobody."""
    assert told(FACT, plant) == []


def test_a_published_type_can_not_be_withdrawn() -> None:
    """Its facts are in the ledger for ever."""
    now = dict(schemas())
    del now[FACT]
    (line,) = refusals({FACT: bare(schemas()[FACT])}, now)
    assert "不可取消" in line


def test_what_is_not_published_yet_may_change() -> None:
    """Until a release nobody holds on to it."""
    assert refusals({}, schemas()) == []


def test_a_keyword_that_the_comparison_does_not_know_is_an_error() -> None:
    """It must not be passed over: the generator has learnt something that the comparison has not."""
    with pytest.raises(ValueError, match=r"data\.x.*multipleOf"):
        list(changes({"multipleOf": 2}, {"multipleOf": 3}, "data.x"))


@pytest.mark.parametrize("name", sorted(schemas()))
def test_every_schema_is_understood_and_equals_itself(name: str) -> None:
    """With and without its words."""
    assert list(changes(schemas()[name], bare(schemas()[name]))) == []


def test_the_contracts_keep_what_was_published() -> None:
    """`contracts/published.json` stands as the last release left it; every type of it is still kept."""
    assert generate.broken() == []
    assert generate.published().keys() <= schemas().keys()
    assert FACT in generate.published()


@pytest.fixture
def published_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A baseline of its own."""
    path = tmp_path / "published.json"
    path.write_text(json.dumps({FACT: bare(schemas()[FACT])}), "utf-8")
    monkeypatch.setattr(generate, "PUBLISHED", path)
    return path


def test_publishing_adds_and_never_changes(
    published_elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One type a line, sorted; a second time nothing is new."""
    before = generate.published()[FACT]
    assert generate.main(["--publish"]) == 0
    assert generate.published() == {name: bare(schema) for name, schema in schemas().items()}
    assert generate.published()[FACT] == before
    assert len(published_elsewhere.read_text("utf-8").splitlines()) == len(schemas()) + 2
    assert f"{RECEIPT} 已发布" in capsys.readouterr().out
    content = published_elsewhere.read_bytes()
    assert generate.main(["--publish"]) == 0
    assert published_elsewhere.read_bytes() == content


def test_check_and_publish_refuse_a_broken_contract(
    published_elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the exit code 1 and the field; the baseline is left as it was."""
    broken = generate.published()
    del broken[FACT]["properties"]["data"]["properties"]["bank_ref"]
    published_elsewhere.write_text(json.dumps(broken), "utf-8")
    content = published_elsewhere.read_bytes()
    for argument in ("--check", "--publish"):
        assert generate.main([argument]) == 1
        assert "data.bank_ref：新增字段" in capsys.readouterr().err
    assert published_elsewhere.read_bytes() == content


def test_a_stale_file_is_told_and_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that differs, one that is missing, and one whose type is gone."""
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    monkeypatch.setattr(generate, "SCHEMAS", tmp_path / "contracts" / "schemas")
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "0.1.0"\n')
    assert generate.main([]) == 0
    assert generate.stale() == []
    (tmp_path / "docs" / "events.md").write_text("old")
    (tmp_path / "contracts" / "schemas" / f"{FACT}.json").unlink()
    (tmp_path / "contracts" / "schemas" / "zeren.payment.Gone.v1.json").write_text("{}")
    assert generate.main(["--check"]) == 1
    said = capsys.readouterr().err
    for name in (
        "docs/events.md",
        f"contracts/schemas/{FACT}.json",
        "contracts/schemas/zeren.payment.Gone.v1.json",
    ):
        assert f"{name} 已过期" in said
    assert generate.main([]) == 0
    assert generate.stale() == []
