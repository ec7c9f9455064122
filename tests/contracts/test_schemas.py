"""The published JSON Schemas say what the decoders say: of what is valid, and of what is not."""

from __future__ import annotations

import base64
import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from jsonschema.protocols import Validator

from docs.generation.schemas import schemas
from shared.contracts.checking import Checked, Unreadable, check, preamble
from shared.contracts.fact import FactType, decode, registered
from shared.contracts.submission import MAX_LINES, SUBMISSIONS, SubmissionType
from tests.contracts.instances import facts, submissions
from tests.contracts.make_golden import CONTRACTS, GOLDEN, golden_path, golden_submission
from tests.contracts.mutants import mutants
from zeren.generator.generate import LEAST_TRAINEES, generate

FACTS = [entry for module in CONTRACTS for entry in registered() if entry.service == module.SERVICE]
SENT = list(SUBMISSIONS.values())
FILES = [*sorted(GOLDEN.glob("*.json")), *sorted((GOLDEN / "submissions").glob("*.json"))]
EXAMPLES = 6

WRITERS_PROMISE = {
    "specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "streamversion",
    "partitionkey", "occurredat", "businessdate", "actor", "duty", "region", "correlationid", "causationid",
    "traceparent",
}  # fmt: skip
"""Attributes of facts whose form `encode` and the decisions give. The decoder judges their kind alone: the bytes in a
chain are the service's own, and a reader must read whatever was written."""
FORMS = {"another value", "another form", "too short", "too long", "too small"}
"""How a value of the right kind is wrong."""
NOT_BY_THE_SCHEMA = {
    "trainee.id_number_invalid": "its check digit",
    "reference.looks_personal": "what digits look like",
    "submission.line_doubled": "what stands twice",
    "class.session_ends_before_start": "one field against another",
    "submission.source_unreadable": "a USCC's check character",
}
"""Codes of what `NOT_SAID` in docs/generation/schemas.py tells."""


@cache
def validator(name: str) -> Validator:
    """Of a type."""
    return Draft202012Validator(schemas()[name])


def valid(name: str, document: Any) -> bool:
    """Under the schema of a type."""
    return bool(validator(name).is_valid(document))


def judged(value: bytes) -> list[str]:
    """The codes with which a service refuses a document for its form."""
    try:
        outcome = check(value, preamble(value))
    except Unreadable as error:
        return [error.code]
    return [] if isinstance(outcome, Checked) else [reason.code for reason in outcome]


def readable(value: bytes) -> Any:
    """The JSON of a value; None where it is none (RFC 8259: UTF-8 alone)."""
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def test_each_type_has_a_schema_of_the_2020_dialect() -> None:
    """Each names itself, and its data as a fact's `dataschema` does."""
    assert set(schemas()) == {entry.name for entry in [*FACTS, *SENT]}
    for name, schema in schemas().items():
        Draft202012Validator.check_schema(schema)
        assert schema["$id"] == f"urn:zeren:document:{name}"
        assert schema["properties"]["data"]["$id"] == f"urn:zeren:schema:{name}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_golden_document_is_valid(path: Path) -> None:
    """As it is, and its data alone under the schema that the fact names."""
    document = json.loads(path.read_bytes())
    name = document["type"]
    assert [error.message for error in validator(name).iter_errors(document)] == []
    data = schemas()[name]["properties"]["data"]
    assert document.get("dataschema", data["$id"]) == data["$id"]
    assert Draft202012Validator(data).is_valid(document["data"])


@pytest.mark.parametrize("entry", SENT, ids=lambda entry: entry.name)
def test_a_golden_submission_is_accepted_for_its_form(entry: SubmissionType) -> None:
    """A document that was signed once is read for ever."""
    assert judged(golden_submission(entry.name).read_bytes()) == []


@pytest.mark.parametrize("entry", FACTS, ids=lambda entry: entry.name)
@settings(max_examples=EXAMPLES)
@given(data=st.data())
def test_what_a_service_writes_is_valid(entry: FactType, data: st.DataObject) -> None:
    """Whatever its fields hold."""
    state = data.draw(facts(entry))
    assert [error.message for error in validator(entry.name).iter_errors(json.loads(state))] == []


