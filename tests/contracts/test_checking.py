"""The judgement of a document's form: what two parsers would read differently, and what must not be repeated."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.checking import check, names_doubled, preamble
from shared.identity import is_national_id
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
