"""The entitlement account (享受账户): one stream a person, the single writer of the no-repeat rule (R50).

Two claims for one (occupation, level) meet at this stream's version, whatever institution, region or year
they come from: one is held, the other is refused.

Source: 人社厅发〔2023〕55号 二(十): 同一职业(工种)的同一等级不可重复申领培训补贴(含参保职工技能提升补贴).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import assert_never

from shared.contracts.payment import EntitlementRefused, EntitlementReleased, EntitlementReserved
from shared.decider import Decider

Key = tuple[str, str]
"""(occupation_id, level): "5" to "1", or "X" for a special ability."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserve:
    """A claim asks for the person's entitlement."""

    person_id: str
    claim_id: str
    occupation_id: str
    level: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A claim that may hold it was refused, withdrawn or recovered."""

    person_id: str
    claim_id: str
    occupation_id: str
    level: str


Command = Reserve | Release
Event = EntitlementReserved | EntitlementRefused | EntitlementReleased


@dataclass(frozen=True, slots=True, kw_only=True)
class EntitlementAccount:
    """Which claim holds each key.

    Attributes:
        refused: claims that were refused: one that asks again gets no second fact.
    """

    held: Mapping[Key, str] = field(default_factory=lambda: MappingProxyType({}))
    refused: frozenset[str] = frozenset()

    def taken(self, occupation_id: str, level: str, claim_id: str) -> bool:
        """Whether another claim holds the key."""
        return self.held.get((occupation_id, level), claim_id) != claim_id


def decide(command: Command, state: EntitlementAccount) -> list[Event]:
    """See `shared.decider`. A key that is held is a fact, not a `Refusal`: the auditor must see by whom."""
    holder = state.held.get((command.occupation_id, command.level))
    match command:
        case Reserve():
            return _reserve(command, state, holder)
        case Release():
            if holder != command.claim_id:
                return []
            return [
                EntitlementReleased(
                    person_id=command.person_id,
                    claim_id=command.claim_id,
                    occupation_id=command.occupation_id,
                    level=command.level,
                )
            ]
        case _:
            assert_never(command)


def _reserve(command: Reserve, state: EntitlementAccount, holder: str | None) -> list[Event]:
    if holder == command.claim_id or command.claim_id in state.refused:
        return []
    if holder is None:
        return [
            EntitlementReserved(
                person_id=command.person_id,
                claim_id=command.claim_id,
                occupation_id=command.occupation_id,
                level=command.level,
            )
        ]
    return [
        EntitlementRefused(
            person_id=command.person_id,
            claim_id=command.claim_id,
            occupation_id=command.occupation_id,
            level=command.level,
            conflicts_with=holder,
        )
    ]


def evolve(state: EntitlementAccount, event: Event) -> EntitlementAccount:
    """See `shared.decider`."""
    match event:
        case EntitlementReserved(occupation_id=occupation, level=level, claim_id=claim):
            return replace(state, held=MappingProxyType({**state.held, (occupation, level): claim}))
        case EntitlementReleased(occupation_id=occupation, level=level):
            left = {key: claim for key, claim in state.held.items() if key != (occupation, level)}
            return replace(state, held=MappingProxyType(left))
        case EntitlementRefused(claim_id=claim):
            return replace(state, refused=state.refused | {claim})
        case _:
            assert_never(event)


entitlement_account: Decider[Command, EntitlementAccount, Event] = Decider(
    "entitlement_account",
    EntitlementAccount(),
    decide,
    evolve,
    (EntitlementReserved, EntitlementRefused, EntitlementReleased),
)
