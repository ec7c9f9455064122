"""Deciders: what an aggregate is, without any of the machinery around it.

The four laws: `evolve` never refuses, logs or reads a clock; `decide` is pure and answers facts, nothing
(already so) or a `Refusal`; both cover every case (`assert_never`); what is decided under a rule is written
into the fact, never computed again on replay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

Command = TypeVar("Command")
State = TypeVar("State")
Event = TypeVar("Event")


@dataclass(frozen=True, slots=True)
class Decider(Generic[Command, State, Event]):
    """One kind of stream.

    Attributes:
        name: the kind, as it stands in logs ("claim").
        initial: the state of a stream without facts.
        decide: facts, `[]` when it is already so, or raises a `Refusal`. Whatever it needs from outside its
            stream stands in the command, prefetched.
        evolve: folds one fact into the state; total, pure.
        events: the fact classes its streams hold; any other class in such a stream stops it.
    """

    name: str
    initial: State
    decide: Callable[[Command, State], list[Event]]
    evolve: Callable[[State, Event], State]
    events: tuple[type, ...]

    def fold(self, events: Iterable[Event], state: State | None = None) -> State:
        """The state after these facts, from `state` or from the beginning."""
        current = self.initial if state is None else state
        for event in events:
            current = self.evolve(current, event)
        return current
