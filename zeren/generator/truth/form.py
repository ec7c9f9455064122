"""Checks of a document that need no history: who may send it, its references, its ID number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from zeren.generator.truth.identifiers import is_national_id, is_reference, looks_personal
from zeren.generator.truth.verdicts import Refused

SENDERS = {
    "ApplyClass": "TRAINING",
    "EnrolTrainee": "TRAINING",
    "RecordAttendanceSheet": "TRAINING",
    "CompleteClass": "TRAINING",
    "RegisterCandidate": "ASSESSMENT",
    "RecordResults": "ASSESSMENT",
    "ApproveResults": "ASSESSMENT",
    "ApplySubsidy": "TRAINING",
}
_REFERENCES = ("_ref", "certificate_no", "norm", "occupation_id", "training_kind", "group", "programme_tags")


def check_form(kind: str, sender_kind: str, content: dict[str, Any]) -> None:
    """All reasons of form at once, then the sender's kind. Raises: Refused."""
    codes = []
    for text in _references(content["data"]):
        if looks_personal(text):
            codes.append("reference.looks_personal")
        elif text and not is_reference(text):
            codes.append("reference.malformed")
    trainee = content["data"].get("trainee")
    if trainee is not None and not is_national_id(trainee["national_id"]):
        codes.append("trainee.id_number_invalid")
    if codes:
        raise Refused(*codes)
    if SENDERS[kind] != sender_kind:
        raise Refused("submission.sender_not_entitled")


def _references(value: Any, name: str = "") -> Iterator[str]:
    """Every name that the sender chose, down to the lines."""
    if isinstance(value, dict):
        for field, content in value.items():
            yield from _references(content, field)
    elif isinstance(value, list):
        for content in value:
            yield from _references(content, name)
    elif isinstance(value, str) and name.endswith(_REFERENCES):
        yield value
