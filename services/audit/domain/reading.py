"""Readings (查阅): each look of a person at personal data is a fact, in a stream per reader and business date.

Source: decisions of the project on personal data; 个人信息保护法 第五十一条, 第五十四条 (access control and audit).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import assert_never

from shared.contracts.audit import PersonalDataRead
from shared.decider import Decider
from shared.identity import derive_id, is_reason_code
from shared.refusal import Refusal


class ReasonMissing(Refusal):
    """Personal data is not shown without a reason code."""

    code = "reading.reason_missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordReading:
    """Someone is about to be shown personal data.

    Attributes:
        reader: the handler's id.
        subject: what is looked at: a claim's id.
        fields: names of what is shown, never values; none: nothing personal is shown.
        reason: 2–32 of A–Z, 0–9 and _, "CASE_REVIEW".
    """

    reader: str
    subject: str
    fields: tuple[str, ...]
    reason: str


def readings_id(reader: str, day: date) -> str:
    """The stream of a handler's readings on a business date."""
    return derive_id("audit", "readings", reader, day.isoformat())


def decide(command: RecordReading, _count: int) -> list[PersonalDataRead]:
    """Every reading is recorded, the same one again too.

    Raises: ReasonMissing.
    """
    match command:
        case RecordReading(fields=()):
            return []
        case RecordReading():
            if not is_reason_code(command.reason):
                raise ReasonMissing("reason")
            fact = PersonalDataRead(
                reader=command.reader,
                subject=command.subject,
                fields=list(command.fields),
                reason=command.reason,
            )
            return [fact]
        case _:
            assert_never(command)


def evolve(count: int, event: PersonalDataRead) -> int:
    """How often the reader looked that day."""
    match event:
        case PersonalDataRead():
            return count + 1
        case _:
            assert_never(event)


readings: Decider[RecordReading, int, PersonalDataRead] = Decider(
    "readings", 0, decide, evolve, (PersonalDataRead,)
)
