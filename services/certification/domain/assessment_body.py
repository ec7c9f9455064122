"""An assessment body (评价机构): who approved it for which occupations and levels, and for how long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from services.certification.domain import rules
from services.certification.domain.refusals import (
    BodyAlreadyApproved,
    BodyNotApproved,
    BodyPeriodReversed,
    BodyUsccInvalid,
    OccupationNotInCatalogue,
    ScopeNotCovered,
)
from shared.contracts.certification import AssessmentBodyApproved, Scope
from shared.decider import Decider
from shared.identity import is_uscc


@dataclass(frozen=True, slots=True, kw_only=True)
class ApproveBody:
    """Approves a body within a scope, on dates in [valid_from, valid_to].

    Attributes:
        catalogue: the ids of every occupation.
    """

    uscc: str
    scope: Sequence[Scope]
    valid_from: date
    valid_to: date
    catalogue: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """One period; periods of a body never overlap."""

    scope: tuple[Scope, ...]
    valid_from: date
    valid_to: date

    def is_same(self, command: ApproveBody) -> bool:
        """Whether the command asks for exactly this, whatever the order of occupations and levels."""
        period = (command.valid_from, command.valid_to)
        return period == (self.valid_from, self.valid_to) and _levels(self.scope) == _levels(command.scope)

    def overlaps(self, command: ApproveBody) -> bool:
        """Whether they share a day."""
        return self.valid_from <= command.valid_to and command.valid_from <= self.valid_to


@dataclass(frozen=True, slots=True)
class AssessmentBody:
    """The approvals so far, in the order in which they were given."""

    approvals: tuple[Approval, ...] = ()

    def may_assess(self, occupation_id: str, level: str, on: date) -> None:
        """Judges whether the body may assess an occupation and level on a business date.

        Raises:
            BodyNotApproved: no approval is in force that day.
            ScopeNotCovered: it does not reach so far.

        Source: 人社厅发〔2023〕55号 二(十); 闽人社办〔2024〕40号 二.
        """
        current = next((a for a in self.approvals if a.valid_from <= on <= a.valid_to), None)
        if current is None:
            raise BodyNotApproved
        if not rules.covers(current.scope, occupation_id, level):
            raise ScopeNotCovered("data.occupation_id")


def decide(command: ApproveBody, body: AssessmentBody) -> list[AssessmentBodyApproved]:
    """Raises: BodyUsccInvalid, BodyPeriodReversed, BodyAlreadyApproved, OccupationNotInCatalogue."""
    if not is_uscc(command.uscc):
        raise BodyUsccInvalid("uscc")
    if command.valid_to < command.valid_from:
        raise BodyPeriodReversed("valid_to")
    if any(approval.is_same(command) for approval in body.approvals):
        return []
    if any(approval.overlaps(command) for approval in body.approvals):
        raise BodyAlreadyApproved("uscc")
    if not command.catalogue.issuperset(row.occupation_id for row in command.scope):
        raise OccupationNotInCatalogue("scope.occupation_id")
    return [
        AssessmentBodyApproved(
            uscc=command.uscc,
            scope=list(command.scope),
            valid_from=command.valid_from,
            valid_to=command.valid_to,
            decision_jws=None,
        )
    ]


def evolve(body: AssessmentBody, event: AssessmentBodyApproved) -> AssessmentBody:
    """One more period."""
    approval = Approval(scope=tuple(event.scope), valid_from=event.valid_from, valid_to=event.valid_to)
    return AssessmentBody((*body.approvals, approval))


def _levels(scope: Sequence[Scope]) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for row in scope:
        found[row.occupation_id] = found.get(row.occupation_id, frozenset()) | frozenset(row.levels)
    return found


assessment_body: Decider[ApproveBody, AssessmentBody, AssessmentBodyApproved] = Decider(
    "assessment_body", AssessmentBody(), decide, evolve, (AssessmentBodyApproved,)
)
