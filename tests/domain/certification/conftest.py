"""Certification in memory."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from services.certification.domain.assessment_body import ApproveBody, assessment_body
from services.certification.policies import POLICIES, effects
from services.certification.submissions import handlers
from shared.contracts.certification import Scope
from shared.contracts.fact import Envelope, Fact
from shared.contracts.submission import Submission
from shared.identity import institution_id
from shared.intake.handling import ResolvedPerson
from shared.testing.world import Deciding, ServiceWorld
from tests.book import BOOK
from tests.domain.certification import facts

NOW = datetime(2024, 6, 3, 1, tzinfo=UTC)


class World(ServiceWorld):
    """Certification, before its first business date."""

    def __init__(self) -> None:
        super().__init__("certification", effects, handlers(BOOK), now=NOW)

    def approves(self, uscc: str = facts.BODY, *, levels: tuple[str, ...] = ("5", "4")) -> None:
        """A body may assess the occupation of the tests at these levels through 2024."""
        command = ApproveBody(
            uscc=uscc,
            scope=[Scope(occupation_id=facts.OCCUPATION, levels=list(levels))],
            valid_from=date(2024, 1, 1),
            valid_to=date(2024, 12, 31),
            catalogue=frozenset((facts.OCCUPATION,)),
        )
        given = self.given(facts.TODAY)
        self.run(lambda draft: draft.execute(assessment_body, institution_id(uscc), command, given))

    def learns(self, *foreign: Fact) -> None:
        """Enrolment's facts of trainees arrive."""
        for fact in foreign:
            self.takes(POLICIES, fact, stream=fact.enrolment_id)  # type: ignore[attr-defined]

    def sent(
        self, data: Submission, *, by: str = facts.BODY, person: str | None = None, named: str = ""
    ) -> Deciding:
        """A submission, under a new id unless one is named."""
        return self.submission(
            data, by=by, person=ResolvedPerson(person, {}) if person else None, named=named
        )

    def facts(self, *streams: str) -> list[Envelope[Any]]:
        """All facts of these streams."""
        return self.envelopes(*streams)


@pytest.fixture
def world() -> World:
    """Monday 2024-06-03, one approved body."""
    world = World()
    world.moves_to(facts.TODAY)
    world.approves()
    return world
