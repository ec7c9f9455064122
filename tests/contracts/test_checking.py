"""The judgement of a document's form: what two parsers would read differently, and what must not be repeated."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from docs.generation.schemas import schemas
from shared.contracts.checking import Preamble, check, names_doubled, preamble
from shared.contracts.shape import faults
from shared.contracts.submission import SUBMISSIONS, Document, SubmissionType
from shared.identity import is_national_id
from tests.contracts.make_golden import SAMPLE_USCC, golden_submission
from tests.contracts.mutants import mutants
from tests.contracts.test_limits import document, enrolment, plan

NAMES = st.sampled_from(["a", "b", "a:b", 'a"b', "：", "\\", "é"])


def text_of(pairs: Any, *, escaped: bool) -> str:
    """A JSON text in which objects are lists of pairs, so that names may stand twice."""
    if isinstance(pairs, tuple):
        body = ",".join(
            f"{json.dumps(name, ensure_ascii=escaped)}:{text_of(value, escaped=escaped)}"
            for name, value in pairs
        )
        return "{" + body + "}"
    return json.dumps(pairs, ensure_ascii=escaped)


def twice(pairs: Any) -> bool:
    """Whether a name stands twice in one object, by looking."""
    if not isinstance(pairs, tuple):
        return False
    names = [name for name, _ in pairs]
    return len(set(names)) < len(names) or any(twice(value) for _, value in pairs)


TREES = st.recursive(
    st.one_of(st.integers(), st.text(max_size=5), st.none()),
    lambda inner: st.lists(st.tuples(NAMES, inner), max_size=4).map(tuple),
    max_leaves=8,
)


@given(tree=TREES, escaped=st.booleans())
def test_a_name_that_stands_twice_is_found_and_nothing_else(tree: Any, escaped: bool) -> None:  # noqa: FBT001
    """Whatever colons and escapes stand in names and values."""
    assert names_doubled(text_of(tree, escaped=escaped).encode()) == twice(tree)


def codes(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Code and field of each reason."""
    value = json.dumps(document).encode()
    outcome = check(value, preamble(value))
    assert isinstance(outcome, list)
    return [(reason.code, reason.field) for reason in outcome]


@pytest.mark.parametrize(
    "name", ["李娜", "x - at `$.110105199003071095", "x - at `$.data.lina", "110105199003071095"]
)
def test_the_name_of_a_superfluous_field_is_not_repeated(name: str) -> None:
    """A sender could write anything there, and receipts are for ever."""
    assert codes(plan() | {name: 1}) == [("submission.invalid_field", "")]
    assert codes(plan(**{name: 1})) == [("submission.invalid_field", "data")]


def test_every_field_at_fault_is_told() -> None:
    """Not the first one alone: each with its path down to the field, in the order of the fields."""
    session = plan()["data"]["sessions"][0]
    wrong = plan(
        region="35",
        max_trainees=0,
        programme_tags=["", 3],
        maxTrainees=30,
        sessions=[session | {"starts_at": "9"}, 7],
    )
    del wrong["nonce"], wrong["data"]["level"]
    assert codes(wrong) == [
        ("submission.invalid_field", field)
        for field in (
            "nonce", "data.region", "data.level", "data.programme_tags[0]", "data.programme_tags[1]",
            "data.max_trainees", "data.sessions[0].starts_at", "data.sessions[1]", "data",
        )
    ]  # fmt: skip


def test_what_is_no_json_behind_a_wrong_field_is_unreadable() -> None:
    """A decoder stops at the field and never sees it."""
    value = json.dumps(plan(region="35") | {"last": 1}).encode().replace(b'"last": 1', b'"last": \xff')
    outcome = check(value, Preamble("d-1", f"urn:uscc:{SAMPLE_USCC}", plan()["type"]))
    assert isinstance(outcome, list)
    assert [reason.code for reason in outcome] == ["submission.unreadable"]


@pytest.mark.parametrize("entry", SUBMISSIONS.values(), ids=lambda entry: entry.name)
def test_one_thing_wrong_is_one_fault_at_its_place(entry: SubmissionType) -> None:
    """Of each field of each type; what the decoder takes, such as another `specversion`, has none."""
    golden = json.loads(golden_submission(entry.name).read_bytes())
    found = 0
    for what, wrong in mutants(golden, schemas()[entry.name]):
        value, kind = json.dumps(wrong).encode(), Document[entry.cls]  # type: ignore[name-defined]
        told = [re.sub(r"\[[0-9]+\]", "[]", fault.path) for fault in faults(value, kind)]
        found += len(told)
        assert told == ([what.rpartition(" ")[2]] if refused(value, kind) else []), what
    assert found > 30


def refused(value: bytes, kind: Any) -> bool:
    """Whether a decoder takes it."""
    try:
        msgspec.json.decode(value, type=kind)
    except msgspec.ValidationError:
        return True
    return False


@pytest.mark.parametrize(
    "changes",
    [
        {"level": "5\n"},
        {"region": "350100\n"},
        {"sessions": [{**plan()["data"]["sessions"][0], "ends_at": "11:00\n"}]},
    ],
)
def test_a_line_feed_behind_a_value_is_refused(changes: dict[str, Any]) -> None:
    """A pattern's `$` would let it pass, into a stream's id or a number's text."""
    ((code, _),) = codes(plan(**changes))
    assert code == "submission.invalid_field"


def test_every_place_is_a_path_from_the_document_s_root() -> None:
    """As in the receipts for what only the history shows: `data.sessions.held_on`."""
    row = {"session_ref": "s/1", "teacher_ref": "t-1", "held_on": "2024-05-15"}
    late, early = {"starts_at": "09:00", "ends_at": "11:00"}, {"starts_at": "11:00", "ends_at": "09:00"}
    again = row | late | {"session_ref": "s-2"}
    assert codes(plan(class_ref="c/1", sessions=[row | early, again, again])) == [
        ("reference.malformed", "data.class_ref"),
        ("reference.malformed", "data.sessions.session_ref"),
        ("submission.line_doubled", "data.sessions"),
        ("class.session_ends_before_start", "data.sessions.ends_at"),
    ]
    line = {"enrolment_ref": "e-1", "minutes": 90, "method": "QR"}
    sheet = {"class_ref": "c-1", "session_ref": "s-1", "evidence": "a" * 64, "lines": [line, line]}
    assert codes(document("RecordAttendanceSheet", sheet)) == [("submission.line_doubled", "data.lines")]


def test_a_reference_that_is_none_is_not_told_as_doubled_too() -> None:
    """All reasons of the longest plan must fit one receipt."""
    row = {"session_ref": "s/1", "teacher_ref": "t-1", "held_on": "2024-05-15"}
    row |= {"starts_at": "09:00", "ends_at": "11:00"}
    assert codes(plan(sessions=[row, row])) == [("reference.malformed", "data.sessions.session_ref")] * 2


def test_an_id_number_in_other_digits_is_none() -> None:
    """It would be the same person to a reader and another one to the vault: the no-repeat rule could be passed by."""
    number = "110105199003071095"
    fullwidth = number.translate({ord(digit): ord(digit) - ord("0") + ord("０") for digit in "0123456789"})
    assert is_national_id(number)
    assert not is_national_id(fullwidth)
    assert codes(enrolment(trainee={"national_id": fullwidth})) == [
        ("trainee.id_number_invalid", "data.trainee.national_id")
    ]