@pytest.mark.parametrize("entry", SENT, ids=lambda entry: entry.name)
@settings(max_examples=EXAMPLES)
@given(data=st.data())
def test_schema_and_service_take_the_same_documents(entry: SubmissionType, data: st.DataObject) -> None:
    """What the class can hold is valid; a service refuses it at most for what no schema can say."""
    value = data.draw(submissions(entry))
    assert [error.message for error in validator(entry.name).iter_errors(json.loads(value))] == []
    assert set(judged(value)) <= NOT_BY_THE_SCHEMA.keys()


def test_every_document_of_a_demo_is_judged_alike(tmp_path: Path) -> None:
    """The generator's own documents, also what is broken on purpose: schema and service agree on each."""
    generate(tmp_path / "run", trainees=LEAST_TRAINEES)
    rows = (tmp_path / "run" / "records.jsonl").read_text("utf-8").splitlines()
    seen: Counter[str] = Counter()
    for row in rows:
        value = base64.b64decode(json.loads(row)["value_base64"])
        document = readable(value)
        name = document.get("type") if isinstance(document, dict) else None
        if name in SUBMISSIONS:
            codes = judged(value)
            assert valid(name, document) == (set(codes) <= NOT_BY_THE_SCHEMA.keys()), (codes, name)
            seen[name] += 1
    assert seen.keys() >= SUBMISSIONS.keys() - {"zeren.submission.ConfirmPayments.v1"}, "which the bank makes"


@pytest.mark.parametrize("entry", SENT, ids=lambda entry: entry.name)
def test_what_the_schema_of_a_submission_forbids_is_refused(entry: SubmissionType) -> None:
    """One thing wrong in each: missing, of another kind, too long, unknown: by the schema, and by the service."""
    document = json.loads(golden_submission(entry.name).read_bytes())
    found = list(mutants(document, schemas()[entry.name]))
    assert len(found) > 30
    assert [each.what for each in found if valid(entry.name, each.document)] == []
    taken = [each.what for each in found if not judged(msgspec.json.encode(each.document))]
    assert taken == []


def test_a_list_one_longer_than_its_bound_is_refused_by_both() -> None:
    """Bounds of lists, which a small document does not reach."""
    document = json.loads(golden_submission("zeren.submission.RecordAttendanceSheet.v1").read_bytes())
    (line,) = document["data"]["lines"]
    document["data"]["lines"] = [line | {"enrolment_ref": f"e-{at}"} for at in range(MAX_LINES)]
    assert (valid(document["type"], document), judged(msgspec.json.encode(document))) == (True, [])
    document["data"]["lines"].append(line)
    assert not valid(document["type"], document)
    assert judged(msgspec.json.encode(document)) == ["submission.invalid_field"]


@pytest.mark.parametrize("entry", FACTS, ids=lambda entry: entry.name)
def test_what_the_schema_of_a_fact_forbids_is_no_fact(entry: FactType) -> None:
    """The decoder refuses the same, but for the form of attributes, which is the writer's promise."""
    document = json.loads(golden_path(entry.name).read_bytes())
    for what, wrong in mutants(document, schemas()[entry.name]):
        kind, _, at = what.rpartition(" ")
        if kind == "unknown field in":
            assert valid(entry.name, wrong), what
            assert decode(msgspec.json.encode(wrong), entry.name), what
            continue
        assert not valid(entry.name, wrong), what
        if not (kind in FORMS and at in WRITERS_PROMISE):
            with pytest.raises(msgspec.MsgspecError):
                decode(msgspec.json.encode(wrong), entry.name)


@pytest.mark.parametrize(
    ("spoilt", "code"),
    [
        ('"minutes": 45.0', "submission.invalid_field"),
        ('"minutes": 45, "minutes": 45', "submission.field_doubled"),
    ],
)
def test_what_json_schema_can_not_say(spoilt: str, code: str) -> None:
    """To JSON Schema 45.0 is an integer, and a parser has dropped the field that stood twice."""
    document = json.loads(golden_submission("zeren.submission.RecordAttendanceSheet.v1").read_bytes())
    document["data"]["lines"][0]["minutes"] = 45
    value = json.dumps(document).replace('"minutes": 45', spoilt)
    assert valid(document["type"], json.loads(value))
    assert judged(value.encode()) == [code]
