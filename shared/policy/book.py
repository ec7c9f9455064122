"""The policy book: every loaded package, looked up by date. Immutable; reads no clock, no environment."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date

import msgspec

from shared.contracts.trace import DecisionTrace, PolicyRef
from shared.policy.occupations import OccupationCatalogue
from shared.policy.package import Code, Occupation, PolicyPackage, Region
from shared.policy.refusals import NoTargets
from shared.policy.regions import RegionTable
from shared.policy.rules import NoRepeatRule, Procedure, RuleTable
from shared.policy.standards import ClaimFacts, Standard, StandardTable
from shared.policy.workdays import WorkCalendar


class Targets(msgspec.Struct, frozen=True, kw_only=True):
    """A year's targets (目标任务) in person-times (人次), by region code, in the notice's order.

    Attributes:
        counting_event: the fact that makes a person-time count; "" where no package says.
    """

    year: int
    total: int
    by_region: dict[str, int]
    counting_event: str
    ref: PolicyRef


class PackageChanged(ValueError):
    """A trace names a package version that is absent, or whose file has other bytes now.

    Put the file with that digest back; an approved version never changes.
    """


@dataclass(frozen=True, slots=True)
class PolicyBook:
    """All packages and the answers they give. Make it with `loading.load_packages`."""

    _packages: tuple[PolicyPackage, ...]
    _regions: RegionTable
    _occupations: OccupationCatalogue
    _calendar: WorkCalendar
    _standards: StandardTable
    _rules: RuleTable

    @classmethod
    def of(cls, packages: Iterable[PolicyPackage]) -> PolicyBook:
        """A book of checked packages."""
        ordered = tuple(sorted(packages, key=lambda package: (package.id, package.version)))
        latest = _latest(ordered)
        regions = RegionTable.of(region for package in latest for region in package.content.regions)
        return cls(
            _packages=ordered,
            _regions=regions,
            _occupations=OccupationCatalogue.of(
                (row for package in latest for row in package.content.occupations),
                (row for package in latest for row in package.content.aliases),
            ),
            _calendar=WorkCalendar.of(p.content.calendar for p in latest if p.content.calendar is not None),
            _standards=StandardTable.of(ordered, regions),
            _rules=RuleTable.of(ordered, regions),
        )

    def packages(self) -> tuple[PolicyPackage, ...]:
        """Every version of every package, by id and version."""
        return self._packages

    def package(self, package_id: str, version: int | None = None) -> PolicyPackage:
        """A package's version, or its latest. Raises: KeyError."""
        for package in reversed(self._packages):
            if package.id == package_id and version in (None, package.version):
                return package
        raise KeyError(f"{package_id}@{version or 'latest'}")

    def pinned(self, trace: DecisionTrace) -> PolicyBook:
        """The book as that decision saw it: standards, lists and rules of the versions it names, no others.

        Regions, occupations and calendars stay. Deciding the same facts again gives the trace's bytes,
        whatever packages came later.

        Raises: PackageChanged.
        """
        named: set[tuple[str, int]] = set()
        for ref in trace.refs:
            self._proven(ref)
            named.add((ref.package, ref.version))
        for name in (lost for step in trace.steps for lost in step.over):
            package_id, _, version = name.partition("#")[0].partition("@")
            self._proven(PolicyRef(package=package_id, version=int(version)))
            named.add((package_id, int(version)))
        kept = tuple(package for package in self._packages if (package.id, package.version) in named)
        return replace(
            self,
            _standards=StandardTable.of(kept, self._regions),
            _rules=RuleTable.of(kept, self._regions),
        )

    def _proven(self, ref: PolicyRef) -> None:
        try:
            package = self.package(ref.package, ref.version)
        except KeyError:
            raise PackageChanged(f"缺少 {ref.name} / {ref.name} is not loaded") from None
        if ref.sha256 not in ("", package.sha256):
            raise PackageChanged(
                f"{package.file} 的内容已变，应为 {ref.sha256} / {package.file} no longer has that digest"
            )

    def subsidy_standard(self, facts: ClaimFacts) -> Standard:
        """The standard for a claim's facts, with its trace. Raises: NoStandard, UnknownRegion."""
        return self._standards.find(facts)

    def procedure(self, region: str, on: date) -> Procedure:
        """The procedure's figures in a region on a date. Raises: NoRule, UnknownRegion."""
        return self._rules.procedure(region, on)

    def no_repeat(self, region: str, on: date) -> NoRepeatRule:
        """The no-repeat rule in a region for claims of a date. Raises: NoRule, UnknownRegion."""
        return self._rules.no_repeat(region, on)

    def regions(self) -> tuple[Region, ...]:
        """The regions that have an authority, in the notice's order."""
        return self._regions.regions

    def region(self, code: str) -> Region:
        """The region that answers for a code, by the longest prefix. Raises: UnknownRegion."""
        return self._regions.find(code)

    def targets(self, year: int) -> Targets:
        """Raises: NoTargets."""
        for package in _latest(self._packages):
            content = package.content
            for target in (target for target in content.targets if target.year == year):
                return Targets(
                    year=year,
                    total=target.total,
                    by_region={row.region: row.count for row in target.rows},
                    counting_event=content.counting_event.event if content.counting_event else "",
                    ref=package.ref(f"targets/{year}", verified=target.verified),
                )
        raise NoTargets(year)

    def codes(self, vocabulary: str) -> tuple[Code, ...]:
        """The words of a vocabulary ("group", "training_kind", …), of each package's latest version."""
        codes = (code for package in _latest(self._packages) for code in package.content.codes)
        return tuple(code for code in codes if code.vocabulary == vocabulary)

    def occupations(self) -> tuple[Occupation, ...]:
        """The whole catalogue."""
        return self._occupations.all

    def occupation(self, occupation_id: str) -> Occupation:
        """Raises: UnknownOccupation."""
        return self._occupations.find(occupation_id)

    def occupation_by_code(self, edition: str, code: str) -> Occupation:
        """The occupation of ("2022", "4-10-01-05"). Raises: UnknownOccupation."""
        return self._occupations.find_by_code(edition, code)

    def is_working_day(self, day: date) -> bool:
        """Raises: NoCalendar: no package covers that year."""
        return self._calendar.is_working_day(day)

    def add_working_days(self, start: date, days: int, *, opening_day_counted: bool) -> date:
        """The last day of a period; see `WorkCalendar.add_working_days`. Raises: NoCalendar."""
        return self._calendar.add_working_days(start, days, opening_day_counted=opening_day_counted)


def _latest(packages: tuple[PolicyPackage, ...]) -> tuple[PolicyPackage, ...]:
    """The last version of each package; the packages are in the order of their versions."""
    return tuple({package.id: package for package in packages}.values())
