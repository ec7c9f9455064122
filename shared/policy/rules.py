"""Rules that a region has on a date: the procedure's figures and the no-repeat rule."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import msgspec

from shared.contracts.trace import DecisionTrace, PolicyRef, TraceStep, decided
from shared.policy.package import NoRepeat, PolicyPackage, ProcedureEntry, ReviewStage, SubsidyKind
from shared.policy.refusals import NoRule
from shared.policy.regions import RegionTable
from shared.policy.standards import strength


class Procedure(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of training and handling in force, from the package entry `ref`.

    Attributes:
        attendance_permille: attended minutes a thousand planned ones, from which attendance suffices.
        age_from, age_below: whole years at the class's first day: from, and under.
        claim_within_months: counted from the certificate's date.
        public_notice_working_days: the opening day counted.
        parking_business_days: how long a submission waits for what it needs.
        review_stages: in order.
    """

    attendance_permille: int
    class_hour_minutes: int
    age_from: int
    age_below: int
    max_trainees: int
    pass_mark: int
    claim_within_months: int
    public_notice_working_days: int
    parking_business_days: int
    review_stages: tuple[ReviewStage, ...]
    ref: PolicyRef

    def attended_enough(self, attended_minutes: int, planned_minutes: int) -> bool:
        """Whether attendance suffices; in integers, and with nothing planned nothing suffices."""
        return 0 < planned_minutes * self.attendance_permille <= attended_minutes * 1000

    def admits_age(self, age: int) -> bool:
        """Whether a person of that age, in whole years at the class's first day, may be enrolled."""
        return self.age_from <= age < self.age_below

    def claim_closes_on(self, certificate_on: date) -> date:
        """The last day to claim: the certificate's day so many months later, or that month's last day."""
        months = certificate_on.month - 1 + self.claim_within_months
        year, month = certificate_on.year + months // 12, months % 12 + 1
        return date(year, month, min(certificate_on.day, monthrange(year, month)[1]))

    def judged(self, rule: str, inputs: dict[str, str | int], result: str) -> DecisionTrace:
        """The trace of a decision by one figure, `rule` being the figure's name here."""
        return decided(result, TraceStep(rule=rule, ref=self.ref, inputs=inputs, result=result))


class NoRepeatRule(msgspec.Struct, frozen=True, kw_only=True):
    """Subsidy kinds in `scope` share one entitlement a `key`; from the package entry `ref`."""

    scope: tuple[SubsidyKind, ...]
    key: tuple[str, ...]
    ref: PolicyRef


@dataclass(frozen=True, slots=True)
class RuleTable:
    """The packages that state rules, the strongest first."""

    _regions: RegionTable
    _procedures: Sequence[tuple[PolicyPackage, Procedure]]
    _no_repeats: Sequence[tuple[PolicyPackage, NoRepeatRule]]

    @classmethod
    def of(cls, packages: Iterable[PolicyPackage], regions: RegionTable) -> RuleTable:
        """A table of the packages that state a procedure or the no-repeat rule."""
        ordered = sorted(packages, key=strength)
        procedures = [
            (package, _procedure(package, package.content.procedure))
            for package in ordered
            if package.content.procedure is not None
        ]
        no_repeats = [
            (package, _no_repeat(package, package.content.no_repeat))
            for package in ordered
            if package.content.no_repeat is not None
        ]
        return cls(regions, tuple(procedures), tuple(no_repeats))

    def procedure(self, region: str, on: date) -> Procedure:
        """Raises: NoRule, UnknownRegion."""
        for package, procedure in self._procedures:
            if package.in_force(on) and self._regions.covers(package.content.region, region):
                return procedure
        raise NoRule("procedure", region, on)

    def no_repeat(self, region: str, on: date) -> NoRepeatRule:
        """Raises: NoRule, UnknownRegion."""
        for package, rule in self._no_repeats:
            if package.in_force(on) and self._regions.covers(package.content.region, region):
                return rule
        raise NoRule("no_repeat", region, on)


def _procedure(package: PolicyPackage, entry: ProcedureEntry) -> Procedure:
    figures = {name: getattr(entry, name) for name in Procedure.__struct_fields__ if name != "ref"}
    return Procedure(**figures, ref=package.ref("procedure", verified=entry.verified))


def _no_repeat(package: PolicyPackage, entry: NoRepeat) -> NoRepeatRule:
    return NoRepeatRule(
        scope=entry.scope, key=entry.key, ref=package.ref("no_repeat", verified=entry.verified)
    )
