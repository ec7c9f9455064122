"""Enrolment in memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from services.enrolment.domain.training_class import ApproveClass, training_class
from services.enrolment.policies import effects
from services.enrolment.submissions import handlers
from shared.contracts.fact import Envelope
from shared.contracts.submission import Submission
from shared.eventstore.store import Store
from shared.intake.handling import ResolvedPerson
from shared.testing.world import Deciding, ServiceWorld
from tests.book import BOOK
from tests.domain.enrolment import facts

COMMITMENT = "c" * 64


class World(ServiceWorld):
    """Enrolment, before its first business date."""

    def __init__(self, store: Store | None = None) -> None:
        super().__init__("enrolment", effects, handlers(BOOK), now=facts.NOW, store=store)

    def approves(self, class_id: str = facts.CLASS_ID) -> None:
        """A handler approves a class."""
        given = self.given(facts.TODAY)
        command = ApproveClass(class_id=class_id)
        self.run(lambda draft: draft.execute(training_class, class_id, command, given))

    def sent(self, data: Submission, *, by: str = facts.SCHOOL, person: str = facts.LI_NA) -> Deciding:
        """A submission under a new id; `person` is what the vault makes of its person."""
        return self.submission(data, by=by, person=ResolvedPerson(person, {"RURAL": COMMITMENT}))

    def decide(self, data: Submission, *, by: str = facts.SCHOOL, person: str = facts.LI_NA) -> Any:
        """One submission in a batch of its own."""
        return self.decides(self.sent(data, by=by, person=person))[0]

    def facts(self, *streams: str) -> list[Envelope[Any]]:
        """All facts of these streams."""
        return self.envelopes(*streams)

    def named(self, ids: Iterable[str]) -> list[Any]:
        """The data of facts, by their ids, in the order of the ids."""
        by_id = {fact.id: fact.data for fact in self.all_facts()}
        return [by_id[name] for name in ids]


@pytest.fixture
def world() -> World:
    """Monday 2024-05-13."""
    world = World()
    world.moves_to(facts.TODAY)
    return world


@pytest.fixture
def in_class(world: World) -> World:
    """The class is approved, Li Na (E-1) and Wang Wei (E-2) sit in it, and its three days are over."""
    world.decide(facts.application())
    world.approves()
    world.decide(facts.enrolment("E-1"), person=facts.LI_NA)
    world.decide(facts.enrolment("E-2"), person=facts.WANG_WEI)
    world.moves_to(facts.AFTERWARDS)
    return world
