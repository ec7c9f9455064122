"""Readings: each look at personal data is a fact, with a reason."""

from __future__ import annotations

from datetime import date

import pytest

from services.audit.domain.reading import ReasonMissing, RecordReading, readings, readings_id
from shared.contracts.audit import PersonalDataRead
from shared.testing.scenario import given

LOOK = RecordReading(reader="h-900", subject="claim-1", fields=("handler.name",), reason="CASE_REVIEW")
READ = PersonalDataRead(reader="h-900", subject="claim-1", fields=["handler.name"], reason="CASE_REVIEW")


def test_a_reading_is_recorded() -> None:
    """With who, about what, which fields, and why; never the values."""
    given(readings).when(LOOK).then(READ)


def test_the_same_reading_again_is_another_fact() -> None:
    """Looking twice is two readings."""
    given(readings, READ).when(LOOK).then(READ)


def test_nothing_shown_is_nothing_recorded() -> None:
    """No field, no fact, whatever the reason."""
    given(readings, READ).when(
        RecordReading(reader="h-900", subject="claim-1", fields=(), reason="")
    ).then_nothing()


@pytest.mark.parametrize("reason", ["", "A", "case", "X" * 33, "WHY NOT", "原因", "A-B", "A\n"])
def test_without_a_reason_code_it_is_refused(reason: str) -> None:
    """2–32 of A–Z, 0–9 and _, beginning with a letter."""
    look = RecordReading(reader="h-900", subject="claim-1", fields=("handler.name",), reason=reason)
    given(readings).when(look).then_refused(ReasonMissing, "reason")


def test_a_reader_has_one_stream_a_day() -> None:
    """So that a stream stays short and a day is easily looked over."""
    day = date(2024, 6, 17)
    assert readings_id("h-900", day) == readings_id("h-900", day)
    assert (
        len({readings_id("h-900", day), readings_id("h-901", day), readings_id("h-900", date(2024, 6, 18))})
        == 3
    )
