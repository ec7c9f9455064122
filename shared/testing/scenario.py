"""given / when / then, with three endings: the right facts, nothing (already so), or a refusal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from shared.contracts.fact import Fact
from shared.decider import Decider
from shared.refusal import Refusal

C = TypeVar("C")


@dataclass(frozen=True, slots=True)
class Scenario(Generic[C]):
    """A stream with a history, about to be asked something."""

    decider: Decider[C, Any, Any]
    history: tuple[Fact, ...]

    def when(self, command: C) -> Ending[C]:
        """The command is decided on that history."""
        state = self.decider.fold(self.history)
        try:
            return Ending(self, list(self.decider.decide(command, state)), None)
        except Refusal as refusal:
            return Ending(self, [], refusal)


@dataclass(frozen=True, slots=True)
class Ending(Generic[C]):
    """What the decider answered."""

    scenario: Scenario[C]
    facts: list[Fact]
    refusal: Refusal | None

    def then(self, *expected: Fact) -> Scenario[C]:
        """Exactly these facts, every field compared. Goes on with them in the history."""
        assert self.refusal is None, f"refused: {self.refusal!r}"
        assert self.facts == list(expected)
        assert expected, "say then_nothing() when nothing is expected"
        return Scenario(self.scenario.decider, (*self.scenario.history, *expected))

    def then_nothing(self) -> None:
        """It is already so: no fact, no refusal."""
        assert self.refusal is None, f"refused: {self.refusal!r}"
        assert self.facts == []

    def then_refused(self, why: type[Refusal], field: str | None = None) -> None:
        """Refused for this reason, at this field where one is named."""
        assert isinstance(self.refusal, why), f"expected {why.__name__}, got {self.refusal!r}, {self.facts}"
        assert field is None or self.refusal.field == field


def given(decider: Decider[C, Any, Any], *history: Fact) -> Scenario[C]:
    """A stream of this kind with these facts."""
    return Scenario(decider, history)
